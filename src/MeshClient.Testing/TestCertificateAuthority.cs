using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using MeshClient.Core.Identity;
using MeshClient.Core.Naming;

namespace MeshClient.Testing;

/// <summary>
/// A certificate authority for one test: leaves and roots exactly as the mesh's own, and, for tests of what has to be
/// refused, leaves with flaws. Its keys live in memory and die with it. Safe for use from several threads.
/// </summary>
/// <remarks>
/// Real TLS judges validity by the machine's clock, so keep <see cref="TimeProvider.System"/> for tests that connect.
/// </remarks>
public sealed class TestCertificateAuthority : IDisposable
{
    /// <summary>The trust domain when none is asked for.</summary>
    public const string DefaultTrustDomain = "11111111-2222-3333-4444-555555555555.consul";

    /// <summary>The life of a leaf when none is asked for: 72 hours, Consul's default.</summary>
    public static readonly TimeSpan DefaultLeafLifetime = TimeSpan.FromHours(72);

    // As long as Consul lets a cross-signed root live.
    private static readonly TimeSpan CrossSignedLifetime = TimeSpan.FromDays(7);

    private readonly Lock _lock = new();
    private readonly TimeProvider _clock;
    private readonly List<RootKeyPair> _roots = [];
    private readonly List<X509Certificate2> _published = [];
    private int _rootsMade;
    private X509Certificate2? _crossSigned;
    private TrustBundle _bundle;

    /// <summary>Makes an authority with one root.</summary>
    /// <param name="trustDomain">Its trust domain. Default: <see cref="DefaultTrustDomain"/>.</param>
    /// <param name="clock">What it takes for now. Default: the system's clock.</param>
    /// <exception cref="FormatException">The trust domain is not fit for a SPIFFE id.</exception>
    public TestCertificateAuthority(string trustDomain = DefaultTrustDomain, TimeProvider? clock = null)
    {
        var id = SpiffeId.Parse($"spiffe://{trustDomain}");
        TrustDomain = id.Path.Length == 0 ? id.TrustDomain : throw new FormatException($"'{trustDomain}' is not a trust domain.");
        _clock = clock ?? TimeProvider.System;
        _roots.Add(MakeRoot());
        _bundle = Publish_NeedsLock();
    }

    /// <summary>The trust domain, in lower case.</summary>
    public string TrustDomain { get; }

    /// <summary>
    /// The roots that are trusted now, the signing one first. The certificates in it hold no keys and live as long as the
    /// authority.
    /// </summary>
    public TrustBundle Bundle
    {
        get
        {
            lock (_lock)
            {
                return _bundle;
            }
        }
    }

    /// <summary>The id of a service in this trust domain.</summary>
    /// <param name="service">The service.</param>
    /// <param name="datacenter">The datacenter. Default: <c>dc1</c>.</param>
    public SpiffeId IdOf(ServiceName service, string datacenter = "dc1") => SpiffeId.ForService(TrustDomain, datacenter, service);

