using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Listener;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Options;

namespace MeshClient.AspNetCore.Inbound;

/// <summary>
/// Puts the inbound stages before everything the app builds, wherever in its start-up it asked for them. The host calls it
/// after it knows the server's URLs and before the server binds, so the listener is added here too.
/// </summary>
internal sealed class InboundStartupFilter(
    IOptions<MeshInboundOptions> options, MeshListener listener, InboundPipeline pipeline) : IStartupFilter
{
    public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
    {
        if (options.Value.Enabled)
        {
            listener.Add();
            pipeline.AddTo(app);
        }

        next(app);
    };
}
