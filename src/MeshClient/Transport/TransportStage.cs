using System.Net;
using MeshClient.Dialing;
using MeshClient.Discovery;
using MeshClient.Forwarding;
using MeshClient.Outbound;
using MeshClient.Resilience;

namespace MeshClient.Transport;

/// <summary>Sends an attempt on a connection of the instance picked.</summary>
/// <remarks>
/// A mesh instance is addressed as <c>https://service/...</c>, whatever scheme the app wrote, because HTTP/2 carries the scheme
/// and a peer refuses one that does not fit the connection; the address in the call is put back afterwards. An app that writes
/// <c>https://</c> spares the change. Other instances are addressed by their own host and port, since they may know themselves
/// by that name only.
/// The HTTP version is raised to 2 for mesh instances when the request allows it, and stays raised: the connection pool may
/// look at the message after the call is over.
/// Behind a proxy nothing is negotiated with the service itself. It is called over HTTP/1.1, unless the request demands HTTP/2 or
/// the settings say that the service speaks it; then with prior knowledge, and as <c>http://service/...</c>, because that is how it
/// sees the connection its proxy makes.
/// HTTP/3 is never asked for, nor left open by "or higher", whatever the instance: the handler makes QUIC connections by itself,
/// past the connector, which is where a peer is judged and our certificate goes out. A call that demands it is refused.
/// A request that must not run twice and has no body is given an empty one for the way: the runtime sends any request without
/// a body again by itself when a used HTTP/1.1 connection ends before the answer, whatever its method. What instances say of their
/// endpoints does not count for that: no call that goes well is to ask for it.
/// </remarks>
internal sealed class TransportStage() : AttemptStage("Transport", StageScope.Instance)
{
    private static readonly UriCreationOptions AsWritten = new() { DangerousDisablePathAndQueryCanonicalization = true };

    public override void Enter(OutboundAttempt attempt)
    {
        if (attempt.Call.Request is DialRequest)
        {
            // Has a connection of its own, which is opened when it is sent.
            return;
        }

        try
        {
            Prepare(attempt);
            // Last of all: a stage that fails on the way in is not asked to give anything back.
            attempt.Pool = attempt.Instance.TryAcquirePool() ?? attempt.Instance.Transport.Acquire();
        }
        catch
        {
            Restore(attempt);
            throw;
        }
    }

    public static Task<HttpResponseMessage> SendAsync(OutboundAttempt attempt)
    {
        if (attempt.Pool is not { } pool)
        {
            return InstanceDial.OpenAsync(attempt);
        }

        var request = attempt.Request;
        var invoker = request.Version.Major >= 2 ? pool : pool.Http11Invoker;
        return invoker.SendAsync(request, attempt.Timer!.Token);
    }

    public override void Responded(OutboundAttempt attempt) => Restore(attempt);

    public override void Ended(OutboundAttempt attempt) => attempt.Pool?.Release();

    private static void Prepare(OutboundAttempt attempt)
    {
        var instance = attempt.Instance;
        var request = attempt.Request;
        var uri = request.RequestUri!;
        ChooseVersion(attempt);
        if (attempt.Call.Forwarded is { } forwarded)
        {
            HeaderForwarding.Write(attempt, forwarded);
        }

        if (request.Content is null && request.Method != HttpMethod.Connect && !Repeatability.IsMarked(attempt.Call) && !IsUpgrade(request))
        {
            request.Content = new ByteArrayContent([]);
            attempt.AddedContent = true;
        }

        if (!instance.IsInMesh)
        {
            request.RequestUri = At(instance.DirectBase, uri);
            attempt.OriginalUri = uri;
        }
        else if (instance.IsBehindProxy && request.Version.Major >= 2)
        {
            request.RequestUri = At(attempt.Call.Destination.BehindProxyBase, uri);
            attempt.OriginalUri = uri;
        }
        else if (attempt.Call.Destination.Name is not { Scheme: SchemePreference.Https, Endpoint: null })
        {
            request.RequestUri = At(attempt.Call.Destination.MeshBase, uri);
            attempt.OriginalUri = uri;
        }
    }

    private static void ChooseVersion(OutboundAttempt attempt)
    {
        var request = attempt.Request;
        var isAtLeast = request.VersionPolicy != HttpVersionPolicy.RequestVersionOrLower;
        if (request.Version.Major >= 3)
        {
            if (isAtLeast)
            {
                var service = attempt.Call.Destination.Name.Service.Value;
                throw new MeshCallException(
                    MeshFailureReason.Unsupported, service, "Transport",
                    $"Call to '{service}' was not made: it demands HTTP/{request.Version} ({request.VersionPolicy}), and instances are called over HTTP/1.1 and HTTP/2 only.")
                {
                    Attempts = attempt.Call.Attempts,
                };
            }

            SetVersion(request, IsUpgrade(request) ? HttpVersion.Version11 : HttpVersion.Version20, HttpVersionPolicy.RequestVersionOrLower);
        }
        else if (request.VersionPolicy == HttpVersionPolicy.RequestVersionOrHigher)
        {
            // "2 or higher" without 3 is 2: not "or lower", which over plaintext would mean 1.1.
            var raise = request.Version.Major == 1 && !IsUpgrade(request)
                && (!attempt.Instance.IsInMesh || attempt.Instance.PrefersHttp2);
            SetVersion(
                request,
                raise ? HttpVersion.Version20 : request.Version,
                request.Version.Major >= 2 ? HttpVersionPolicy.RequestVersionExact : HttpVersionPolicy.RequestVersionOrLower);
        }
        else if (attempt.Instance.IsInMesh
            && request.Version == HttpVersion.Version11
            && request.VersionPolicy != HttpVersionPolicy.RequestVersionExact
            && attempt.Instance.PrefersHttp2
            && !IsUpgrade(request))
        {
            SetVersion(request, HttpVersion.Version20, HttpVersionPolicy.RequestVersionOrLower);
        }

        // Behind a proxy "2 or lower" cannot be found out on the way.
        if (attempt.Instance.IsBehindProxy && request.Version.Major == 2 && request.VersionPolicy == HttpVersionPolicy.RequestVersionOrLower)
        {
            SetVersion(
                request,
                attempt.Instance.PrefersHttp2 ? HttpVersion.Version20 : HttpVersion.Version11,
                attempt.Instance.PrefersHttp2 ? HttpVersionPolicy.RequestVersionExact : HttpVersionPolicy.RequestVersionOrLower);
        }
    }

    private static void SetVersion(HttpRequestMessage request, Version version, HttpVersionPolicy policy)
    {
        request.Version = version;
        request.VersionPolicy = policy;
    }

    private static void Restore(OutboundAttempt attempt)
    {
        HeaderForwarding.Restore(attempt);
        if (attempt.OriginalUri is { } original)
        {
            attempt.Request.RequestUri = original;
        }

        if (attempt.AddedContent)
        {
            attempt.Request.Content = null;
        }
    }

    // Put together as text: a path that begins with two slashes would be taken for a host, and one the app has escaped in its
    // own way must arrive that way.
    private static Uri At(string authority, Uri uri) => new(string.Concat(authority, uri.PathAndQuery), AsWritten);

    private static bool IsUpgrade(HttpRequestMessage request) => request.Headers.NonValidated.Contains("Upgrade");
}
