using System.Text.Json;
using MeshClient.Server.AccessControl;
using MeshClient.Server.Api.Json;
using MeshClient.Server.ConfigEntries;
using MeshClient.Server.DiscoveryChains;
using MeshClient.Server.State;

namespace MeshClient.Server.Api.ConfigEntries;

/// <summary>Discovery chains: what becomes of a call to a service.</summary>
internal sealed class ChainHandlers(StateStore store, BlockingQuery queries, MeshServerOptions options)
{
    // As lenient as config entries are; Consul ignores keys it does not know in this body.
    private static readonly ObjectShape OverridesShape = new(
        isPointer: true,
        new("OverrideConnectTimeout", new DurationShape()),
        new("OverrideProtocol", new TextShape()),
        new("OverrideMeshGateway", new ObjectShape(isPointer: false, new ConfigField("Mode", new TextShape()))))
    {
        IgnoresUnknown = true,
    };

    public void Map(RouteTable routes)
    {
        routes.Map("GET", "/v1/discovery-chain/", RouteAccess.NeedsOnRest(ResourceKind.Service, AccessLevel.Read), GetAsync);
        routes.Map("POST", "/v1/discovery-chain/", RouteAccess.NeedsOnRest(ResourceKind.Service, AccessLevel.Read), PostAsync);
    }

    private Task GetAsync(ApiRequest request) => AnswerAsync(request, ChainOverrides.None);

    private async Task PostAsync(ApiRequest request)
    {
        var overrides = await request.DecodeAsync(DecodeOverrides, "Bad request: Request decoding failed: ").ConfigureAwait(false);
        if (overrides.MeshGatewayMode is not ("" or "none" or "local" or "remote"))
        {
            throw RequestRefusedException.Invalid("Invalid OverrideMeshGateway.Mode parameter");
        }

        await AnswerAsync(request, overrides).ConfigureAwait(false);
    }

    private async Task AnswerAsync(ApiRequest request, ChainOverrides overrides)
    {
        if (request.Rest.Length == 0)
        {
            throw RequestRefusedException.Invalid("Bad request: Missing chain name");
        }

        ReadRules.CheckDatacenter(request, options.Datacenter);
        ReadRules.SetConsistency(request);
        var datacenter = request.Query("compile-dc") is { Length: > 0 } asked ? asked : options.Datacenter;

        // What the chain is made of only changes with a change of what it is made of, so these topics stay right while it is watched.
        var topics = ChainCompiler.TopicsOf(store.Current.Config, request.Rest, datacenter);
        var (config, index) = await queries
            .ReadAsync(request, topics, state => (state.Config, topics.Max(state.Config.IndexOf))).ConfigureAwait(false);
        try
        {
            var chain = ChainCompiler.Compile(config, request.Rest, datacenter, options.Datacenter, overrides);
            request.SetIndex(index);
            await request.AnswerJsonAsync(writer => writer.WriteChain(chain, store.Current.Authority!.TrustDomain)).ConfigureAwait(false);
        }
        catch (ChainException e)
        {
            throw RequestRefusedException.Invalid(e.Message);
        }
    }

    private static ChainOverrides DecodeOverrides(JsonElement element)
    {
        if (element.ValueKind is not (JsonValueKind.Object or JsonValueKind.Null))
        {
            throw new JsonDecodeException($"json: cannot unmarshal {element.ValueKind switch
            {
                JsonValueKind.Array => "array",
                JsonValueKind.Number => "number",
                JsonValueKind.String => "string",
                _ => "bool",
            }} into Go value of type map[string]interface {{}}");
        }

        var problems = new ConfigProblems();
        var read = ConfigDecoder.Read(OverridesShape, element, problems);
        problems.ThrowIfAny();
        if (read is null)
        {
            return ChainOverrides.None;
        }

        using var document = JsonDocument.Parse(ConfigJson.ToText(read));
        var body = document.RootElement;
        return new ChainOverrides(
            body.Duration("OverrideConnectTimeout"), body.Text("OverrideProtocol"), body.Part("OverrideMeshGateway").Text("Mode"));
    }
}
