using System.Collections.Concurrent;
using MeshClient.AspNetCore.Denials;
using MeshClient.AspNetCore.Inbound;
using MeshClient.AspNetCore.Intentions;
using MeshClient.AspNetCore.Peers;
using MeshClient.AspNetCore.Registration;
using MeshClient.Transport;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace MeshClient.AspNetCore.Connections;

/// <summary>
/// Decides about raw connections: when they are accepted, and again whenever the intentions change. One whose permit is gone is
/// aborted. Nothing of the app sees a connection before it is permitted.
/// </summary>
internal sealed partial class ConnectionGuard : IDisposable
{
    private readonly InboundIntentions _intentions;
    private readonly DenialReporter _denials;
    private readonly ConnectionMetrics _metrics;
    private readonly InboundDrain _drain;
    private readonly IOptions<MeshRegistrationOptions> _registration;
    private readonly TimeProvider _time;
    private readonly ILogger<ConnectionGuard> _logger;
    private readonly ConcurrentDictionary<AcceptedConnection, byte> _open = new();
    private TaskCompletionSource? _allClosed;

    public ConnectionGuard(
        InboundIntentions intentions,
        DenialReporter denials,
        ConnectionMetrics metrics,
        InboundDrain drain,
        IOptions<MeshRegistrationOptions> registration,
        TimeProvider time,
        ILogger<ConnectionGuard> logger)
    {
        _intentions = intentions;
        _denials = denials;
        _metrics = metrics;
        _drain = drain;
        _registration = registration;
        _time = time;
        _logger = logger;
        intentions.Changed += DecideAgain;
        drain.Ending += AskToEnd;
    }

    /// <summary>How many connections are open.</summary>
    public int Open => _open.Count;

    /// <summary>Serves a connection whose TLS handshake is over, if it may be served.</summary>
    public async Task ServeAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        var peer = connection.Features.GetRequiredFeature<MeshPeer>();
        var count = _metrics.CountOf(peer);
        var verdict = Decide(peer);
        _metrics.Decided(count, verdict);
        if (!verdict.IsPermitted || verdict.IsShadow)
        {
            Report(connection, peer, verdict, wasOpen: false);
        }

        if (!verdict.IsPermitted)
        {
            connection.Abort(new ConnectionAbortedException($"The caller may not connect (rule {verdict.Rule})."));
            return;
        }

        if (connection.Features.Get<IConnectionSocketFeature>() is { Socket: { } socket })
        {
            KeepAlive.Ask(socket);
        }

        var transport = new AcceptedTransport(
            connection,
            connection.Features.GetRequiredFeature<ISslStreamFeature>().SslStream,
            connection.Features.GetRequiredFeature<TlsTurns>(),
            count);
        connection.Transport = transport;
        var accepted = new AcceptedConnection(connection, peer, verdict, _time.GetTimestamp());
        _open.TryAdd(accepted, 0);
        _metrics.Opened(count);
        _drain.Enter(connection.Features);
        try
        {
            // What changed before it was there to be looked at is seen here.
            DecideAgain(accepted);
            if (accepted.EndedBecause is null)
            {
                await next(connection).ConfigureAwait(false);
                await TakeLeaveAsync(transport).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (accepted.EndedBecause is not null && e is (IOException or OperationCanceledException or ObjectDisposedException))
        {
            // What was read or written when the connection was taken away.
        }
        finally
        {
            await transport.SettleOutputAsync(OpenedConnection.Farewell, _time).ConfigureAwait(false);
            _open.TryRemove(accepted, out _);
            _drain.Leave();
            _metrics.Closed(count, _time.GetElapsedTime(accepted.OpenedAt), accepted.EndedBecause ?? "closed");
            if (_open.IsEmpty)
            {
                Volatile.Read(ref _allClosed)?.TrySetResult();
            }
        }
    }

    /// <summary>
    /// Ends them all: asks them to, waits for what is left of the time the app may take to drain, then closes the others.
    /// Called while the server still runs, after the registration has drained.
    /// </summary>
    public async Task EndAllAsync(CancellationToken cancellationToken)
    {
        AskToEnd();
        var allClosed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Interlocked.Exchange(ref _allClosed, allClosed);
        var left = _drain.BeganAt is { } began
            ? _registration.Value.DrainTimeout - _time.GetElapsedTime(began)
            : _registration.Value.DrainTimeout;
        try
        {
            if (!_open.IsEmpty && left > TimeSpan.Zero)
            {
                await allClosed.Task.WaitAsync(left, _time, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is TimeoutException or OperationCanceledException)
        {
            // Time is over for those that are left.
        }

        var rest = _open.Keys.ToList();
        if (rest.Count > 0)
        {
            LogClosed(_logger, rest.Count);
        }

        foreach (var accepted in rest)
        {
            accepted.End("drain", "this instance stops");
        }
    }

    public void Dispose()
    {
        _intentions.Changed -= DecideAgain;
        _drain.Ending -= AskToEnd;
    }

    private void AskToEnd()
    {
        foreach (var accepted in _open.Keys)
        {
            ClosingRequest.Ask(accepted.Connection, _logger);
        }
    }

    private InboundVerdict Decide(MeshPeer peer) => _intentions.EvaluatorFor(peer) is { } evaluator
        ? InboundVerdict.Of(evaluator.EvaluateConnection(peer.Source))
        : InboundRules.WithoutIntentions;

    private void DecideAgain()
    {
        foreach (var accepted in _open.Keys)
        {
            DecideAgain(accepted);
        }
    }

    private void DecideAgain(AcceptedConnection accepted)
    {
        var verdict = Decide(accepted.Peer);
        var isNews = accepted.Replace(verdict);
        if (!verdict.IsPermitted)
        {
            if (accepted.End("permit-withdrawn", $"its permit is gone (rule {verdict.Rule})"))
            {
                Report(accepted.Connection, accepted.Peer, verdict, wasOpen: true);
            }
        }
        else if (verdict.IsShadow && isNews)
        {
            Report(accepted.Connection, accepted.Peer, verdict, wasOpen: true);
        }
    }

    private void Report(ConnectionContext connection, MeshPeer peer, in InboundVerdict verdict, bool wasOpen) => _denials.Connection(
        peer, connection.RemoteEndPoint, verdict.Rule ?? InboundRules.NotEnforced, verdict.Reason ?? string.Empty, verdict.IsShadow, wasOpen);

    // The server itself would end TCP without a word of TLS, which the other side cannot tell from being cut off.
    private async ValueTask TakeLeaveAsync(AcceptedTransport transport)
    {
        try
        {
            await transport.EndOutputAsync().WaitAsync(OpenedConnection.Farewell, _time).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or InvalidOperationException or OperationCanceledException or TimeoutException)
        {
            // The peer is gone, or does not listen.
        }
    }

    [LoggerMessage(109, LogLevel.Information, "Closed {Count} raw connections that were still open when this instance had drained.")]
    private static partial void LogClosed(ILogger logger, int count);
}
