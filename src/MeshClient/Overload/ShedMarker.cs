using MeshClient.Core.Discovery;
using MeshClient.Outbound;

namespace MeshClient.Overload;

/// <summary>
/// The header by which a service says that it refused a call for overload, before anything of it was done. To try another
/// instance at once would only spread the overload, so such an answer is the call's answer.
/// </summary>
/// <remarks>
/// It is Envoy's, which sets and heeds it with the same meaning, so that sidecars of the same mesh understand it both ways.
/// Believed only of instances of the mesh: whoever else answers must not switch off retries.
/// </remarks>
internal static class ShedMarker
{
    public const string HeaderName = "x-envoy-overloaded";

    public const string Value = "true";

    /// <summary>Whether an attempt was refused for overload by an instance of the mesh.</summary>
    public static bool IsOn(OutboundAttempt attempt) =>
        attempt.Response is { } response
        && attempt.Instance.Endpoint.Security == InstanceSecurity.Mesh
        && response.Headers.NonValidated.Contains(HeaderName);
}
