using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Inbound;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Matching;
using Microsoft.Extensions.Options;

namespace MeshClient.AspNetCore.Endpoints;

/// <summary>
/// Decides about a request without a peer once it is known which endpoint would answer it: exempt, it is permitted; any
/// other is replaced by a denial. A worse match that is exempt does not step in for a better one that is not.
/// </summary>
internal sealed class ExemptEndpointMatcherPolicy : MatcherPolicy, IEndpointSelectorPolicy
{
    private readonly ExemptEndpoints _exempt;
    private readonly IOptions<MeshInboundOptions> _options;
    private readonly Endpoint _denial;

    public ExemptEndpointMatcherPolicy(ExemptEndpoints exempt, IOptions<MeshInboundOptions> options, DenialWriter denials)
    {
        _exempt = exempt;
        _options = options;
        _denial = new Endpoint(
            context =>
            {
                var request = context.Features.GetRequiredFeature<InboundRequest>();
                request.Verdict = InboundRules.WithoutPeer;
                return denials.WriteAsync(context, request);
            },
            EndpointMetadataCollection.Empty,
            "Denied: no mesh identity");
    }

    // Last: whatever other policies throw out or put in has happened.
    public override int Order => int.MaxValue;

    public bool AppliesToEndpoints(IReadOnlyList<Endpoint> endpoints) => _options.Value.Enabled;

    public Task ApplyAsync(HttpContext httpContext, CandidateSet candidates)
    {
        if (httpContext.Features.Get<InboundRequest>() is { Verdict.Outcome: InboundOutcome.OnlyExempt } request)
        {
            if (BestAreExempt(candidates))
            {
                request.Permit(httpContext.Features, InboundRules.PermittedExempt);
            }
            else
            {
                httpContext.SetEndpoint(_denial);
                httpContext.Request.RouteValues = [];
            }
        }

        return Task.CompletedTask;
    }

    // Candidates come best first; several of one score are the selector's to tell apart, so all of them have to be exempt.
    private bool BestAreExempt(CandidateSet candidates)
    {
        int? best = null;
        for (var i = 0; i < candidates.Count; i++)
        {
            if (!candidates.IsValidCandidate(i))
            {
                continue;
            }

            var candidate = candidates[i];
            if (best is { } score && candidate.Score != score)
            {
                break;
            }

            best = candidate.Score;
            if (!_exempt.Contains(candidate.Endpoint))
            {
                return false;
            }
        }

        return best is not null;
    }
}
