using System.Security.Claims;
using MeshClient.AspNetCore.Peers;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Http.Features.Authentication;

namespace MeshClient.AspNetCore.Inbound;

/// <summary>
/// All that the inbound stages know of one request: the one object they share. Its presence in the request's features says
/// that the request came through the pipeline, its verdict what came of it.
/// </summary>
internal sealed class InboundRequest : IMeshPermitFeature, IHttpAuthenticationFeature
{
    private ClaimsPrincipal? _user;

    /// <summary>The verified caller; null for a request that did not come over the mesh listener.</summary>
    public MeshPeer? Peer { get; set; }

    public InboundVerdict Verdict { get; set; }

    public string Source => Peer?.Service.Value ?? "(none)";

    string IMeshPermitFeature.Rule => Verdict.Rule ?? string.Empty;

    string IMeshPermitFeature.Reason => Verdict.Reason ?? string.Empty;

    // Made on first use: most requests never ask.
    ClaimsPrincipal? IHttpAuthenticationFeature.User
    {
        get => _user ??= Peer?.CreatePrincipal();
        set => _user = value;
    }

    /// <summary>Lets the request through, for the app to see by which rule.</summary>
    public void Permit(IFeatureCollection features, InboundVerdict verdict)
    {
        Verdict = verdict;
        features.Set<IMeshPermitFeature>(this);
    }
}
