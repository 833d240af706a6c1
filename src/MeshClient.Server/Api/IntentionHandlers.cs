using MeshClient.Core.Intentions;
using MeshClient.Core.Naming;
using MeshClient.Server.AccessControl;
using MeshClient.Server.Api.Json;
using MeshClient.Server.Filters;
using MeshClient.Server.Intentions;
using MeshClient.Server.State;

namespace MeshClient.Server.Api;

/// <summary>Who may call whom.</summary>
internal sealed class IntentionHandlers(StateStore store, BlockingQuery queries, MeshServerOptions options, TimeProvider time)
{
    private const string CreatePrefix = "Failed to decode request body: ";
    private const string PutPrefix = "Bad request: Request decode failed: ";
    private const int IdLength = 36;

    private volatile CompiledIntentions? _compiled;

    private IntentionAction DefaultAction =>
        options.DefaultIntentionPolicy == DefaultIntentionPolicy.Allow ? IntentionAction.Allow : IntentionAction.Deny;

    public void Map(RouteTable routes)
    {
        routes.Map("GET", "/v1/connect/intentions", RouteAccess.Filtered, ListAsync);
        routes.Map("POST", "/v1/connect/intentions", RouteAccess.Asked, CreateAsync);
        routes.Map("GET", "/v1/connect/intentions/match", RouteAccess.Asked, MatchAsync);
        routes.Map("GET", "/v1/connect/intentions/check", RouteAccess.Asked, CheckAsync);
        routes.Map("GET", "/v1/connect/intentions/exact", RouteAccess.Asked, GetExactAsync);
        routes.Map("PUT", "/v1/connect/intentions/exact", RouteAccess.Asked, PutExactAsync);
        routes.Map("DELETE", "/v1/connect/intentions/exact", RouteAccess.Asked, DeleteExactAsync);
        routes.Map("GET", "/v1/connect/intentions/", RouteAccess.Asked, GetAsync);
        routes.Map("PUT", "/v1/connect/intentions/", RouteAccess.Asked, ReplaceAsync);
        routes.Map("DELETE", "/v1/connect/intentions/", RouteAccess.Asked, DeleteAsync);
        routes.Map("POST", "/v1/agent/connect/authorize", RouteAccess.Asked, AuthorizeAsync);
    }

    private async Task ListAsync(ApiRequest request)
    {
        var filter = ReadRules.FilterOf(request, FilterFields.Intention);
        var table = await ReadTableAsync(request).ConfigureAwait(false);
        await request.AnswerJsonAsync(writer =>
        {
            writer.WriteStartArray();
            foreach (var intention in table.All())
            {
                if (request.Access.Shows(ResourceKind.Intention, intention.Destination) && filter?.Invoke(intention) != false)
                {
                    writer.WriteIntention(intention);
                }
            }

            writer.WriteEndArray();
        }).ConfigureAwait(false);
    }

