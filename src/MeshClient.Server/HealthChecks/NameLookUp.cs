using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;

namespace MeshClient.Server.HealthChecks;

/// <summary>Finds the addresses of the hosts that checks name, and connects to them.</summary>
/// <remarks>
/// The system's resolver blocks whoever asks it for as long as it waits for name servers, and cannot be told to stop. So a
/// look-up has a thread of its own, none of those that requests are served on, and whoever waits for it may stop waiting. A name that is
/// being looked up is not looked up again, and only so many are at once: the others wait for their turn.
/// </remarks>
/// <param name="resolve">Looks a name up, blocking.</param>
internal sealed class NameLookUp(Func<string, IPAddress[]> resolve)
{
    /// <summary>How many names are looked up at once. A thread that waits costs its stack.</summary>
    public const int MaxAtOnce = 32;

    private const int StackSize = 256 * 1024;

    private readonly Dictionary<string, TaskCompletionSource<IPAddress[]>> _underWay = new(StringComparer.OrdinalIgnoreCase);
    private readonly Queue<string> _waiting = new();
    private readonly Lock _gate = new();
    private int _threads;

    /// <summary>The addresses of a host; an address is its own.</summary>
    /// <exception cref="SocketException">It has none, or nobody knows.</exception>
    public Task<IPAddress[]> FindAsync(string host, CancellationToken cancellationToken)
    {
        if (IPAddress.TryParse(host, out var address))
        {
            return Task.FromResult<IPAddress[]>([address]);
        }

        lock (_gate)
        {
            if (!_underWay.TryGetValue(host, out var looking))
            {
                _underWay.Add(host, looking = new TaskCompletionSource<IPAddress[]>(TaskCreationOptions.RunContinuationsAsynchronously));
                _waiting.Enqueue(host);
                StartThreadInLock();
            }

            return looking.Task.WaitAsync(cancellationToken);
        }
    }

    /// <summary>Opens a connection to one of the addresses of a host.</summary>
    /// <exception cref="SocketException">None can be made.</exception>
    public async Task<Socket> ConnectAsync(string host, int port, CancellationToken cancellationToken)
    {
        var addresses = await FindAsync(host, cancellationToken).ConfigureAwait(false);
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(addresses, port, cancellationToken).ConfigureAwait(false);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private void StartThreadInLock()
    {
        if (_threads == MaxAtOnce)
        {
            return;
        }

        _threads++;
        new Thread(LookUp, StackSize) { IsBackground = true, Name = "mesh name look-up" }.Start();
    }

    // Until there are no more names to look up.
    private void LookUp()
    {
        while (TryTake(out var host))
        {
            IPAddress[] addresses = [];
            Exception? failure = null;
            try
            {
                addresses = resolve(host);
            }
            catch (Exception e)
            {
                failure = e;
            }

            End(host, addresses, failure ?? (addresses.Length == 0 ? new SocketException((int)SocketError.HostNotFound) : null));
        }
    }

    private bool TryTake([MaybeNullWhen(false)] out string host)
    {
        lock (_gate)
        {
            if (_waiting.TryDequeue(out host))
            {
                return true;
            }

            _threads--;
            return false;
        }
    }

    private void End(string host, IPAddress[] addresses, Exception? failure)
    {
        TaskCompletionSource<IPAddress[]>? looking;
        lock (_gate)
        {
            _underWay.Remove(host, out looking);
        }

        if (failure is null)
        {
            looking!.SetResult(addresses);
        }
        else
        {
            looking!.SetException(failure);
        }
    }
}
