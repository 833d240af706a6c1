using MeshClient.Core;
using MeshClient.Server.AccessControl;
using MeshClient.Server.Api.Catalog;
using MeshClient.Server.Catalog;
using MeshClient.Server.HealthChecks;
using MeshClient.Server.PreparedQueries;
using MeshClient.Server.State;

namespace MeshClient.Server.Api.PreparedQueries;

/// <summary>Prepared queries and their execution.</summary>
internal sealed class QueryHandlers(StateStore store, BlockingQuery queries, MeshServerOptions options, Jitter jitter)
{
    private const string DecodePrefix = "Request decode failed: ";
    private const string LookUpFailed = "failed prepared query lookup: index error: UUID must be 36 characters";
    private const int IdLength = 36;

    public void Map(RouteTable routes)
    {
        routes.Map("GET", "/v1/query", RouteAccess.Filtered, ListAsync);
        routes.Map("POST", "/v1/query", RouteAccess.Asked, CreateAsync);
        routes.Map("GET", "/v1/query/", RouteAccess.Filtered, GetAsync);
        routes.Map("PUT", "/v1/query/", RouteAccess.Asked, ReplaceAsync);
        routes.Map("DELETE", "/v1/query/", RouteAccess.Asked, DeleteAsync);
    }

    private async Task ListAsync(ApiRequest request)
    {
        CheckRead(request);
        var (table, index) = await queries
            .ReadAsync(request, [Topic.Queries], state => (state.Queries, state.Queries.Index)).ConfigureAwait(false);
        request.SetIndex(index);
        await request.AnswerJsonAsync(writer =>
        {
            writer.WriteStartArray();
            foreach (var query in table.ById.Values)
            {
                if (request.Access.Shows(ResourceKind.Query, query.Name))
                {
                    writer.WriteQuery(query);
                }
            }

            writer.WriteEndArray();
        }).ConfigureAwait(false);
    }

    private Task GetAsync(ApiRequest request)
    {
        var slash = request.Rest.LastIndexOf('/');
        var (name, action) = slash < 0 ? (request.Rest, string.Empty) : (request.Rest[..slash], request.Rest[(slash + 1)..]);
        return action switch
        {
            "execute" => ExecuteAsync(request, name),
            "explain" => ExplainAsync(request, name),
            _ => GetOneAsync(request),
        };
    }

    private async Task GetOneAsync(ApiRequest request)
    {
        if (request.Rest.Length != IdLength)
        {
            throw RequestRefusedException.Invalid(LookUpFailed);
        }

        CheckRead(request);
        var (query, index) = await queries
            .ReadAsync(request, [Topic.Queries], state => (state.Queries.ById.GetValueOrDefault(request.Rest), state.Queries.Index))
            .ConfigureAwait(false);
        if (query is null)
        {
            throw NotFound();
        }

        request.Access.Demand(ResourceKind.Query, query.Name, AccessLevel.Read);
        request.SetIndex(index);
        await request.AnswerJsonAsync(writer =>
        {
            writer.WriteStartArray();
            writer.WriteQuery(query);
            writer.WriteEndArray();
        }).ConfigureAwait(false);
    }

    private async Task CreateAsync(ApiRequest request)
    {
        var query = await DecodeAsync(request).ConfigureAwait(false);
        if (query.Id.Length > 0)
        {
            throw RequestRefusedException.Invalid("ID must be empty when creating a new prepared query");
        }

        query = query with { Id = Guid.NewGuid().ToString() };
        await store.ApplyAsync(new CreateQuery(query)).ConfigureAwait(false);
        await request.AnswerJsonAsync(writer =>
        {
            writer.WriteStartObject();
            writer.WriteString("ID", query.Id);
            writer.WriteEndObject();
        }).ConfigureAwait(false);
    }

    private async Task ReplaceAsync(ApiRequest request)
    {
        var present = ExistingOf(request);
        var query = await DecodeAsync(request).ConfigureAwait(false);
        request.Access.Demand(ResourceKind.Query, present.Name, AccessLevel.Write);
        await store.ApplyAsync(new ReplaceQuery(query with { Id = present.Id })).ConfigureAwait(false);
        await request.AnswerEmptyAsync().ConfigureAwait(false);
    }

    private async Task DeleteAsync(ApiRequest request)
    {
        var present = ExistingOf(request);
        request.Access.Demand(ResourceKind.Query, present.Name, AccessLevel.Write);
        await store.ApplyAsync(new DeleteQuery(present.Id)).ConfigureAwait(false);
        await request.AnswerEmptyAsync().ConfigureAwait(false);
    }

