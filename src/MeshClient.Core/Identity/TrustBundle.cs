using System.Security.Cryptography.X509Certificates;
using MeshClient.Core.Naming;

namespace MeshClient.Core.Identity;

/// <summary>
/// The roots of the mesh: every one is trusted, whichever signs at the moment. Owns their certificates: whoever reads a bundle
/// from a source disposes it, or leaves it to the garbage collector while handshakes may still use it.
/// </summary>
public sealed class TrustBundle : IEquatable<TrustBundle>, IDisposable
{
    private readonly X509Certificate2? _signingRoot;

    /// <summary>Makes a bundle.</summary>
    /// <param name="trustDomain">The trust domain the roots vouch for, such as <c>9f579be9-….consul</c>.</param>
    /// <param name="roots">The root certificates, without private keys; at least one.</param>
    /// <exception cref="ArgumentException">There is no root, or the trust domain is none.</exception>
    public TrustBundle(string trustDomain, IEnumerable<X509Certificate2> roots)
    {
        ArgumentException.ThrowIfNullOrEmpty(trustDomain);
        ArgumentNullException.ThrowIfNull(roots);
        TrustDomain = SpiffeId.TryParse($"spiffe://{trustDomain}", out var id) && id.Path.Length == 0
            ? id.TrustDomain
            : throw new ArgumentException($"'{trustDomain}' is not a trust domain.", nameof(trustDomain));
        Roots = [.. roots];
        if (Roots.Count == 0)
        {
            throw new ArgumentException("A trust bundle holds at least one root.", nameof(roots));
        }
    }

    /// <summary>The trust domain the roots vouch for, in lower case as in <see cref="SpiffeId.TrustDomain"/>.</summary>
    public string TrustDomain { get; }

    /// <summary>The root certificates.</summary>
    public IReadOnlyList<X509Certificate2> Roots { get; }

    /// <summary>
    /// Which of the roots new certificates are issued under now; null when the source does not tell. A certificate under another
    /// one is renewed soon, where this process sees to that itself. Default: null.
    /// </summary>
    /// <exception cref="ArgumentException">It is none of the roots.</exception>
    public X509Certificate2? SigningRoot
    {
        get => _signingRoot;
        init => _signingRoot = value is null || Roots.Contains(value)
            ? value
            : throw new ArgumentException("The signing root is none of the roots.", nameof(value));
    }

    /// <summary>Whether the other bundle trusts the same roots for the same trust domain.</summary>
    public bool Equals(TrustBundle? other) =>
        other is not null
        && string.Equals(TrustDomain, other.TrustDomain, StringComparison.Ordinal)
        && ByteArrayComparer.Instance.Equals(SigningRoot?.RawData, other.SigningRoot?.RawData)
        && Roots.Select(root => root.RawData).SequenceEqual(other.Roots.Select(root => root.RawData), ByteArrayComparer.Instance);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as TrustBundle);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(TrustDomain, Roots.Count);

    /// <summary>Frees the certificates, which can no longer be used.</summary>
    public void Dispose()
    {
        foreach (var root in Roots)
        {
            root.Dispose();
        }
    }
}
