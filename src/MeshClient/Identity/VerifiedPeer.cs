using MeshClient.Core.Naming;

namespace MeshClient.Identity;

/// <summary>A peer whose certificate is good.</summary>
/// <param name="Id">Who it is.</param>
/// <param name="Span">When its certificate is valid.</param>
/// <param name="Root">The root that vouched for it, as encoded.</param>
internal sealed record VerifiedPeer(SpiffeId Id, CertificateSpan Span, ReadOnlyMemory<byte> Root);

/// <summary>Why a peer was refused.</summary>
/// <param name="Reason">One of a few words, for metrics.</param>
/// <param name="Problem">The same as part of a sentence.</param>
internal sealed record PeerRefusal(string Reason, string Problem);
