using System.Net;
using System.Net.Sockets;
using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Registration;
using MeshClient.Configuration;
using MeshClient.Forwarders;
using MeshClient.Telemetry;
using MeshClient.Transport;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace MeshClient.AspNetCore.Connections;

/// <summary>
/// The program this process stands in front of: hands connections on to it, and sees whether it can be connected to, which is
/// what the instance is worth to its callers.
/// </summary>
internal sealed partial class ExposedTarget : IAsyncDisposable
{
    // A program that restarts is back in a moment, and its callers wait for that.
    private static readonly TimeSpan RetryInterval = TimeSpan.FromMilliseconds(250);

    private readonly MeshExposeOptions _options;
    private readonly MeshRegistration _registration;
    private readonly TimeProvider _time;
    private readonly ILogger<ExposedTarget> _logger;
    private readonly LogLimiter<string> _limiter;
    private readonly CancellationTokenSource _stop = new();
    private TaskCompletionSource _lookAgain = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task _watching = Task.CompletedTask;
    private volatile bool _isGone;
    private int _open;

    public ExposedTarget(
        IOptions<MeshInboundOptions> options, MeshRegistration registration, TimeProvider time, ILogger<ExposedTarget> logger)
    {
        _options = options.Value.Expose;
        _registration = registration;
        _time = time;
        _logger = logger;
        _limiter = new LogLimiter<string>(time);
    }

    private IPEndPoint EndPoint => ListenAddress.TryParse(_options.Target, out var address) && address.Address is { } ip
        ? new IPEndPoint(ip, address.Port)
        : throw new InvalidOperationException($"Mesh:Inbound:Expose:Target is '{_options.Target}', which is not an address.");

    /// <summary>Looks at the program for the first time, and begins to watch it.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (_options.Target is null || _options.CheckInterval <= TimeSpan.Zero)
        {
            return;
        }

        await CheckAsync(cancellationToken).ConfigureAwait(false);
        using (ExecutionContext.SuppressFlow())
        {
            _watching = Task.Run(WatchAsync, CancellationToken.None);
        }
    }

    /// <summary>
    /// Turns a connection away before the handshake while the program is known to be gone: its caller then tries another instance,
    /// which it cannot do once it has begun to talk.
    /// </summary>
    public Task Admit(ConnectionContext connection, ConnectionDelegate next)
    {
        if (!_isGone)
        {
            return next(connection);
        }

        connection.Abort(new ConnectionAbortedException($"{_options.Target} cannot be connected to."));
        return Task.CompletedTask;
    }

    /// <summary>Hands a connection on.</summary>
    public async Task ServeAsync(ConnectionContext connection)
    {
        try
        {
            if (Interlocked.Increment(ref _open) > _options.MaxConnections)
            {
                Refuse(connection, "limit", $"{_options.MaxConnections} are open already (Mesh:Inbound:Expose:MaxConnections)");
                return;
            }

            Socket socket;
            try
            {
                socket = await ConnectAsync(connection.ConnectionClosed).ConfigureAwait(false);
            }
            catch (Exception e) when (e is SocketException or TimeoutException or OperationCanceledException)
            {
                if (!connection.ConnectionClosed.IsCancellationRequested)
                {
                    Refuse(connection, "target", $"{_options.Target} cannot be connected to: {e.Message}");
                    LookAgain();
                }

                return;
            }

            KeepAlive.Ask(socket);
            await ByteRelay.RunAsync(
                new AcceptedEnd(connection), new SocketEnd(socket), _options.IdleTimeout, _time, connection.ConnectionClosed).ConfigureAwait(false);
        }
        finally
        {
            Interlocked.Decrement(ref _open);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _watching.ConfigureAwait(false);
        _stop.Dispose();
    }

    private void Refuse(ConnectionContext connection, string kind, string problem)
    {
        if (_limiter.TryEnter(kind, out var suppressed))
        {
            LogNotHandedOn(_logger, connection.RemoteEndPoint, problem, suppressed);
        }

        connection.Abort(new ConnectionAbortedException($"The connection was not handed on: {problem}."));
    }

    private async Task<Socket> ConnectAsync(CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(_options.ConnectTimeout, _time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(EndPoint, both.Token).ConfigureAwait(false);
            return socket;
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            socket.Dispose();
            throw new TimeoutException($"no connection within {_options.ConnectTimeout}");
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private async Task WatchAsync()
    {
        try
        {
            while (true)
            {
                // What is asked for from here on is asked of what is not known yet.
                var lookAgain = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                Volatile.Write(ref _lookAgain, lookAgain);
                var isFit = await CheckAsync(_stop.Token).ConfigureAwait(false);
                await lookAgain.Task.WaitAsync(isFit ? _options.CheckInterval : RetryInterval, _time, _stop.Token)
                    .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                _stop.Token.ThrowIfCancellationRequested();
            }
        }
        catch (OperationCanceledException)
        {
            // The app ends.
        }
    }

    private async Task<bool> CheckAsync(CancellationToken cancellationToken)
    {
        try
        {
            using var socket = await ConnectAsync(cancellationToken).ConfigureAwait(false);
            _isGone = false;
            if (_registration.SetUnfit(null))
            {
                LogIsThere(_logger, _options.Target!);
            }

            return true;
        }
        catch (Exception e) when (e is SocketException or TimeoutException)
        {
            _isGone = true;
            if (_registration.SetUnfit($"{_options.Target} cannot be connected to"))
            {
                LogIsGone(_logger, _options.Target!, e.Message);
            }

            return false;
        }
    }

    private void LookAgain() => Volatile.Read(ref _lookAgain).TrySetResult();

    [LoggerMessage(111, LogLevel.Warning, "A connection from {Remote} was not handed on: {Problem}. {Suppressed} for the same reason before it were not logged.")]
    private static partial void LogNotHandedOn(ILogger logger, EndPoint? remote, string problem, int suppressed);

    [LoggerMessage(112, LogLevel.Warning, "{Target} cannot be connected to: {Problem}. This instance is out of use until it can.")]
    private static partial void LogIsGone(ILogger logger, string target, string problem);

    [LoggerMessage(113, LogLevel.Information, "{Target} can be connected to again.")]
    private static partial void LogIsThere(ILogger logger, string target);
}
