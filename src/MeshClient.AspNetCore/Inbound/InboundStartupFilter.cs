using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Listener;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace MeshClient.AspNetCore.Inbound;

/// <summary>
/// Puts the inbound stages before everything the app builds, wherever in its start-up it asked for them. The host calls it
/// after it knows the server's URLs and before the server binds, so the listener is added here too.
/// </summary>
/// <remarks>Takes nothing but the container, for the reason given at <see cref="InboundHostedService"/>.</remarks>
internal sealed class InboundStartupFilter(IServiceProvider services) : IStartupFilter
{
    public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
    {
        if (services.GetRequiredService<IOptions<MeshInboundOptions>>().Value.Enabled)
        {
            services.GetRequiredService<MeshListener>().Add();
            services.GetRequiredService<InboundPipeline>().AddTo(app);
        }

        next(app);
    };
}