    private Task ExecuteAsync(ApiRequest request, string name)
    {
        CheckRead(request);
        var limit = LimitOf(request);
        var connect = request.Query("connect") is { Length: > 0 } text
            ? ReadRules.ParseFlag(text) ?? throw RequestRefusedException.Invalid($"Error parsing 'connect' value: strconv.ParseBool: parsing \"{text}\": invalid syntax")
            : request.Has("connect");
        var state = store.Current;
        var query = state.Queries.Find(name) ?? throw NotFound();
        var catalog = state.Catalog;
        var group = (connect || query.Connect ? catalog.Connect : catalog.Services).GetValueOrDefault(query.Service);
        var found = (group?.Instances ?? []).Where(instance => Fits(query, catalog, instance)
            && request.Access.ShowsInstance(instance.Node, instance.Name)).ToArray();
        // So that clients that take the first spread over all.
        jitter.Shuffle(found);
        SetHeaders(request);
        return request.AnswerJsonAsync(writer =>
        {
            writer.WriteStartObject();
            writer.WriteString("Service", query.Service);
            writer.WriteStartArray("Nodes");
            foreach (var instance in limit > 0 ? found.Take(limit) : found)
            {
                writer.WriteHealthEntry(catalog.NodeOf(instance), instance);
            }

            writer.WriteEndArray();
            writer.WriteDns(query);
            writer.WriteString("Datacenter", options.Datacenter);
            writer.WriteNumber("Failovers", 0);
            WriteReadFacts(writer, request);
            writer.WriteEndObject();
        });
    }

    private Task ExplainAsync(ApiRequest request, string name)
    {
        CheckRead(request);
        var query = store.Current.Queries.Find(name) ?? throw NotFound();
        request.Access.Demand(ResourceKind.Query, query.Name, AccessLevel.Read);
        SetHeaders(request);
        return request.AnswerJsonAsync(writer =>
        {
            writer.WriteStartObject();
            writer.WritePropertyName("Query");
            writer.WriteQuery(query);
            WriteReadFacts(writer, request);
            writer.WriteEndObject();
        });
    }

    private void CheckRead(ApiRequest request)
    {
        ReadRules.CheckDatacenter(request, options.Datacenter);
        ReadRules.SetConsistency(request);
    }

    private async Task<PreparedQuery> DecodeAsync(ApiRequest request)
    {
        ReadRules.CheckDatacenter(request, options.Datacenter);
        var query = await request.DecodeAsync(QueryDecoder.Decode, DecodePrefix).ConfigureAwait(false);
        request.Access.Demand(ResourceKind.Query, query.Name, AccessLevel.Write);
        return QueryDecoder.FindProblem(query) is { } problem ? throw RequestRefusedException.Invalid(problem) : query;
    }

    private PreparedQuery ExistingOf(ApiRequest request) => request.Rest.Length == IdLength
        ? QueryNames.Existing(store.Current.Queries, request.Rest)
        : throw RequestRefusedException.Invalid($"Prepared Query lookup failed: {LookUpFailed}");

    private static bool Fits(PreparedQuery query, CatalogState catalog, InstanceRecord instance)
    {
        var node = catalog.NodeOf(instance);
        foreach (var check in node.Checks.Values.Concat(instance.Checks))
        {
            var isBad = check.Status == CheckStatus.Critical || (query.OnlyPassing && check.Status != CheckStatus.Passing);
            if (isBad && query.IgnoreCheckIds?.Contains(check.CheckId, StringComparer.Ordinal) != true)
            {
                return false;
            }
        }

        foreach (var tag in query.Tags ?? default)
        {
            var unwanted = tag.StartsWith('!');
            if (instance.Definition.Tags.Contains(unwanted ? tag[1..] : tag, StringComparer.OrdinalIgnoreCase) == unwanted)
            {
                return false;
            }
        }

        return HasAll(node.Node.Meta, query.NodeMeta) && HasAll(instance.Definition.Meta, query.ServiceMeta);
    }

    private static bool HasAll(
        IEnumerable<KeyValuePair<string, string>> meta, EquatableArray<KeyValuePair<string, string>>? wanted) =>
        wanted is null || wanted.Value.All(pair => meta.Contains(pair));

    private static int LimitOf(ApiRequest request)
    {
        if (request.Query("limit") is not { Length: > 0 } text)
        {
            return 0;
        }

        return int.TryParse(text, System.Globalization.NumberStyles.AllowLeadingSign, System.Globalization.CultureInfo.InvariantCulture, out var limit)
            ? limit
            : throw RequestRefusedException.Invalid($"Bad limit: strconv.Atoi: parsing {Filters.GoText.Quote(text)}: invalid syntax");
    }

    // An execution cannot be watched; Consul sends 1.
    private static void SetHeaders(ApiRequest request) => request.SetIndex(1);

    private static void WriteReadFacts(System.Text.Json.Utf8JsonWriter writer, ApiRequest request)
    {
        writer.WriteNumber("Index", 0);
        writer.WriteNumber("LastContact", 0);
        writer.WriteBoolean("KnownLeader", true);
        writer.WriteString("ConsistencyLevel", ReadRules.ConsistencyOf(request));
    }

    private static RequestRefusedException NotFound() => RequestRefusedException.NotFound("Query not found");
}
