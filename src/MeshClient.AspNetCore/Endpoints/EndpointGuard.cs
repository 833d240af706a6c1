using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Denials;
using MeshClient.AspNetCore.Inbound;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;

namespace MeshClient.AspNetCore.Endpoints;

/// <summary>
/// Lets a request have an endpoint only if the endpoint's rules allow its caller; otherwise it gets one that refuses. Asked
/// whenever an endpoint is chosen, by routing or by hand (<see cref="InboundRequest"/> keeps it).
/// </summary>
/// <remarks>
/// The refusal ends the request inside routing, as short-circuited endpoints do: a cache behind routing must not answer it.
/// Intentions have been asked before; both have to allow. In shadow mode a caller of the mesh goes on and is reported.
/// </remarks>
internal sealed class EndpointGuard
{
    private readonly EndpointRules _rules;
    private readonly DenialReporter _reporter;
    private readonly bool _isTried;
    private readonly Endpoint _refusal;

    public EndpointGuard(EndpointRules rules, DenialWriter writer, DenialReporter reporter, IOptions<MeshInboundOptions> options)
    {
        _rules = rules;
        _reporter = reporter;
        _isTried = options.Value.Mode == MeshInboundMode.Shadow;
        var refusal = new BareEndpointBuilder
        {
            DisplayName = "Denied: rule of the endpoint",
            RequestDelegate = context => writer.WriteAsync(context, context.Features.GetRequiredFeature<InboundRequest>()),
        };
        refusal.ShortCircuit();
        _refusal = refusal.Build();
    }

    /// <summary>The endpoint a request gets for the one chosen.</summary>
    public Endpoint Admit(InboundRequest request, Endpoint endpoint)
    {
        var peer = request.Peer;
        if (_rules.FindDenying(endpoint, peer) is not { } rule)
        {
            return endpoint;
        }

        var verdict = InboundVerdict.Denied(rule.Denial, _isTried && !rule.IsAlwaysInForce && peer is not null);
        if (verdict.IsPermitted)
        {
            // Routing may be asked twice; told once.
            if (request.Verdict.Rule != verdict.Rule && request.Origin.ContextOf(request) is { } context)
            {
                request.Verdict = verdict;
                _reporter.Request(context, peer, verdict);
            }

            return endpoint;
        }

        request.Verdict = verdict;
        return _refusal;
    }

    private sealed class BareEndpointBuilder : EndpointBuilder, IEndpointConventionBuilder
    {
        public void Add(Action<EndpointBuilder> convention) => convention(this);

        public override Endpoint Build() => new(RequestDelegate, new EndpointMetadataCollection(Metadata), DisplayName);
    }
}
