using MeshClient.Core.ControlPlane;
using MeshClient.Core.Discovery;
using MeshClient.Core.Identity;
using MeshClient.Core.Intentions;
using MeshClient.Core.Naming;
using MeshClient.Core.Registration;
using Microsoft.Extensions.Logging;
#pragma warning disable
namespace MeshClient.Consul;
public sealed class ConsulOptions { public Uri Address {get;set;} public string? Token {get;set;} public string? Datacenter {get;set;} public int MaxParkedQueries {get;set;} }
public static class ConsulAddress { public static Uri Parse(string s) => new(s); }
public sealed class ConsulControlPlane(ConsulOptions options, TimeProvider t, ILogger<ConsulControlPlane>? l) : IInstanceSource, IIntentionSource, ITrustBundleSource, ILeafCertificateSource, IServiceRegistrar, IDisposable
{
    public Task<Watched<ServiceSnapshot>> ReadInstancesAsync(ServiceName service, ulong index, CancellationToken cancellationToken) => throw new NotImplementedException();
    public Task<Watched<IntentionSnapshot>> ReadIntentionsAsync(ServiceName destination, ulong index, CancellationToken cancellationToken) => throw new NotImplementedException();
    public Task<Watched<TrustBundle>> ReadTrustBundleAsync(ulong index, CancellationToken cancellationToken) => throw new NotImplementedException();
    public Task<Watched<LeafCertificate>> ReadLeafAsync(ServiceName service, ulong index, CancellationToken cancellationToken) => throw new NotImplementedException();
    public Task RegisterAsync(InstanceRegistration registration, CancellationToken cancellationToken) => throw new NotImplementedException();
    public Task<HeartbeatResult> BeatAsync(InstanceId instance, string note, CancellationToken cancellationToken) => throw new NotImplementedException();
    public Task SetMaintenanceAsync(InstanceId instance, bool enabled, string reason, CancellationToken cancellationToken) => throw new NotImplementedException();
    public Task DeregisterAsync(InstanceId instance, CancellationToken cancellationToken) => throw new NotImplementedException();
    public void Dispose() { }
}
