using System.Diagnostics.Metrics;
using MeshClient.Configuration;
using MeshClient.Consul;
using MeshClient.Core.ControlPlane;
using MeshClient.Identity;
using MeshClient.Restart;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace MeshClient.ControlPlane;

/// <summary>
/// The ports of the control plane in force: those an app registered itself come first, then those of the configured
/// registry; a port that nobody provides is null. Behind those that are read is the state file, if there is one.
/// </summary>
internal sealed class MeshControlPlane : IDisposable
{
    private readonly ConsulControlPlane? _consul;
    private readonly RestartState? _restart;

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
        var identity = new IdentitySources(services, options.Value, _consul, time, random, loggers);
        (TrustBundles, Leaves, Requests) = (identity.TrustBundles, identity.Leaves, identity.Requests);
        Registrar = services.GetService<IServiceRegistrar>() ?? _consul;
        if (options.Value.StateFile is { Path: not null } file)
        {
            var logger = loggers.CreateLogger<RestartState>();
            _restart = new RestartState(
                file,
                options.Value.Service ?? string.Empty,
                TrustBundles is FileTrustBundleSource ? IdentityChecks.FindOwnTrustDomain(options.Value.Identity) : null,
                ProtectorOf(services, file),
                time,
                services.GetRequiredService<IMeterFactory>(),
                logger);
            var sources = new RestartSources(_restart, file.IncludeCertificate, time, logger);
            Instances = Instances is null ? null : sources.Wrap(Instances);
            Intentions = Intentions is null ? null : sources.Wrap(Intentions);
            TrustBundles = TrustBundles is null ? null : sources.Wrap(TrustBundles);
            Leaves = Leaves is null ? null : sources.Wrap(Leaves);
        }
    }

    public IInstanceSource? Instances { get; }

    public IIntentionSource? Intentions { get; }

    public ITrustBundleSource? TrustBundles { get; }

    public ILeafCertificateSource? Leaves { get; }

    /// <inheritdoc cref="IdentitySources.Requests"/>
    public SigningLeafSource? Requests { get; }

    public IServiceRegistrar? Registrar { get; }

    /// <summary>Writes the state file for the last time: the container disposes whoever reads the ports before it disposes this.</summary>
    public void Dispose()
    {
        _restart?.Dispose();
        _consul?.Dispose();
    }

    private static IStateProtector ProtectorOf(IServiceProvider services, MeshStateFileOptions file) =>
        services.GetService<IStateProtector>()
        ?? (AesStateProtector.TryCreate(file, out var protector, out var problem)
            ? protector
            : throw new InvalidOperationException($"Mesh:StateFile:{problem}"));
}
