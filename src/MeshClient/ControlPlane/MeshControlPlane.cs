using MeshClient.Configuration;
using MeshClient.Consul;
using MeshClient.Core.ControlPlane;
using MeshClient.Identity;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace MeshClient.ControlPlane;

/// <summary>
/// The ports of the control plane in force: those an app registered itself come first, then certificates in files, then those of
/// the configured registry; a port that nobody provides is null.
/// </summary>
internal sealed class MeshControlPlane : IDisposable
{
    private readonly ConsulControlPlane? _consul;

    public MeshControlPlane(
        IServiceProvider services, IOptions<MeshOptions> options, TimeProvider time, MeshRandom random, ILoggerFactory loggers)
    {
        var settings = options.Value.ControlPlane;
        if (settings.Address is not null)
        {
            _consul = new ConsulControlPlane(settings.ToConsulOptions(), time, loggers.CreateLogger<ConsulControlPlane>());
        }

        Instances = services.GetService<IInstanceSource>() ?? _consul;
        Intentions = services.GetService<IIntentionSource>() ?? _consul;
        var identity = options.Value.Identity;
        TrustBundles = services.GetService<ITrustBundleSource>() ?? FilesOf(identity, time) ?? (ITrustBundleSource?)_consul;
        Leaves = services.GetService<ILeafCertificateSource>() ?? LeafFilesOf(identity, time) ?? (ILeafCertificateSource?)_consul;
        var signer = identity.SigningRequests == SigningRequestUse.Never ? null : FindSigner(services);
        if (signer is not null || (Leaves is not null && identity.SigningRequests == SigningRequestUse.Always))
        {
            Leaves = Requests = new SigningLeafSource(
                signer,
                Leaves,
                identity.SigningRequests == SigningRequestUse.Always,
                identity.KeyType,
                options.Value.RotationSpread,
                time,
                random,
                loggers.CreateLogger<SigningLeafSource>());
        }

        Registrar = services.GetService<IServiceRegistrar>() ?? _consul;
    }

    public IInstanceSource? Instances { get; }

    public IIntentionSource? Intentions { get; }

    public ITrustBundleSource? TrustBundles { get; }

    public ILeafCertificateSource? Leaves { get; }

    public IServiceRegistrar? Registrar { get; }

    /// <summary>What <see cref="Leaves"/> are requested by, where that is so; it wants to know of changed roots.</summary>
    public SigningLeafSource? Requests { get; }

    public void Dispose() => _consul?.Dispose();

    private static FileLeafSource? LeafFilesOf(MeshIdentityOptions options, TimeProvider time) =>
        options is { CertificateFile: { } certificate, PrivateKeyFile: { } key }
            ? new FileLeafSource(certificate, key, options.FileInterval, time)
            : null;

    private static FileTrustBundleSource? FilesOf(MeshIdentityOptions options, TimeProvider time) =>
        options is { CertificateFile: { } certificate, RootsFile: { } roots }
            ? new FileTrustBundleSource(roots, () => FileTrustBundleSource.ReadTrustDomain(certificate), options.FileInterval, time)
            : null;

    // A source of leaves that comes from elsewhere than the registry is not to be passed over because the registry signs.
    private ICertificateSigner? FindSigner(IServiceProvider services) =>
        services.GetService<ICertificateSigner>() ?? (ReferenceEquals(Leaves, _consul) ? _consul : null);
}
