using System.Security.Claims;
using MeshClient.AspNetCore.Passports;
using MeshClient.AspNetCore.Peers;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Http.Features.Authentication;

namespace MeshClient.AspNetCore.Inbound;

/// <summary>
/// All that the inbound stages know of one request: the one object they share. Its presence in the request's features says
/// that the request came through the pipeline, its verdict what came of it.
/// </summary>
/// <remarks>
/// It is also where the request's endpoint is kept: whoever chooses one, routing or the app by hand, gets it past the rules
/// of that endpoint or not at all. One per request, so what few requests need is apart.
/// </remarks>
internal sealed class InboundRequest(RequestOrigin origin) : IMeshPermitFeature, IHttpAuthenticationFeature, IEndpointFeature
{
    /// <summary>What a caller without identity is called.</summary>
    public const string NoSource = "(none)";

    private object? _by;
    private Endpoint? _endpoint;
    private Details? _details;
    private InboundOutcome _outcome;
    private bool _isShadow;

    /// <summary>Where it comes from.</summary>
    public RequestOrigin Origin { get; set; } = origin;

    /// <summary>The verified caller; null for a request that did not come over the mesh listener.</summary>
    public MeshPeer? Peer => Origin.Peer;

    public InboundVerdict Verdict
    {
        get => new(_outcome, _by, _isShadow);
        set => (_outcome, _by, _isShadow) = (value.Outcome, value.By, value.IsShadow);
    }

    public string Source => Peer?.Source ?? NoSource;

    /// <summary>Where it stands among the requests of its connection that are being served; -1: it does not.</summary>
    public int Slot { get; set; } = -1;

    /// <summary>The user's tokens as far as a rule has asked for them; null: none has.</summary>
    public PassportSet? Passports
    {
        get => _details?.Passports;
        set => (_details ??= new Details()).Passports = value;
    }

    string IMeshPermitFeature.Rule => Verdict.Rule ?? string.Empty;

    string IMeshPermitFeature.Reason => Verdict.Reason ?? string.Empty;

    bool IMeshPermitFeature.IsShadow => _isShadow;

    // Made on first use: most requests never ask.
    ClaimsPrincipal? IHttpAuthenticationFeature.User
    {
        get => _details?.User is { } user ? user : Peer is { } peer ? (_details ??= new Details()).User = peer.CreatePrincipal() : null;
        set => (_details ??= new Details()).User = value;
    }

    Endpoint? IEndpointFeature.Endpoint
    {
        get => _endpoint;
        set => _endpoint = value is null ? null : Origin.Guard.Admit(this, value);
    }

    /// <summary>Lets the request through, for the app to see by which rule.</summary>
    public void Permit(IFeatureCollection features, InboundVerdict verdict)
    {
        Verdict = verdict;
        features.Set<IMeshPermitFeature>(this);
    }

    private sealed class Details
    {
        public ClaimsPrincipal? User { get; set; }

        public PassportSet? Passports { get; set; }
    }
}
