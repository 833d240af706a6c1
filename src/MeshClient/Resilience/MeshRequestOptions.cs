using MeshClient.Configuration;

namespace MeshClient.Resilience;

/// <summary>What an app can say of a single request, in <see cref="HttpRequestMessage.Options"/>.</summary>
public static class MeshRequestOptions
{
    /// <summary>
    /// True: executing the request twice does no more than executing it once, so it may be tried again after a failure. Not
    /// needed for GET, HEAD, OPTIONS, TRACE, PUT and DELETE. Default: false.
    /// </summary>
    public static HttpRequestOptionsKey<bool> Idempotent { get; } = new("MeshClient.Idempotent");

    /// <summary>
    /// True: a body that is a stream is kept while it is being sent, up to
    /// <see cref="Configuration.MeshRetryOptions.MaxReplayBytes"/>, so that the request can be tried again if it may be. Default: what
    /// <see cref="Configuration.MeshRetryOptions.ReplayStreams"/> says for the service.
    /// </summary>
    public static HttpRequestOptionsKey<bool> ReplayBody { get; } = new("MeshClient.ReplayBody");

    /// <summary>
    /// What the request takes along of the inbound request it is made for, in place of what <c>Forward</c> of its destination says; an
    /// empty one: nothing. Of headers that no destination has forwarded, the inbound side has to be told by
    /// <c>Mesh:Inbound:ForwardableHeaders</c>. Default: what the destination says.
    /// </summary>
    public static HttpRequestOptionsKey<MeshForwardOptions> Forward { get; } = new("MeshClient.Forward");
}
