using System.Collections.Immutable;
using System.Net.Http.Json;
using System.Text.Json;
using MeshClient.Core;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Discovery;
using MeshClient.Core.Naming;
using MeshClient.Core.Registration;

namespace MeshClient.Consul.Tests.Contract;

/// <summary>
/// What the adapter promises, whatever speaks the Consul API on the other side. Every test uses names of its own, so they
/// can share one registry.
/// </summary>
public abstract partial class ControlPlaneContract : IAsyncLifetime
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    private readonly string _suffix = Guid.NewGuid().ToString("N")[..8];
    private ConsulControlPlane? _plane;
    private HttpClient? _raw;

    /// <summary>A registry that is running and empty but for what other tests left.</summary>
    protected abstract ValueTask<Uri> GetAddressAsync();

    /// <summary>Whether it signs certificate requests, which Consul does not.</summary>
    protected abstract bool SignsRequests { get; }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private ConsulControlPlane Plane => _plane!;

    private HttpClient Raw => _raw!;

    public virtual async ValueTask InitializeAsync()
    {
        var address = await GetAddressAsync();
        _plane = CreatePlane(address, TimeSpan.FromSeconds(15));
        _raw = new HttpClient { BaseAddress = address, Timeout = Limit };
    }

    public virtual ValueTask DisposeAsync()
    {
        _plane?.Dispose();
        _raw?.Dispose();
        GC.SuppressFinalize(this);
        return ValueTask.CompletedTask;
    }

    private static ConsulControlPlane CreatePlane(Uri address, TimeSpan wait) =>
        new(new ConsulOptions { Address = address, Wait = wait }, TimeProvider.System);

    private ConsulControlPlane CreatePlane(TimeSpan wait) => CreatePlane(Raw.BaseAddress!, wait);

    private ServiceName Name(string text) => ServiceName.Parse($"{text}-{_suffix}");

    private static InstanceRegistration Registration(
        ServiceName service, int port = 8080, string copy = "1", InstanceSecurity security = InstanceSecurity.Mesh) => new()
        {
            Id = new InstanceId($"{service}-{copy}"),
            Service = service,
            Endpoints = [new InstanceEndpoint(null, "127.0.0.1", port, security)],
            TimeToLive = TimeSpan.FromSeconds(60),
            DeregisterAfter = TimeSpan.FromMinutes(2),
            Meta = ImmutableSortedDictionary<string, string>.Empty.Add("zone", "a"),
            Tags = ["v1"],
        };

    private Task<T> UntilAsync<T>(Func<ulong, CancellationToken, Task<Watched<T>>> read, Func<T, bool> condition) =>
        UntilAsync(read, condition, Limit);

    /// <summary>Watches from the beginning until a condition holds.</summary>
    private static async Task<T> UntilAsync<T>(
        Func<ulong, CancellationToken, Task<Watched<T>>> read, Func<T, bool> condition, TimeSpan within)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        limit.CancelAfter(within);
        var index = 0UL;
        while (true)
        {
            var watched = await read(index, limit.Token);
            Assert.NotEqual(0UL, watched.Index);
            if (condition(watched.Value))
            {
                return watched.Value;
            }

            index = watched.Index;
        }
    }

    private Task<ServiceSnapshot> UntilInstancesAsync(ServiceName service, Func<ServiceSnapshot, bool> condition) =>
        UntilAsync((index, cancellation) => Plane.ReadInstancesAsync(service, index, cancellation), condition);

    private async Task PutAsync(string path, object? body = null)
    {
        using var response = body is null
            ? await Raw.PutAsync(path, null, Cancellation)
            : await Raw.PutAsJsonAsync(path, body, (JsonSerializerOptions?)null, Cancellation);
        Assert.True(response.IsSuccessStatusCode, $"{path}: {response.StatusCode} {await response.Content.ReadAsStringAsync(Cancellation)}");
    }
}
