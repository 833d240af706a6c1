using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using MeshClient.Server.CertificateAuthority;
using MeshClient.Server.State;

namespace MeshClient.Server.Hosting;

/// <summary>
/// The certificate the server shows on HTTPS: one that was given, read again when its file changes, or one of the server's own
/// authority, made anew past two thirds of its life and when another root signs.
/// </summary>
internal sealed class ServerCertificate : IDisposable
{
    /// <summary>The life of one of the own authority: it is made in a moment, so it need not be long.</summary>
    private static readonly TimeSpan Lifetime = TimeSpan.FromHours(72);

    private readonly MeshServerOptions _options;
    private readonly StateStore _store;
    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private Shown? _shown;

    /// <exception cref="CryptographicException">A given certificate cannot be read.</exception>
    public ServerCertificate(MeshServerOptions options, StateStore store, TimeProvider time)
    {
        (_options, _store, _time) = (options, store, time);
        _shown = options.Https.CertificatePath is null ? null : Read();
    }

    /// <summary>
    /// The certificate to show now, with what it was signed by. Made once for each: without one every handshake would put the chain
    /// together again.
    /// </summary>
    public SslStreamCertificateContext Current()
    {
        lock (_gate)
        {
            if (_shown is not { } shown || shown.IsStale(this))
            {
                _shown = shown = Renew(_shown);
            }

            return shown.Context;
        }
    }

    public void Dispose() => _shown?.Certificate.Dispose();

    // A file that is being written, or is gone, changes nothing: what was good goes on.
    private Shown Renew(Shown? present)
    {
        if (_options.Https.CertificatePath is null)
        {
            return Issue();
        }

        try
        {
            return Read();
        }
        catch (Exception e) when (present is not null && e is CryptographicException or IOException or UnauthorizedAccessException)
        {
            return present!;
        }
    }

    private Shown Read()
    {
        var path = _options.Https.CertificatePath!;
        var stamp = StampOf(_options);
        var chain = new X509Certificate2Collection();
        chain.ImportFromPemFile(path);
        using var certificate = X509Certificate2.CreateFromPemFile(path, _options.Https.PrivateKeyPath);
        return new Shown(Usable(certificate), chain, null, stamp, DateTimeOffset.MaxValue);
    }

    private Shown Issue()
    {
        var root = _store.Current.Authority!.Active;
        var now = _time.GetUtcNow();
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var certificate = ServerCertificateIssuer.Issue(key, NamesOf(_options), root.Signer, now, Lifetime);
        using var withKey = certificate.CopyWithPrivateKey(key);
        var chain = new X509Certificate2Collection();
        foreach (var pem in RootFactory.StillValid(root.IntermediatePems, now))
        {
            chain.Add(X509Certificate2.CreateFromPem(pem));
        }

        return new Shown(Usable(withKey), chain, root.Id, default, now + (Lifetime * (2.0 / 3)));
    }

    // Some platforms cannot serve TLS with a key that only lives in memory unless it went through this form.
    private static X509Certificate2 Usable(X509Certificate2 certificate) =>
        X509CertificateLoader.LoadPkcs12(certificate.Export(X509ContentType.Pkcs12), null);

    private static IEnumerable<string> NamesOf(MeshServerOptions options) =>
        ((string[])["localhost", IPAddress.Loopback.ToString(), IPAddress.IPv6Loopback.ToString(), options.NodeName, options.NodeAddress])
            .Concat(options.Https.ServerNames).Distinct(StringComparer.OrdinalIgnoreCase);

    private static (DateTime Certificate, DateTime Key) StampOf(MeshServerOptions options) =>
        (File.GetLastWriteTimeUtc(options.Https.CertificatePath!), options.Https.PrivateKeyPath is { } key ? File.GetLastWriteTimeUtc(key) : default);

    private sealed record Shown(
        X509Certificate2 Certificate, X509Certificate2Collection Chain, string? RootId, (DateTime, DateTime) Stamp, DateTimeOffset RenewAt)
    {
        public SslStreamCertificateContext Context { get; } = SslStreamCertificateContext.Create(Certificate, Chain, offline: true);

        public bool IsStale(ServerCertificate owner) => RootId is null
            ? StampOf(owner._options) != Stamp
            : RootId != owner._store.Current.Authority!.Active.Id || RenewAt <= owner._time.GetUtcNow();
    }
}
