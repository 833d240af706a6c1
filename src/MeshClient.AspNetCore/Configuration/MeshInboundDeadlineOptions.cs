using MeshClient.Resilience;

namespace MeshClient.AspNetCore.Configuration;

/// <summary>Until when requests are of use to their callers.</summary>
public sealed class MeshInboundDeadlineOptions
{
    /// <summary>
    /// Whether the deadline that a caller in the mesh sends holds here: <see cref="MeshDeadline.HeaderName"/>,
    /// <c>grpc-timeout</c> of a gRPC call, or <c>x-envoy-expected-rq-timeout-ms</c>; of several, the shortest. When it has
    /// passed the request is refused (504 or gRPC status 4), and while it is being served
    /// <c>HttpContext.RequestAborted</c> is cancelled; calls made for it end with it. What is no number is ignored, as is
    /// whatever callers outside the mesh send. Default: true.
    /// </summary>
    public bool Enabled { get; set; } = true;

    /// <summary>
    /// The deadline of requests that bring none, those from outside the mesh included: it has them end in good order all along
    /// the services called for them. 1 ms to 1 day. Null: none. Default: null.
    /// </summary>
    public TimeSpan? Default { get; set; }
}
