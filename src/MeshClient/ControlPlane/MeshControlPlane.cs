using MeshClient.Configuration;
using MeshClient.Consul;
using MeshClient.Core.ControlPlane;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace MeshClient.ControlPlane;

/// <summary>
/// The ports of the control plane in force: those an app registered itself come first, then those of the configured
/// registry; a port that nobody provides is null.
/// </summary>
internal sealed class MeshControlPlane : IDisposable
{
    private readonly ConsulControlPlane? _consul;

    public MeshControlPlane(IServiceProvider services, IOptions<MeshOptions> options, TimeProvider time, ILoggerFactory loggers)
    {
        var settings = options.Value.ControlPlane;
        if (settings.Address is not null)
        {
            _consul = new ConsulControlPlane(settings.ToConsulOptions(), time, loggers.CreateLogger<ConsulControlPlane>());
        }

        Instances = services.GetService<IInstanceSource>() ?? _consul;
        Intentions = services.GetService<IIntentionSource>() ?? _consul;
        TrustBundles = services.GetService<ITrustBundleSource>() ?? _consul;
        Leaves = services.GetService<ILeafCertificateSource>() ?? _consul;
        Registrar = services.GetService<IServiceRegistrar>() ?? _consul;
    }

    public IInstanceSource? Instances { get; }

    public IIntentionSource? Intentions { get; }

    public ITrustBundleSource? TrustBundles { get; }

    public ILeafCertificateSource? Leaves { get; }

    public IServiceRegistrar? Registrar { get; }

    public void Dispose() => _consul?.Dispose();
}
