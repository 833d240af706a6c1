using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.OpenTelemetry.Tests;

/// <summary>One real call through the mesh, to a service that only the configuration knows.</summary>
internal static class Calls
{
    private static readonly byte[] Answer = Encoding.ASCII.GetBytes("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");

    public static ServiceProvider Services()
    {
        var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var services = new ServiceCollection();
        services.AddSingleton(listener);
        services.AddSingleton<IConfiguration>(new ConfigurationBuilder()
            .AddInMemoryCollection(new Dictionary<string, string?> { ["Services:orders:0"] = $"http://{listener.LocalEndpoint}" })
            .Build());
        services.AddMeshClient();
        return services.BuildServiceProvider();
    }

    public static async Task MakeOneAsync(IServiceProvider services, CancellationToken cancellationToken)
    {
        var serving = ServeOneAsync(services.GetRequiredService<TcpListener>(), cancellationToken);
        using var client = services.GetRequiredService<IHttpClientFactory>().CreateClient();
        Assert.Equal("ok", await client.GetStringAsync(new Uri("http://orders/"), cancellationToken));
        await serving;
    }

    private static async Task ServeOneAsync(TcpListener listener, CancellationToken cancellationToken)
    {
        using var connection = await listener.AcceptTcpClientAsync(cancellationToken);
        await using var stream = connection.GetStream();
        using var reader = new StreamReader(stream, leaveOpen: true);
        while (await reader.ReadLineAsync(cancellationToken) is { Length: > 0 })
        {
        }

        await stream.WriteAsync(Answer, cancellationToken);
    }
}
