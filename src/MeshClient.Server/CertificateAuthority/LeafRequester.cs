using System.Net;

namespace MeshClient.Server.CertificateAuthority;

/// <summary>Who asks for a certificate, for the log.</summary>
/// <param name="Address">From where.</param>
/// <param name="AccessorId">The public name of the token; empty without access control.</param>
internal sealed record LeafRequester(IPAddress? Address, string AccessorId);
