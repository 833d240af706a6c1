using MeshClient.Server.Tests.Support;

namespace MeshClient.Server.Tests.Api;

/// <summary>User events.</summary>
public sealed class EventApiTests
{
    [Fact]
    public async Task Fire_ThenList_GivesTheLatest256InOrder()
    {
        await using var server = await TestServer.StartAsync();
        Assert.Equal(("[]", 1UL), ((await server.GetAsync("/v1/event/list")).Body, (await server.GetAsync("/v1/event/list")).Index));
        await server.RegisterAsync("web", more: ""","Tags":["v1"]""");
        await server.MustPutAsync("/v1/event/fire/elsewhere?node=n2");
        await server.MustPutAsync("/v1/event/fire/elsewhere?service=orders");
        await server.MustPutAsync("/v1/event/fire/elsewhere?service=w.b&tag=v2");
        var fired = (await server.PutAsync("/v1/event/fire/deploy?service=w.b&tag=v1&node=n", "payload1")).Json;
        Assert.Equal(("cGF5bG9hZDE=", "w.b", 0), (fired.GetProperty("Payload").GetString(), fired.GetProperty("ServiceFilter").GetString(), fired.GetProperty("LTime").GetInt32()));
        for (var i = 0; i < 256; i++)
        {
            await server.MustPutAsync($"/v1/event/fire/e{i % 2}");
        }

        var list = (await server.GetAsync("/v1/event/list")).Json;
        Assert.Equal(256, list.GetArrayLength());
        Assert.Equal(Enumerable.Range(3, 256), list.EnumerateArray().Select(entry => entry.GetProperty("LTime").GetInt32()));
        Assert.Equal(128, (await server.GetAsync("/v1/event/list?name=e0")).Json.GetArrayLength());
    }

    [Fact]
    public async Task List_WithTheIndexOfNow_WaitsForTheNextEvent()
    {
        await using var server = await TestServer.StartAsync();
        await server.MustPutAsync("/v1/event/fire/one");
        var parked = await server.ParkAsync("/v1/event/list", (await server.GetAsync("/v1/event/list")).Index);
        await server.MustPutAsync("/v1/event/fire/two");
        Assert.Equal(2, (await parked).Json.GetArrayLength());
    }

    [Theory]
    [InlineData("/v1/event/fire/", "Missing name")]
    [InlineData("/v1/event/fire/x?tag=v1", "Cannot provide tag filter without service filter")]
    [InlineData("/v1/event/fire/x?node=%5B", "Invalid node filter: error parsing regexp: `[`")]
    public async Task Fire_OfAWrongOne_IsRefused(string path, string text)
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.PutAsync(path);
        Assert.Equal((400, text), ((int)answer.Status, answer.Body));
        Assert.Equal(400, (int)(await server.PutAsync("/v1/event/fire/big", new string('x', 600))).Status);
    }
}
