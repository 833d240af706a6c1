using System.Net;
using MeshClient.Configuration;
using MeshClient.Dialing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace MeshClient.Forwarders;

/// <summary>Runs the forwarders of <see cref="MeshOptions.Forwards"/>, for as long as the host runs.</summary>
/// <remarks>Takes nothing but the container, so that it is made without reading options, which the host checks later.</remarks>
internal sealed class ForwarderHostedService(IServiceProvider services) : IHostedService, IAsyncDisposable
{
    private readonly Dictionary<string, LocalForwarder> _forwarders = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Where the forwarder of a service listens.</summary>
    public IPEndPoint EndPointOf(string service) => _forwarders[service].EndPoint;

    /// <summary>How many connections the forwarder of a service is handing on.</summary>
    public int OpenOf(string service) => _forwarders[service].Open;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        foreach (var (service, options) in services.GetRequiredService<IOptions<MeshOptions>>().Value.Forwards)
        {
            var forwarder = new LocalForwarder(
                service,
                options,
                services.GetRequiredService<IMeshDialer>(),
                services.GetRequiredService<TimeProvider>(),
                services.GetRequiredService<ILogger<LocalForwarder>>());
            _forwarders.Add(service, forwarder);
            forwarder.Start();
        }

        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) =>
        Task.WhenAll(_forwarders.Values.Select(forwarder => forwarder.StopAsync(cancellationToken)));

    public async ValueTask DisposeAsync()
    {
        foreach (var forwarder in _forwarders.Values)
        {
            await forwarder.DisposeAsync().ConfigureAwait(false);
        }

        _forwarders.Clear();
    }
}
