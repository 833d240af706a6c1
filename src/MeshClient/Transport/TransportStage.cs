using System.Net;
using MeshClient.Core.Discovery;
using MeshClient.Discovery;
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
/// A request that must not run twice and has no body is given an empty one for the way: the runtime sends any request without
/// a body again by itself when a used HTTP/1.1 connection ends before the answer, whatever its method.
/// </remarks>
internal sealed class TransportStage() : AttemptStage("Transport", StageScope.Instance)
{
    private static readonly UriCreationOptions AsWritten = new() { DangerousDisablePathAndQueryCanonicalization = true };

    public override void Enter(OutboundAttempt attempt)
    {
        var instance = attempt.Instance;
        var request = attempt.Call.Request;
        var uri = request.RequestUri!;
        attempt.Pool = instance.Transport.Acquire();
        if (request.Content is null && request.Method != HttpMethod.Connect && !IsUpgrade(request) && !Repeatability.MayRunTwice(request))
        {
            request.Content = new ByteArrayContent([]);
            attempt.AddedContent = true;
        }

        if (instance.Endpoint.Security == InstanceSecurity.Mesh)
        {
            if (attempt.Call.Destination.Name is not { Scheme: SchemePreference.Https, Endpoint: null })
            {
                attempt.OriginalUri = uri;
                request.RequestUri = At(attempt.Call.Destination.MeshBase, uri);
            }

            if (request.Version == HttpVersion.Version11
                && request.VersionPolicy != HttpVersionPolicy.RequestVersionExact
                && attempt.Call.Destination.Service.Settings.PreferHttp2
                && !IsUpgrade(request))
            {
                request.Version = HttpVersion.Version20;
                request.VersionPolicy = HttpVersionPolicy.RequestVersionOrLower;
            }
        }
        else
        {
            attempt.OriginalUri = uri;
            request.RequestUri = At(instance.DirectBase, uri);
        }
    }

    public static Task<HttpResponseMessage> SendAsync(OutboundAttempt attempt)
    {
        var request = attempt.Call.Request;
        var pool = attempt.Pool!;
        var invoker = request.Version.Major >= 2 ? pool.Invoker : pool.Http11Invoker;
        return invoker.SendAsync(request, attempt.Timer!.Token);
    }

    public override void Responded(OutboundAttempt attempt)
    {
        if (attempt.OriginalUri is { } original)
        {
            attempt.Call.Request.RequestUri = original;
        }

        if (attempt.AddedContent)
        {
            attempt.Call.Request.Content = null;
        }
    }

    public override void Ended(OutboundAttempt attempt) => attempt.Pool?.Release();

    // Put together as text: a path that begins with two slashes would be taken for a host, and one the app has escaped in its
    // own way must arrive that way.
    private static Uri At(string authority, Uri uri) => new(string.Concat(authority, uri.PathAndQuery), AsWritten);

    private static bool IsUpgrade(HttpRequestMessage request) => request.Headers.NonValidated.Contains("Upgrade");
}
