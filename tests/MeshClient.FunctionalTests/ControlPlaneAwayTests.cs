using System.Net;
using MeshClient.Server;

namespace MeshClient.FunctionalTests;

/// <summary>What becomes of calls, allowed and denied, when the control plane is gone.</summary>
public sealed class ControlPlaneAwayTests
{
    [Fact]
    public async Task Call_AfterTheRegistryIsGone_IsDecidedByTheLastRules()
    {
        var server = new MeshServer(new MeshServerOptions { ListenAddress = new Uri("http://127.0.0.1:0") });
        await server.StartAsync(MeshHosts.Cancellation);
        await using var mesh = new MeshHosts(server.Address!);
        await mesh.SetIntentionAsync(mesh.Web, mesh.Orders, "allow");
        await mesh.StartOrdersAsync(1);
        await mesh.WaitForHealthyAsync(1);
        var web = await mesh.StartWebAsync();
        var stranger = await mesh.StartWebAsync(KeyValuePair.Create<string, string?>("Mesh:Service", "stranger"));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(web));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(stranger));

        await server.DisposeAsync();

        for (var i = 0; i < 50; i++)
        {
            Assert.Equal(HttpStatusCode.OK, await StatusAsync(web));
            Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(stranger));
        }
    }

    private static async Task<HttpStatusCode> StatusAsync(HttpClient client)
    {
        using var response = await client.GetAsync(new Uri("/", UriKind.Relative), MeshHosts.Cancellation);
        return response.StatusCode;
    }
}
