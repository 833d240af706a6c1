using MeshClient.AspNetCore.Authorization;
using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Connections;
using MeshClient.AspNetCore.Endpoints;
using MeshClient.AspNetCore.Registration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace MeshClient.AspNetCore.Inbound;

/// <summary>
/// What the host starts and stops: the inbound side before the server binds, the registration once it has, the drain before
/// it closes.
/// </summary>
/// <remarks>
/// Takes nothing but the container: the host makes its services before it validates options, and one that reads them while
/// being made would report the mistakes of its own section and hide those of the others.
/// </remarks>
internal sealed class InboundHostedService(IServiceProvider services) : IHostedLifecycleService
{
    public Task StartingAsync(CancellationToken cancellationToken) =>
        services.GetRequiredService<InboundStartup>().WaitUntilReadyAsync(cancellationToken);

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public async Task StartedAsync(CancellationToken cancellationToken)
    {
        services.GetRequiredService<ExemptEndpoints>().WarnOfUnknownNames();
        if (services.GetRequiredService<IOptions<MeshInboundOptions>>().Value.Enabled)
        {
            // Not before: the server's start has put the app's endpoints together.
            services.GetRequiredService<EndpointRules>().Validate();
            services.GetRequiredService<ResultHandlerCheck>().WarnIfReplaced();
        }

        // Before the registration: nobody is to be sent to a program that is not there.
        await services.GetRequiredService<ExposedTarget>().StartAsync(cancellationToken).ConfigureAwait(false);
        services.GetRequiredService<MeshRegistration>().Begin();
    }

    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        await services.GetRequiredService<MeshRegistration>().EndAsync(cancellationToken).ConfigureAwait(false);
        await services.GetRequiredService<ConnectionGuard>().EndAllAsync(cancellationToken).ConfigureAwait(false);
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
