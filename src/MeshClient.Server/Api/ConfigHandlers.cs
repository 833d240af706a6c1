using System.Text.Json;
using MeshClient.Server.AccessControl;
using MeshClient.Server.ConfigEntries;
using MeshClient.Server.State;

namespace MeshClient.Server.Api;

/// <summary>Config entries, of which there are none yet, and the discovery chains that follow from that.</summary>
internal sealed class ConfigHandlers(StateStore store, BlockingQuery queries, MeshServerOptions options)
{
    public void Map(RouteTable routes)
    {
        routes.Map("GET", "/v1/config/", RouteAccess.Filtered, GetConfigAsync);
        routes.Map("GET", "/v1/discovery-chain/", RouteAccess.NeedsOnRest(ResourceKind.Service, AccessLevel.Read), GetChainAsync);
        routes.Map("POST", "/v1/discovery-chain/", RouteAccess.NeedsOnRest(ResourceKind.Service, AccessLevel.Read), PostChainAsync);
    }

    private async Task GetConfigAsync(ApiRequest request)
    {
        ReadRules.CheckDatacenter(request, options.Datacenter);
        var slash = request.Rest.IndexOf('/', StringComparison.Ordinal);
        var kind = slash < 0 ? request.Rest : request.Rest[..slash];
        var name = slash < 0 ? string.Empty : request.Rest[(slash + 1)..];
        if (kind.Length == 0)
        {
            throw RequestRefusedException.NotFound("Must provide either a kind or both kind and name");
        }

        if (!ConfigKinds.IsKnown(kind))
        {
            throw RequestRefusedException.Invalid($"invalid config entry kind: {kind}");
        }

        var (_, index) = await queries
            .ReadAsync(request, [Topic.Config], state => (true, state.ConfigIndex)).ConfigureAwait(false);
        request.SetIndex(index);
        if (name.Length > 0)
        {
            await request.AnswerTextAsync(404, $"Config entry not found for \"{kind}\" / \"{name}\"").ConfigureAwait(false);
            return;
        }

        await request.AnswerJsonAsync(writer =>
        {
            writer.WriteStartArray();
            writer.WriteEndArray();
        }).ConfigureAwait(false);
    }

    private Task GetChainAsync(ApiRequest request) => AnswerChainAsync(request, ChainOverrides.None);

    private async Task PostChainAsync(ApiRequest request)
    {
        var overrides = await request.DecodeAsync(DecodeOverrides, "Bad request: Request decode failed: ").ConfigureAwait(false);
        await AnswerChainAsync(request, overrides).ConfigureAwait(false);
    }

    private async Task AnswerChainAsync(ApiRequest request, ChainOverrides overrides)
    {
        if (request.Rest.Length == 0)
        {
            throw RequestRefusedException.Invalid("Bad request: Missing chain name");
        }

        ReadRules.CheckDatacenter(request, options.Datacenter);
        ReadRules.SetConsistency(request);
        var (_, index) = await queries
            .ReadAsync(request, [Topic.Config], state => (true, state.ConfigIndex)).ConfigureAwait(false);
        request.SetIndex(index);
        var datacenter = request.Query("compile-dc") is { Length: > 0 } asked ? asked : options.Datacenter;
        var chain = new DefaultChain(request.Rest, datacenter, store.Current.Authority!.TrustDomain, overrides);
        await request.AnswerJsonAsync(chain.Write).ConfigureAwait(false);
    }

    // Consul ignores keys it does not know in this body.
    private static ChainOverrides DecodeOverrides(JsonElement element)
    {
        var overrides = ChainOverrides.None;
        foreach (var field in JsonField.In(element))
        {
            switch (field.Key)
            {
                case "overrideconnecttimeout":
                    var timeout = field.Duration();
                    overrides = overrides with { ConnectTimeout = timeout > TimeSpan.Zero ? GoDuration.From(timeout).ToString() : null };
                    break;
                case "overrideprotocol":
                    overrides = overrides with { Protocol = field.Text() };
                    break;
                case "overridemeshgateway":
                    var mode = field.Fields().LastOrDefault(part => part.Key == "mode");
                    overrides = overrides with { MeshGatewayMode = mode.Name is null ? string.Empty : mode.Text() };
                    break;
                default:
                    break;
            }
        }

        return overrides;
    }
}
