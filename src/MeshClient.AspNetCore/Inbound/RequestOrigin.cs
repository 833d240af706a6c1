using MeshClient.AspNetCore.Endpoints;
using MeshClient.AspNetCore.Peers;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace MeshClient.AspNetCore.Inbound;

/// <summary>Where requests come from: a connection to the mesh listener with its peer, or, without one, everywhere else.</summary>
/// <remarks>
/// Knows the requests it is bringing now, so that those whose permit is withdrawn can be ended. They stand in an array that is
/// kept for the life of the connection: a request costs two short stays in a lock that only requests of one caller share, and no
/// memory.
/// </remarks>
/// <param name="peer">Who is at the other end; null: nobody knows.</param>
/// <param name="guard">What every endpoint's rules are checked by.</param>
internal sealed class RequestOrigin(MeshPeer? peer, EndpointGuard guard)
{
    // INADEQUATE_SECURITY (RFC 9113, section 7), because gRPC clients make PERMISSION_DENIED of it
    // (grpc/grpc, doc/PROTOCOL-HTTP2.md); and none takes it for a reason to try again.
    private const int StreamError = 0xc;

    private readonly Lock _lock = new();
    private RunningRequest[] _running = [];
    private int _count;
    private int _undecided;

    public MeshPeer? Peer => peer;

    public EndpointGuard Guard => guard;

    /// <summary>Whether no request is being served, nor waits to be decided on.</summary>
    public bool IsIdle
    {
        get
        {
            lock (_lock)
            {
                return _count == 0 && _undecided == 0;
            }
        }
    }

    /// <summary>A request waits to be decided on.</summary>
    public void Hold()
    {
        lock (_lock)
        {
            _undecided++;
        }
    }

    /// <summary>It does not any more.</summary>
    public void Release()
    {
        lock (_lock)
        {
            _undecided--;
        }
    }

    /// <summary>A request is served from now on.</summary>
    public void Enter(InboundRequest request, in RunningRequest running)
    {
        lock (_lock)
        {
            if (_count == _running.Length)
            {
                Array.Resize(ref _running, Math.Max(1, _count * 2));
            }

            request.Slot = _count;
            _running[_count++] = running;
        }
    }

    /// <summary>It is not any more. Does nothing for one that never was.</summary>
    public void Leave(InboundRequest request)
    {
        if (request.Slot < 0)
        {
            return;
        }

        lock (_lock)
        {
            var last = _running[--_count];
            _running[_count] = default;
            if (!ReferenceEquals(last.Request, request))
            {
                _running[request.Slot] = last;
                last.Request.Slot = request.Slot;
            }

            request.Slot = -1;
        }
    }

    /// <summary>The context of a request that is being served; null for one that is not.</summary>
    public HttpContext? ContextOf(InboundRequest request)
    {
        lock (_lock)
        {
            return request.Slot < 0 ? null : _running[request.Slot].Context;
        }
    }

    /// <summary>Ends the requests that the rules have not let in for some time, and notes those that they do not let in since now.</summary>
    /// <param name="decide">What the rules say of one.</param>
    /// <param name="now">The present timestamp.</param>
    /// <param name="grace">How long one may go on since it was noted, in timestamps.</param>
    /// <param name="ended">Is told of those that are ended.</param>
    /// <param name="failed">Is told of what went wrong with one of them, which keeps none from being ended.</param>
    /// <returns>How long it is until the next has gone on for that long, in timestamps; null: none is noted any more.</returns>
    public long? EndDenied(
        Func<RunningRequest, InboundVerdict> decide,
        long now,
        long grace,
        Action<RunningRequest, InboundVerdict> ended,
        Action<Exception> failed)
    {
        long? left = null;
        lock (_lock)
        {
            // Backwards, since what is ended may leave at once, on this thread. In the lock, since a request that has left is
            // no longer there to be looked at or ended: its context serves the next one.
            for (var i = _count - 1; i >= 0; i--)
            {
                var running = _running[i];
                if (!running.Request.Verdict.IsPermitted)
                {
                    continue;
                }

                var verdict = decide(running);
                if (verdict.IsPermitted)
                {
                    _running[i] = running with { DeniedAt = null };
                    continue;
                }

                var deniedAt = running.DeniedAt ?? now;
                if (deniedAt + grace - now is > 0 and var rest)
                {
                    _running[i] = running with { DeniedAt = deniedAt };
                    left = Math.Min(left ?? rest, rest);
                    continue;
                }

                running.Request.Verdict = verdict;
                try
                {
                    // Before it leaves, which it may do at once.
                    ended(running, verdict);
                }
                catch (Exception e)
                {
                    failed(e);
                }

                End(running.Context, failed);
            }
        }

        return left;
    }

    private static void End(HttpContext context, Action<Exception> failed)
    {
        try
        {
            if (context.Features.Get<IHttpResetFeature>() is { } stream)
            {
                stream.Reset(StreamError);
                return;
            }
        }
        catch (Exception e)
        {
            // What the app has put there, perhaps. There is another way.
            failed(e);
        }

        try
        {
            context.Abort();
        }
        catch (Exception e)
        {
            failed(e);
        }
    }
}

/// <summary>A request that is being served, as it was when that was decided.</summary>
/// <param name="Request">The request.</param>
/// <param name="Context">Its context.</param>
/// <param name="Method">The method that was decided on.</param>
/// <param name="Path">The path that was decided on.</param>
internal readonly record struct RunningRequest(InboundRequest Request, HttpContext Context, string Method, string Path)
{
    /// <summary>The timestamp at which it was found that it would not be let in any more; null: it would.</summary>
    public long? DeniedAt { get; init; }
}