    private async Task MatchAsync(ApiRequest request)
    {
        var by = request.Query("by") ?? throw MissingParameter("by");
        if (by is not ("source" or "destination"))
        {
            throw RequestRefusedException.Invalid("'by' parameter must be one of 'source' or 'destination'");
        }

        var names = request.QueryAll("name");
        if (names.Count == 0)
        {
            throw MissingParameter("name");
        }

        foreach (var name in names)
        {
            request.Access.Demand(ResourceKind.Intention, WithoutNamespace(name ?? string.Empty), AccessLevel.Read);
        }

        var table = await ReadTableAsync(request).ConfigureAwait(false);
        await request.AnswerJsonAsync(writer =>
        {
            writer.WriteStartObject();
            foreach (var name in names.Select(name => name ?? string.Empty).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal))
            {
                var plain = WithoutNamespace(name);
                var matches = by == "destination" ? table.ToDestination(plain) : table.FromSource(plain);
                if (matches.Count == 0)
                {
                    writer.WriteNull(name);
                    continue;
                }

                writer.WriteStartArray(name);
                foreach (var intention in matches)
                {
                    writer.WriteIntention(intention);
                }

                writer.WriteEndArray();
            }

            writer.WriteEndObject();
        }).ConfigureAwait(false);
    }

    private Task CheckAsync(ApiRequest request)
    {
        ReadRules.CheckDatacenter(request, options.Datacenter);
        var source = Required(request, "source");
        var destination = Required(request, "destination");
        if (request.Query("source-type") is { Length: > 0 } type && type != "consul")
        {
            throw RequestRefusedException.Invalid($"unsupported SourceType: \"{type}\"");
        }

        request.Access.Demand(ResourceKind.Service, destination, AccessLevel.Read);
        var allowed = Decide(source, destination).IsAllowed;
        return request.AnswerJsonAsync(writer =>
        {
            writer.WriteStartObject();
            writer.WriteBoolean("Allowed", allowed);
            writer.WriteEndObject();
        });
    }

    private async Task CreateAsync(ApiRequest request)
    {
        var input = await request.DecodeAsync(IntentionDecoder.Decode, CreatePrefix).ConfigureAwait(false);
        var intention = IntentionDecoder.ToIntention(input, Guid.NewGuid().ToString(), time.GetUtcNow());
        request.Access.Demand(ResourceKind.Intention, intention.Destination, AccessLevel.Write);
        await store.ApplyAsync(new CreateIntention(intention)).ConfigureAwait(false);
        await AnswerIdAsync(request, intention.Id).ConfigureAwait(false);
    }

    private Task GetAsync(ApiRequest request)
    {
        if (request.Rest.Length != IdLength)
        {
            throw RequestRefusedException.Invalid("Bad request: failed intention lookup: index error: UUID must be 36 characters");
        }

        var table = store.Current.Intentions;
        return AnswerOneAsync(request, table, table.ById.GetValueOrDefault(request.Rest));
    }

    private async Task ReplaceAsync(ApiRequest request)
    {
        CheckIdForm(request);
        var input = await request.DecodeAsync(IntentionDecoder.Decode, PutPrefix).ConfigureAwait(false);
        var intention = IntentionDecoder.ToIntention(input, request.Rest, time.GetUtcNow());
        DemandWrite(request, store.Current.Intentions.ById.GetValueOrDefault(request.Rest));
        request.Access.Demand(ResourceKind.Intention, intention.Destination, AccessLevel.Write);
        await store.ApplyAsync(new ReplaceIntention(intention)).ConfigureAwait(false);
        await AnswerIdAsync(request, request.Rest).ConfigureAwait(false);
    }

    private async Task DeleteAsync(ApiRequest request)
    {
        CheckIdForm(request);
        DemandWrite(request, store.Current.Intentions.ById.GetValueOrDefault(request.Rest));
        await store.ApplyAsync(new DeleteIntention(request.Rest)).ConfigureAwait(false);
        await AnswerTrueAsync(request).ConfigureAwait(false);
    }

    private async Task GetExactAsync(ApiRequest request)
    {
        var (source, destination) = PairOf(request);
        var table = await ReadTableAsync(request).ConfigureAwait(false);
        await AnswerOneAsync(request, table, table.Find(source, destination)).ConfigureAwait(false);
    }

    private async Task PutExactAsync(ApiRequest request)
    {
        var (source, destination) = PairOf(request);
        var input = await request.DecodeAsync(IntentionDecoder.Decode, PutPrefix).ConfigureAwait(false);
        if ((input.Source.Length > 0 && input.Source != source) || (input.Destination.Length > 0 && input.Destination != destination))
        {
            throw RequestRefusedException.Invalid("SourceName and DestinationName in the body must be those of the query, or left out");
        }

        (input.Source, input.Destination) = (source, destination);
        request.Access.Demand(ResourceKind.Intention, destination, AccessLevel.Write);
        await store.ApplyAsync(new PutIntention(IntentionDecoder.ToIntention(input, Guid.NewGuid().ToString(), time.GetUtcNow()))).ConfigureAwait(false);
        await AnswerTrueAsync(request).ConfigureAwait(false);
    }

    private async Task DeleteExactAsync(ApiRequest request)
    {
        var (source, destination) = PairOf(request);
        request.Access.Demand(ResourceKind.Intention, destination, AccessLevel.Write);
        await store.ApplyAsync(new DeleteExactIntention(source, destination)).ConfigureAwait(false);
        await AnswerTrueAsync(request).ConfigureAwait(false);
    }

    /// <summary>
    /// Decides for a receiver that asks on each handshake. Stricter than Consul in one point: it looks at the trust domain and
    /// the namespace of the caller, and refuses those this server never vouched for.
    /// </summary>
    private async Task AuthorizeAsync(ApiRequest request)
    {
        var (target, uri) = await request.DecodeAsync(DecodeAuthorize, "Bad request: Request decode failed: ").ConfigureAwait(false);
        if (target.Length == 0)
        {
            throw RequestRefusedException.Invalid("Bad request: Target service must be specified");
        }

        request.Access.Demand(ResourceKind.Service, target, AccessLevel.Write);
        if (!SpiffeId.TryParse(uri, out var id))
        {
            throw RequestRefusedException.Invalid("Bad request: ClientCertURI not a valid Connect identifier");
        }

        if (!id.TryGetService(out var caller))
        {
            throw RequestRefusedException.Invalid("Bad request: ClientCertURI not a valid Service identifier");
        }

        var (authorized, reason) = id.TrustDomain != store.Current.Authority!.TrustDomain || caller.Namespace != "default"
            ? (false, "The caller is of another trust domain or namespace")
            : Explain(Decide(caller.Name.Value, target));
        ReadRules.SetCacheHit(request);
        await request.AnswerJsonAsync(writer =>
        {
            writer.WriteStartObject();
            writer.WriteBoolean("Authorized", authorized);
            writer.WriteString("Reason", reason);
            writer.WriteEndObject();
        }).ConfigureAwait(false);
    }

    private IntentionVerdict Decide(string source, string destination)
    {
        var compiled = _compiled;
        var table = store.Current.Intentions;
        if (compiled is null || !ReferenceEquals(compiled.Table, table))
        {
            _compiled = compiled = new CompiledIntentions(table, DefaultAction);
        }

        return compiled.To(destination).EvaluateConnection(source);
    }

    private (bool Authorized, string Reason) Explain(IntentionVerdict verdict)
    {
        if (verdict.Rule == IntentionVerdict.DefaultRule)
        {
            return (verdict.IsAllowed, verdict.IsAllowed && !options.AccessControl.Enabled
                ? "ACLs disabled, access is allowed by default"
                : "Default behavior configured by ACLs");
        }

        if (verdict.Outcome == IntentionOutcome.ShadowDeny)
        {
            return (true, verdict.Reason);
        }

        return (verdict.IsAllowed, store.Current.Intentions.ById.TryGetValue(verdict.Rule, out var intention)
            ? $"Matched intention: {intention}"
            : verdict.Reason);
    }

    private async Task<IntentionTable> ReadTableAsync(ApiRequest request)
    {
        ReadRules.CheckDatacenter(request, options.Datacenter);
        var (table, index) = await queries
            .ReadAsync(request, [Topic.Intentions], state => (state.Intentions, state.Intentions.Index)).ConfigureAwait(false);
        request.SetIndex(index);
        return table;
    }

    private static (string Target, string Uri) DecodeAuthorize(System.Text.Json.JsonElement element)
    {
        var (target, uri) = (string.Empty, string.Empty);
        foreach (var field in JsonField.In(element))
        {
            switch (field.Key)
            {
                case "target": target = field.Text(); break;
                case "clientcerturi": uri = field.Text(); break;
                case "clientcertserial" or "namespace" or "partition": field.Text(); break;
                default: throw field.Unknown();
            }
        }

        return (target, uri);
    }

    private static Task AnswerOneAsync(ApiRequest request, IntentionTable table, StoredIntention? intention)
    {
        if (intention is null)
        {
            throw RequestRefusedException.NotFound("Intention not found");
        }

        request.Access.Demand(ResourceKind.Intention, intention.Destination, AccessLevel.Read);
        return request.AnswerJsonAsync(writer => writer.WriteIntention(table.Shown(intention)));
    }

    // The command itself refuses one that is not there.
    private static void DemandWrite(ApiRequest request, StoredIntention? present)
    {
        if (present is not null)
        {
            request.Access.Demand(ResourceKind.Intention, present.Destination, AccessLevel.Write);
        }
    }

    private static Task AnswerIdAsync(ApiRequest request, string id) => request.AnswerJsonAsync(writer =>
    {
        writer.WriteStartObject();
        writer.WriteString("ID", id);
        writer.WriteEndObject();
    });

    private static Task AnswerTrueAsync(ApiRequest request) => request.AnswerJsonAsync(writer => writer.WriteBooleanValue(true));

    private static void CheckIdForm(ApiRequest request)
    {
        if (request.Rest.Length != IdLength)
        {
            throw RequestRefusedException.Invalid(
                "Intention lookup failed: failed intention lookup: index error: UUID must be 36 characters");
        }
    }

    private static (string Source, string Destination) PairOf(ApiRequest request) =>
        (Required(request, "source"), Required(request, "destination"));

    private static string Required(ApiRequest request, string name) =>
        request.Query(name) is { Length: > 0 } value ? WithoutNamespace(value) : throw MissingParameter(name);

    private static RequestRefusedException MissingParameter(string name) =>
        RequestRefusedException.Invalid($"required query parameter '{name}' not set");

    private static string WithoutNamespace(string name) =>
        name.StartsWith("default/", StringComparison.Ordinal) ? name["default/".Length..] : name;
}
