using MeshClient.Core;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Discovery;
using MeshClient.Core.Naming;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Primitives;

namespace MeshClient.Discovery;

/// <summary>
/// Instances written down in the app's own configuration, in the section <c>Services</c> that Microsoft.Extensions.ServiceDiscovery
/// reads, so that an app runs in development with no control plane: <c>Services:orders:https:0 = https://localhost:7001</c>,
/// <c>Services:orders:admin:0</c> for a named endpoint, <c>Services:orders:0</c> or <c>Services:orders</c> for one without a name.
/// </summary>
/// <remarks>An address without a scheme serves whichever scheme the call asks for.</remarks>
internal sealed class ConfigurationInstanceSource : IInstanceSource, IDisposable
{
    public const string SectionName = "Services";

    private const string DefaultEndpoint = "default";
    private readonly IConfiguration _configuration;
    private readonly Lock _lock = new();
    private readonly IDisposable _subscription;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ulong _version = 1;

    public ConfigurationInstanceSource(IConfiguration configuration)
    {
        _configuration = configuration;
        _subscription = ChangeToken.OnChange(configuration.GetReloadToken, OnChanged);
    }

    /// <summary>Whether the configuration knows a service.</summary>
    public bool Knows(ServiceName service) => _configuration.GetSection(SectionName).GetSection(service.Value).Exists();

    public async Task<Watched<ServiceSnapshot>> ReadInstancesAsync(ServiceName service, ulong index, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task changed;
            ulong version;
            lock (_lock)
            {
                (changed, version) = (_changed.Task, _version);
            }

            if (index != version)
            {
                return new Watched<ServiceSnapshot>(Read(service), version);
            }

            await changed.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    public void Dispose() => _subscription.Dispose();

    private void OnChanged()
    {
        TaskCompletionSource changed;
        lock (_lock)
        {
            changed = _changed;
            _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _version++;
        }

        changed.SetResult();
    }

    private ServiceSnapshot Read(ServiceName service)
    {
        var section = _configuration.GetSection(SectionName).GetSection(service.Value);
        var instances = new List<ServiceInstance>();
        AddAddress(instances, service, section, endpoint: null);
        foreach (var child in section.GetChildren())
        {
            if (int.TryParse(child.Key, out _))
            {
                AddAddress(instances, service, child, endpoint: null);
                continue;
            }

            var endpoint = string.Equals(child.Key, DefaultEndpoint, StringComparison.OrdinalIgnoreCase) ? null : child.Key;
            AddAddress(instances, service, child, endpoint);
            foreach (var address in child.GetChildren())
            {
                AddAddress(instances, service, address, endpoint);
            }
        }

        return new ServiceSnapshot(service, EquatableArray.From(instances));
    }

    private static void AddAddress(List<ServiceInstance> instances, ServiceName service, IConfigurationSection section, string? endpoint)
    {
        if (string.IsNullOrWhiteSpace(section.Value))
        {
            return;
        }

        // An endpoint named after a scheme is the main endpoint for that scheme.
        var scheme = endpoint?.ToLowerInvariant() is "http" or "https" ? endpoint.ToLowerInvariant() : null;
        var name = scheme is null ? endpoint : null;
        var text = section.Value.Trim();
        var hasScheme = text.Contains("://", StringComparison.Ordinal);
        if (!Uri.TryCreate(hasScheme ? text : $"{scheme ?? "any"}://{text}", UriKind.Absolute, out var address)
            || address.Host.Length == 0
            || (hasScheme && address.Scheme is not ("http" or "https")))
        {
            throw new ControlPlaneException(
                ControlPlaneFailure.Malformed, $"{section.Path} is '{text}', which is not an http or https address.");
        }

        if (address.Port <= 0)
        {
            throw new ControlPlaneException(ControlPlaneFailure.Malformed, $"{section.Path} is '{text}', which has no port.");
        }

        var securities = address.Scheme switch
        {
            "https" => (InstanceSecurity[])[InstanceSecurity.Tls],
            "http" => [InstanceSecurity.Plaintext],
            _ => [InstanceSecurity.Tls, InstanceSecurity.Plaintext],
        };
        instances.Add(new ServiceInstance
        {
            Id = new InstanceId(section.Path),
            Service = service,
            ExpectedService = service,
            Endpoints = EquatableArray.From(
                securities.Select(security => new InstanceEndpoint(name, address.IdnHost, address.Port, security))),
            PlaintextAllowed = true,
        });
    }
}
