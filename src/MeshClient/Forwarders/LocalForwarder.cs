using System.Net;
using System.Net.Sockets;
using MeshClient.Configuration;
using MeshClient.Dialing;
using MeshClient.Outbound;
using MeshClient.Telemetry;
using MeshClient.Transport;
using Microsoft.Extensions.Logging;

namespace MeshClient.Forwarders;

/// <summary>
/// A port of this machine that leads to a service of the mesh: each connection to it is handed on over a connection of its own,
/// opened by the dialer. For drivers and programs that know nothing of the mesh.
/// </summary>
internal sealed partial class LocalForwarder : IAsyncDisposable
{
    // Those that wait for a place wait here; what is more the system refuses.
    private const int Backlog = 128;

    // An accept that fails for want of something will fail again at once.
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    private readonly string _service;
    private readonly MeshForwarderOptions _options;
    private readonly IMeshDialer _dialer;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly LogLimiter<string> _limiter;
    private readonly SemaphoreSlim _places;
    private readonly CancellationTokenSource _closing = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Socket _listener;
    private readonly TaskCompletionSource _idle = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task? _accepting;
    private int _open = 1;

    public LocalForwarder(string service, MeshForwarderOptions options, IMeshDialer dialer, TimeProvider time, ILogger logger)
    {
        _service = service;
        _options = options;
        _dialer = dialer;
        _time = time;
        _logger = logger;
        _limiter = new LogLimiter<string>(time);
        _places = new SemaphoreSlim(options.MaxConnections, options.MaxConnections);
        _listener = new Socket(SocketType.Stream, ProtocolType.Tcp);
    }

    /// <summary>Where it listens.</summary>
    public IPEndPoint EndPoint => _listener.LocalEndPoint is IPEndPoint { Address.IsIPv4MappedToIPv6: true } mapped
        ? new IPEndPoint(mapped.Address.MapToIPv4(), mapped.Port)
        : (IPEndPoint)_listener.LocalEndPoint!;

    /// <summary>How many connections are being handed on.</summary>
    public int Open => Volatile.Read(ref _open) - 1;

    /// <summary>Begins to listen.</summary>
    /// <exception cref="InvalidOperationException">The address cannot be had.</exception>
    public void Start()
    {
        _ = ListenAddress.TryParse(_options.Listen, out var address);
        try
        {
            _listener.Bind(new IPEndPoint(address!.Address ?? (Socket.OSSupportsIPv6 ? IPAddress.IPv6Any : IPAddress.Any), address.Port));
            _listener.Listen(Backlog);
        }
        catch (SocketException e)
        {
            throw new InvalidOperationException(
                $"Mesh:Forwards:{_service} cannot listen at {_options.Listen}: {e.Message}. Is another program, or the service itself, listening there?", e);
        }

        LogListening(_logger, EndPoint, _service);
        using (ExecutionContext.SuppressFlow())
        {
            _accepting = Task.Run(AcceptAsync);
        }
    }

    /// <summary>Takes no more connections, lets those that are open come to their end for a while, and breaks off the rest.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _closing.CancelAsync().ConfigureAwait(false);
        _listener.Dispose();
        if (_accepting is null)
        {
            return;
        }

        await _accepting.ConfigureAwait(false);
        try
        {
            await _idle.Task.WaitAsync(MeshDefaults.ForwarderDrain, _time, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is TimeoutException or OperationCanceledException)
        {
            LogBrokenOff(_logger, Open, _service);
            await _stop.CancelAsync().ConfigureAwait(false);
            await _idle.Task.ConfigureAwait(false);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync(new CancellationToken(canceled: true)).ConfigureAwait(false);
        _closing.Dispose();
        _stop.Dispose();
        _places.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!_closing.IsCancellationRequested)
        {
            try
            {
                await _places.WaitAsync(_closing.Token).ConfigureAwait(false);
                Socket socket;
                try
                {
                    socket = await _listener.AcceptAsync(_closing.Token).ConfigureAwait(false);
                }
                catch
                {
                    _places.Release();
                    throw;
                }

                Interlocked.Increment(ref _open);
                _ = ServeAsync(socket);
            }
            catch (Exception e) when (_closing.IsCancellationRequested && e is OperationCanceledException or ObjectDisposedException or SocketException)
            {
                break;
            }
            catch (SocketException e)
            {
                if (_limiter.TryEnter("accept", out var suppressed))
                {
                    LogNotAccepted(_logger, _service, e.Message, suppressed);
                }

                await Task.Delay(Pause, _time, CancellationToken.None).ConfigureAwait(false);
            }
        }

        Left();
    }

    private async Task ServeAsync(Socket socket)
    {
        var local = new SocketEnd(socket);
        try
        {
            socket.NoDelay = true;
            KeepAlive.Ask(socket);
            var connection = await _dialer.ConnectAsync(_service, _stop.Token).ConfigureAwait(false);
            await ByteRelay.RunAsync(local, new MeshEnd(connection), _options.IdleTimeout, _time, _stop.Token).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            // With a reset: the program has to see that it is not connected.
            local.Abort();
            if (e is not OperationCanceledException && _limiter.TryEnter((e as MeshCallException)?.Reason.ToString() ?? e.GetType().Name, out var suppressed))
            {
                LogNotForwarded(_logger, _service, e.Message, suppressed);
            }
        }
        finally
        {
            _places.Release();
            Left();
        }
    }

    private void Left()
    {
        if (Interlocked.Decrement(ref _open) == 0)
        {
            _idle.TrySetResult();
        }
    }

    [LoggerMessage(60, LogLevel.Information, "Connections to {EndPoint} are handed on to {Service}.")]
    private static partial void LogListening(ILogger logger, IPEndPoint endPoint, string service);

    [LoggerMessage(61, LogLevel.Warning, "A connection for {Service} was not handed on, and was reset: {Problem} {Suppressed} of the same kind before it were not logged.")]
    private static partial void LogNotForwarded(ILogger logger, string service, string problem, int suppressed);

    [LoggerMessage(62, LogLevel.Warning, "A connection for {Service} could not be accepted: {Problem}. {Suppressed} before it were not logged.")]
    private static partial void LogNotAccepted(ILogger logger, string service, string problem, int suppressed);

    [LoggerMessage(63, LogLevel.Information, "{Count} connections to {Service} were still open when this process stopped, and were broken off.")]
    private static partial void LogBrokenOff(ILogger logger, int count, string service);
}
