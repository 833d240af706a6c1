using System.Security.Authentication;

namespace MeshClient.Transport;

/// <summary>A peer could not prove that it is the service it was called as.</summary>
internal sealed class PeerIdentityException(string message, Exception innerException)
    : AuthenticationException(message, innerException);
