using MeshClient.Configuration;
using MeshClient.Consul;
using MeshClient.Core.ControlPlane;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace MeshClient.Identity;

/// <summary>
/// Where certificates and roots come from: sources the app registered itself come first, then files, then the registry, which is
/// asked to sign requests where it does.
/// </summary>
internal sealed class IdentitySources
{
    public IdentitySources(
        IServiceProvider services, MeshOptions options, ConsulControlPlane? registry, TimeProvider time, MeshRandom random, ILoggerFactory loggers)
    {
        var identity = options.Identity;
        TrustBundles = services.GetService<ITrustBundleSource>() ?? RootFilesOf(identity, time) ?? (ITrustBundleSource?)registry;
        Leaves = services.GetService<ILeafCertificateSource>() ?? LeafFilesOf(identity, time) ?? (ILeafCertificateSource?)registry;
        // A source of leaves that comes from elsewhere than the registry is not to be passed over because the registry signs.
        var signer = identity.SigningRequests == SigningRequestUse.Never ? null
            : services.GetService<ICertificateSigner>() ?? (ReferenceEquals(Leaves, registry) ? registry : null);
        if (signer is not null || (Leaves is not null && identity.SigningRequests == SigningRequestUse.Always))
        {
            Leaves = Requests = new SigningLeafSource(
                signer,
                Leaves,
                identity.SigningRequests == SigningRequestUse.Always,
                identity.KeyType,
                options.RotationSpread,
                time,
                random,
                loggers.CreateLogger<SigningLeafSource>());
        }
    }

    public ITrustBundleSource? TrustBundles { get; }

    public ILeafCertificateSource? Leaves { get; }

    /// <summary>What <see cref="Leaves"/> are requested by, where that is so; it wants to know of changed roots.</summary>
    public SigningLeafSource? Requests { get; }

    private static FileLeafSource? LeafFilesOf(MeshIdentityOptions options, TimeProvider time) =>
        options is { CertificateFile: { } certificate, PrivateKeyFile: { } key }
            ? new FileLeafSource(certificate, key, options.FileInterval, time)
            : null;

    private static FileTrustBundleSource? RootFilesOf(MeshIdentityOptions options, TimeProvider time) =>
        options is { CertificateFile: { } certificate, RootsFile: { } roots }
            ? new FileTrustBundleSource(roots, () => FileTrustBundleSource.ReadTrustDomain(certificate), options.FileInterval, time)
            : null;
}