    /// <summary>Issues a leaf as the mesh's own authority does. The caller owns the certificates in it.</summary>
    /// <param name="service">The service it proves.</param>
    /// <param name="datacenter">The datacenter. Default: <c>dc1</c>.</param>
    /// <param name="lifetime">From its beginning, a minute before the moment of issue, to its end. Default: 72 hours.</param>
    /// <param name="now">The moment of issue. Default: the clock's.</param>
    public LeafCertificate IssueLeaf(
        ServiceName service, string datacenter = "dc1", TimeSpan? lifetime = null, DateTimeOffset? now = null)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        lock (_lock)
        {
            using var certificate = CertificateIssuer.IssueLeaf(
                new PublicKey(key),
                IdOf(service, datacenter),
                CertificateIssuer.LeafCommonName(service, TrustDomain),
                _roots[0].Certificate,
                now ?? _clock.GetUtcNow(),
                lifetime ?? DefaultLeafLifetime);
            return new LeafCertificate(certificate.CopyWithPrivateKey(key), CopyOfCrossSigned_NeedsLock());
        }
    }

    /// <summary>
    /// Issues a leaf for the key of a certificate request, as the mesh's own authority does for a key that stays with its owner.
    /// </summary>
    /// <param name="service">The service it proves.</param>
    /// <param name="requestPem">The request (PKCS #10) in PEM.</param>
    /// <param name="datacenter">The datacenter. Default: <c>dc1</c>.</param>
    /// <param name="lifetime">From its beginning, a minute before the moment of issue, to its end. Default: 72 hours.</param>
    /// <returns>The leaf and what is sent after it, without a private key; the caller owns them.</returns>
    /// <exception cref="CryptographicException">It is no request, or not signed by its own key.</exception>
    public IReadOnlyList<X509Certificate2> Sign(
        ServiceName service, string requestPem, string datacenter = "dc1", TimeSpan? lifetime = null)
    {
        var request = CertificateRequest.LoadSigningRequestPem(requestPem, HashAlgorithmName.SHA256);
        lock (_lock)
        {
            return
            [
                CertificateIssuer.IssueLeaf(
                    request.PublicKey,
                    IdOf(service, datacenter),
                    CertificateIssuer.LeafCommonName(service, TrustDomain),
                    _roots[0].Certificate,
                    _clock.GetUtcNow(),
                    lifetime ?? DefaultLeafLifetime),
                .. CopyOfCrossSigned_NeedsLock(),
            ];
        }
    }

    /// <summary>Issues a leaf as described, right or wrong.</summary>
    /// <param name="blueprint">What it is to look like.</param>
    /// <param name="now">The moment of issue. Default: the clock's.</param>
    /// <exception cref="ArgumentException">The leaf would end before it begins.</exception>
    public IssuedCertificate Issue(LeafBlueprint blueprint, DateTimeOffset? now = null)
    {
        ArgumentNullException.ThrowIfNull(blueprint);
        var moment = now ?? _clock.GetUtcNow();
        lock (_lock)
        {
            switch (blueprint.Signer)
            {
                case LeafSigner.ActiveRoot:
                    return new IssuedCertificate(
                        LeafForge.Make(blueprint, _roots[0].Certificate, _roots[0].Key, moment), CopyOfCrossSigned_NeedsLock());
                case LeafSigner.Itself:
                    return new IssuedCertificate(LeafForge.Make(blueprint, null, null, moment), []);
                case LeafSigner.SameNamedStranger:
                    using (var stranger = RootKeyPair.Make(_roots[0].CommonName, TrustDomain, _clock.GetUtcNow()))
                    {
                        return new IssuedCertificate(LeafForge.Make(blueprint, stranger.Certificate, stranger.Key, moment), []);
                    }

                case LeafSigner.Intermediate:
                case LeafSigner.MissingIntermediate:
                    return IssueUnderIntermediate_NeedsLock(blueprint, moment);
                default:
                    throw new ArgumentOutOfRangeException(nameof(blueprint), blueprint.Signer, "Not a signer.");
            }
        }
    }

    /// <summary>Issues a leaf that is good but for one flaw.</summary>
    /// <param name="service">The service it should prove.</param>
    /// <param name="flaw">What is wrong with it.</param>
    /// <param name="datacenter">The datacenter it should prove. Default: <c>dc1</c>.</param>
    public IssuedCertificate IssueFlawed(ServiceName service, LeafFlaw flaw, string datacenter = "dc1") =>
        Issue(LeafBlueprint.WithFlaw(TrustDomain, datacenter, service, flaw));

    /// <summary>
    /// Makes a new root, which signs from now on. The old ones stay trusted, and leaves come with the new root signed by the
    /// old one, so that peers that have not heard of it accept them.
    /// </summary>
    /// <param name="crossSign">False for a rotation without that courtesy. Default: true.</param>
    public void Rotate(bool crossSign = true)
    {
        lock (_lock)
        {
            var old = _roots[0];
            var root = MakeRoot();
            _crossSigned?.Dispose();
            _crossSigned = crossSign
                ? CertificateIssuer.CrossSign(root.Certificate, old.Certificate, TrustDomain, _clock.GetUtcNow(), CrossSignedLifetime)
                : null;
            _roots.Insert(0, root);
            _bundle = Publish_NeedsLock();
        }
    }

    /// <summary>Takes all roots but the signing one out of <see cref="Bundle"/>; their leaves are good no more.</summary>
    public void RetireOldRoots()
    {
        lock (_lock)
        {
            foreach (var old in _roots.Skip(1))
            {
                old.Dispose();
            }

            _roots.RemoveRange(1, _roots.Count - 1);
            _crossSigned?.Dispose();
            _crossSigned = null;
            _bundle = Publish_NeedsLock();
        }
    }

    /// <summary>Destroys the keys and lets go of every certificate in every bundle handed out.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            foreach (var root in _roots)
            {
                root.Dispose();
            }

            foreach (var certificate in _published)
            {
                certificate.Dispose();
            }

            _crossSigned?.Dispose();
        }
    }

    /// <summary>The bundle with certificates of its own, which the caller owns.</summary>
    internal TrustBundle CopyBundle()
    {
        lock (_lock)
        {
            return BundleOf(_roots.ConvertAll(root => WithoutKey(root.Certificate)));
        }
    }

    private static X509Certificate2 WithoutKey(X509Certificate2 certificate) =>
        X509CertificateLoader.LoadCertificate(certificate.RawDataMemory.Span);

    private IssuedCertificate IssueUnderIntermediate_NeedsLock(LeafBlueprint blueprint, DateTimeOffset moment)
    {
        var root = _roots[0];
        using var pair = RootKeyPair.Make($"Intermediate of {root.CommonName}", TrustDomain, moment);
        var intermediate = CertificateIssuer.CrossSign(
            pair.Certificate, root.Certificate, TrustDomain, moment, CrossSignedLifetime);
        var leaf = LeafForge.Make(blueprint, intermediate, pair.Key, moment);
        if (blueprint.Signer == LeafSigner.Intermediate)
        {
            return new IssuedCertificate(leaf, [intermediate, .. CopyOfCrossSigned_NeedsLock()]);
        }

        intermediate.Dispose();
        return new IssuedCertificate(leaf, []);
    }

    private X509Certificate2[] CopyOfCrossSigned_NeedsLock() => _crossSigned is null ? [] : [WithoutKey(_crossSigned)];

    private RootKeyPair MakeRoot() => RootKeyPair.Make($"Test root {++_rootsMade}", TrustDomain, _clock.GetUtcNow());

    private TrustBundle Publish_NeedsLock()
    {
        var certificates = _roots.ConvertAll(root => WithoutKey(root.Certificate));
        _published.AddRange(certificates);
        return BundleOf(certificates);
    }

    private TrustBundle BundleOf(List<X509Certificate2> roots) => new(TrustDomain, roots) { SigningRoot = roots[0] };

    private sealed class RootKeyPair : IDisposable
    {
        public required string CommonName { get; init; }

        public required ECDsa Key { get; init; }

        public required X509Certificate2 Certificate { get; init; }

        public static RootKeyPair Make(string commonName, string trustDomain, DateTimeOffset now)
        {
            var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            return new RootKeyPair
            {
                CommonName = commonName,
                Key = key,
                Certificate = CertificateIssuer.CreateRoot(key, commonName, trustDomain, now),
            };
        }

        public void Dispose()
        {
            Certificate.Dispose();
            Key.Dispose();
        }
    }
}
