using System.Collections.Concurrent;
using System.Net;
using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Denials;
using MeshClient.AspNetCore.Endpoints;
using MeshClient.AspNetCore.Intentions;
using MeshClient.AspNetCore.Passports;
using MeshClient.AspNetCore.Peers;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace MeshClient.AspNetCore.Inbound;

/// <summary>
/// The connections to the mesh listener, and through them the requests being served: when the intentions change, those are ended
/// whose permit is gone, for a stream or a WebSocket may have been let in long ago.
/// </summary>
/// <remarks>
/// Decided on what the request was when it was let in: its path, method and tokens, and its headers as they are. A token is not
/// asked for again. A request is ended by resetting its stream, or by closing the connection where it is the only one there.
/// Only after a grace (<see cref="MeshInboundDefaults.WithdrawalGrace"/>), for most have their answer nearly out: to break it off
/// would look like a broken instance to the caller, and be no safer. Each has all of it, however often the intentions change: it
/// begins when a look finds that its permit is gone.
/// </remarks>
internal sealed partial class RunningRequests : IDisposable
{
    // Timers count in these, and one that is set to less is due at once.
    private static readonly TimeSpan Least = TimeSpan.FromMilliseconds(1);

    private readonly ConcurrentDictionary<RequestOrigin, byte> _origins = new();
    private readonly EndpointGuard _guard;
    private readonly InboundIntentions _intentions;
    private readonly DenialReporter _denials;
    private readonly ILogger<RunningRequests> _logger;
    private readonly TimeProvider _time;
    private readonly ITimer _next;
    // One look at a time, so that none goes by a time that is over.
    private readonly Lock _looking = new();
    private readonly long _grace;
    private int _changes;

    public RunningRequests(
        InboundIntentions intentions, EndpointGuard guard, DenialReporter denials, TimeProvider time, ILogger<RunningRequests> logger)
    {
        _intentions = intentions;
        _guard = guard;
        _denials = denials;
        _logger = logger;
        _time = time;
        WithoutPeer = new RequestOrigin(null, guard);
        _grace = (long)(MeshInboundDefaults.WithdrawalGrace.TotalSeconds * time.TimestampFrequency);
        _next = time.CreateTimer(
            static running => ((RunningRequests)running!).EndDenied(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        intentions.Changed += OnChanged;
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
            if (!await ClosedConnection.WaitAsync(next(context), () => origin.IsIdle, _time, context.ConnectionClosed).ConfigureAwait(false))
            {
                LogLetGo(_logger, peer.Source, context.RemoteEndPoint, ClosedConnection.Grace);
            }
        }
        finally
        {
            _origins.TryRemove(origin, out _);
        }
    }

    public void Dispose()
    {
        _intentions.Changed -= OnChanged;
        _next.Dispose();
    }

    private void OnChanged()
    {
        Interlocked.Increment(ref _changes);
        _next.Change(TimeSpan.Zero, Timeout.InfiniteTimeSpan);
    }

    private void EndDenied()
    {
        var ended = new List<(DeniedCall Call, MeshPeer Peer, InboundVerdict Verdict)>();
        lock (_looking)
        {
            // With a full fence: what has changed by now is seen below.
            var changes = Interlocked.Add(ref _changes, 0);
            var now = _time.GetTimestamp();
            long? left = null;
            foreach (var (origin, _) in _origins)
            {
                var peer = origin.Peer!;
                var rest = origin.EndDenied(
                    running => Decide(peer, running),
                    now,
                    _grace,
                    (running, verdict) => ended.Add((DenialReporter.CallOf(running.Context.Features), peer, verdict)),
                    // On a timer's thread it would end the process.
                    failure => LogNotEnded(_logger, failure, peer.Source));
                left = rest is null || rest > left ? left : rest;
            }

            if (left is { } next)
            {
                LookAt(now + next);
                // A change that came just now had asked for a look at once, which that may have put off.
                if (Interlocked.Add(ref _changes, 0) != changes)
                {
                    _next.Change(TimeSpan.Zero, Timeout.InfiniteTimeSpan);
                }
            }
        }

        // Only now: to write a log line may take long, and requests are waiting to be counted out.
        foreach (var (call, peer, verdict) in ended)
        {
            _denials.RunningRequest(call, peer, verdict);
        }
    }

    private void LookAt(long timestamp)
    {
        // The look itself has taken time.
        var delay = _time.GetElapsedTime(_time.GetTimestamp(), timestamp);
        _next.Change(delay > Least ? delay : Least, Timeout.InfiniteTimeSpan);
    }

    private InboundVerdict Decide(MeshPeer peer, in RunningRequest running)
    {
        try
        {
            return Evaluate(peer, running);
        }
        catch (Exception e)
        {
            // The app may be writing to the headers that are read here. What cannot be judged must not go on.
            LogNotEnded(_logger, e, peer.Source);
            return InboundRules.NotJudged;
        }
    }

    private InboundVerdict Evaluate(MeshPeer peer, in RunningRequest running) =>
        _intentions.EvaluatorFor(peer) is { } evaluator
            ? RequestDecision.Make(
                evaluator,
                peer.Source,
                running.Method,
                running.Path,
                new HeaderLookup(running.Context.Features.GetRequiredFeature<IHttpRequestFeature>().Headers),
                new PassportLookup(running.Request, mayAsk: false))
            : InboundRules.WithoutIntentions;

    [LoggerMessage(
        116, LogLevel.Warning,
        "The server has not ended a connection of {Source} from {Remote} within {Grace} after it was closed, with no request left on it. What is left of it is let go.")]
    private static partial void LogLetGo(ILogger logger, string source, EndPoint? remote, TimeSpan grace);

    [LoggerMessage(137, LogLevel.Error, "Not all requests of {Source} that are being served could be judged, or ended, after the intentions had changed.")]
    private static partial void LogNotEnded(ILogger logger, Exception exception, string source);
}
