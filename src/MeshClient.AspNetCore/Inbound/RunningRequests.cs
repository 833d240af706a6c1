using System.Collections.Concurrent;
using MeshClient.AspNetCore.Denials;
using MeshClient.AspNetCore.Endpoints;
using MeshClient.AspNetCore.Intentions;
using MeshClient.AspNetCore.Passports;
using MeshClient.AspNetCore.Peers;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace MeshClient.AspNetCore.Inbound;

/// <summary>
/// The connections to the mesh listener, and through them the requests being served: when the intentions change, those are ended
/// whose permit is gone, for a stream or a WebSocket may have been let in long ago.
/// </summary>
/// <remarks>
/// Decided on what the request was when it was let in: its path, method and tokens, and its headers as they are. A token is not
/// asked for again. A request is ended by resetting its stream, or by closing the connection where it is the only one there.
/// </remarks>
internal sealed class RunningRequests
{
    private readonly ConcurrentDictionary<RequestOrigin, byte> _origins = new();
    private readonly EndpointGuard _guard;
    private readonly InboundIntentions _intentions;
    private readonly DenialReporter _denials;

    public RunningRequests(InboundIntentions intentions, EndpointGuard guard, DenialReporter denials)
    {
        _intentions = intentions;
        _guard = guard;
        _denials = denials;
        WithoutPeer = new RequestOrigin(null, guard);
        intentions.Changed += EndDenied;
    }

    /// <summary>What requests come over that have no peer.</summary>
    public RequestOrigin WithoutPeer { get; }

    /// <summary>Keeps the connections of a listener.</summary>
    public void Use(ListenOptions listener) => listener.Use(next => connection => ServeAsync(connection, next));

    private async Task ServeAsync(ConnectionContext context, ConnectionDelegate next)
    {
        if (context.Features.Get<MeshPeer>() is not { } peer)
        {
            context.Abort(new ConnectionAbortedException("The connection has no verified peer."));
            return;
        }

        var origin = new RequestOrigin(peer, _guard);
        context.Features.Set(origin);
        _origins.TryAdd(origin, 0);
        try
        {
            await next(context).ConfigureAwait(false);
        }
        finally
        {
            _origins.TryRemove(origin, out _);
        }
    }

    private void EndDenied()
    {
        var ended = new List<(DeniedCall Call, MeshPeer Peer, InboundVerdict Verdict)>();
        foreach (var (origin, _) in _origins)
        {
            var peer = origin.Peer!;
            origin.EndDenied(
                running => Decide(peer, running),
                (running, verdict) => ended.Add((DenialReporter.CallOf(running.Context.Features), peer, verdict)));
        }

        // Only now: to write a log line may take long, and requests are waiting to be counted out.
        foreach (var (call, peer, verdict) in ended)
        {
            _denials.RunningRequest(call, peer, verdict);
        }
    }

    private InboundVerdict Decide(MeshPeer peer, in RunningRequest running) =>
        _intentions.EvaluatorFor(peer) is { } evaluator
            ? InboundVerdict.Of(evaluator.EvaluateRequest(
                peer.Source,
                running.Method,
                running.Path,
                new HeaderLookup(running.Context.Features.GetRequiredFeature<IHttpRequestFeature>().Headers),
                new PassportLookup(running.Request, mayAsk: false)))
            : InboundRules.WithoutIntentions;
}
