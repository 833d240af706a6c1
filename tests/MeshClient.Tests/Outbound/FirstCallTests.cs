using System.Net;
using MeshClient.Tests.Support;
using Microsoft.AspNetCore.Http;

namespace MeshClient.Tests.Outbound;

public sealed class FirstCallTests
{
    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_ServiceByName_ArrivesOverMutualTlsAndHttp2()
    {
        await using var env = new MeshTestEnvironment();
        var peer = await env.StartAsync("orders", context => context.Response.WriteAsync($"{context.Request.Protocol} {context.Request.Host} {context.Request.Scheme}"));

        using var response = await env.Client().GetAsync("http://orders/a/b?c=d", MeshTestEnvironment.Token);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("HTTP/2 orders https", await response.Content.ReadAsStringAsync(MeshTestEnvironment.Token));
        Assert.Equal(env.Authority.IdOf(Core.Naming.ServiceName.Parse("web")), peer.Tls!.LastCaller);
        Assert.Equal("http://orders/a/b?c=d", response.RequestMessage!.RequestUri!.OriginalString);
    }
}
