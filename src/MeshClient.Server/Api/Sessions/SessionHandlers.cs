using MeshClient.Server.AccessControl;
using MeshClient.Server.Api.Json;
using MeshClient.Server.Api.KeyValues;
using MeshClient.Server.Sessions;
using MeshClient.Server.State;

namespace MeshClient.Server.Api.Sessions;

/// <summary>Sessions.</summary>
internal sealed class SessionHandlers(
    StateStore store, BlockingQuery queries, SessionClocks clocks, MeshServerOptions options, TimeProvider time)
{
    private const string DecodePrefix = "Request decode failed: ";

    public void Map(RouteTable routes)
    {
        routes.Map("PUT", "/v1/session/create", RouteAccess.Asked, CreateAsync);
        routes.Map("PUT", "/v1/session/destroy/", RouteAccess.Asked, DestroyAsync);
        routes.Map("PUT", "/v1/session/renew/", RouteAccess.Asked, RenewAsync);
        routes.Map("GET", "/v1/session/info/", RouteAccess.Filtered, GetAsync);
        routes.Map("GET", "/v1/session/node/", RouteAccess.Filtered, ListOfNodeAsync);
        routes.Map("GET", "/v1/session/list", RouteAccess.Filtered, request => AnswerAsync(request, _ => true));
    }

    private async Task CreateAsync(ApiRequest request)
    {
        ReadRules.CheckDatacenter(request, options.Datacenter);
        var node = store.Current.Catalog.Node.Name;
        var body = await request.ReadBodyAsync().ConfigureAwait(false);
        var session = Decode(body, node);
        request.Access.Demand(ResourceKind.Session, session.Node, AccessLevel.Write);
        var state = await store.ApplyAsync(new CreateSession(session)).ConfigureAwait(false);
        clocks.Follow(state.Sessions.Find(session.Id) ?? session);
        await request.AnswerJsonAsync(writer =>
        {
            writer.WriteStartObject();
            writer.WriteString("ID", session.Id);
            writer.WriteEndObject();
        }).ConfigureAwait(false);
    }

    private async Task DestroyAsync(ApiRequest request)
    {
        ReadRules.CheckDatacenter(request, options.Datacenter);
        var id = IdOf(request);
        Demand(request, store.Current.Sessions.Find(id));
        await store.ApplyAsync(new EndSession(id, Moment.Now(time))).ConfigureAwait(false);
        await request.AnswerJsonAsync(writer => writer.WriteBooleanValue(true)).ConfigureAwait(false);
    }

    private Task RenewAsync(ApiRequest request)
    {
        ReadRules.CheckDatacenter(request, options.Datacenter);
        var id = IdOf(request);
        Demand(request, store.Current.Sessions.Find(id));
        return clocks.Renew(id) is { } session
            ? WriteAsync(request, [session])
            : throw RequestRefusedException.NotFound($"Session id '{id}' not found");
    }

    private Task GetAsync(ApiRequest request)
    {
        var id = IdOf(request);
        SessionRules.RequireForm(id);
        return AnswerAsync(request, session => string.Equals(session.Id, id, StringComparison.OrdinalIgnoreCase));
    }

    private Task ListOfNodeAsync(ApiRequest request)
    {
        var node = request.Rest.Length > 0 ? request.Rest : throw RequestRefusedException.Invalid("Missing node name");
        return AnswerAsync(request, session => string.Equals(session.Node, node, StringComparison.OrdinalIgnoreCase));
    }

    private async Task AnswerAsync(ApiRequest request, Func<SessionRecord, bool> filter)
    {
        ReadRules.CheckDatacenter(request, options.Datacenter);
        ReadRules.CheckConsistency(request);
        var (sessions, index) = await queries
            .ReadAsync(request, [Topic.Sessions], state => (state.Sessions, state.Sessions.Index)).ConfigureAwait(false);
        request.SetIndex(index);
        await WriteAsync(
            request,
            sessions.ById.Values.Where(session => filter(session) && request.Access.Shows(ResourceKind.Session, session.Node))).ConfigureAwait(false);
    }

    private static Task WriteAsync(ApiRequest request, IEnumerable<SessionRecord> sessions) => request.AnswerJsonAsync(writer =>
    {
        writer.WriteStartArray();
        foreach (var session in sessions)
        {
            writer.WriteSession(session);
        }

        writer.WriteEndArray();
    });

    // One that is not there is asked about as if it were of this node: whoever may not end sessions learns nothing.
    private void Demand(ApiRequest request, SessionRecord? session) =>
        request.Access.Demand(ResourceKind.Session, session?.Node ?? store.Current.Catalog.Node.Name, AccessLevel.Write);

    private static SessionRecord Decode(byte[] body, string node)
    {
        try
        {
            // No body stands for the defaults.
            using var document = JsonBody.Parse(body.AsSpan().Trim(" \t\r\n"u8).IsEmpty ? "null"u8 : body);
            return SessionDecoder.Decode(document.RootElement, node);
        }
        catch (JsonDecodeException e)
        {
            throw RequestRefusedException.Invalid(DecodePrefix + e.Message);
        }
    }

    private static string IdOf(ApiRequest request) =>
        request.Rest.Length > 0 ? request.Rest : throw RequestRefusedException.Invalid("Missing session");
}
