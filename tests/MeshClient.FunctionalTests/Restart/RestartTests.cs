using System.Net;

namespace MeshClient.FunctionalTests.Restart;

/// <summary>Everything is restarted while the registry is gone: a service as a process of its own, and those that call it.</summary>
public sealed class RestartTests
{
    [Fact]
    public async Task Restart_RegistryGone_CallsGoOnOverMutualTlsByTheIntentionsThereWere()
    {
        await using var mesh = await RestartMesh.StartAsync();
        await mesh.SetIntentionAsync("web", "allow");
        var before = await mesh.StartServiceAsync();
        await MeshHosts.WaitUntilAsync(async () => await mesh.CountRegisteredAsync() == 1);
        await mesh.StartCallersAsync();
        Assert.Equal((HttpStatusCode.OK, $"{before}"), await mesh.CallAsync("web"));
        Assert.Equal(HttpStatusCode.Forbidden, (await mesh.CallAsync("ops")).Status);

        await mesh.StopRegistryAsync();
        await mesh.StopServiceAsync();
        await mesh.StopCallersAsync();
        var after = await mesh.StartServiceAsync();
        await mesh.StartCallersAsync();

        Assert.NotEqual(before, after);
        Assert.Equal((HttpStatusCode.OK, $"{after}"), await mesh.CallAsync("web"));
        Assert.Equal(HttpStatusCode.Forbidden, (await mesh.CallAsync("ops")).Status);
        for (var i = 0; i < 50; i++)
        {
            Assert.Equal(HttpStatusCode.OK, (await mesh.CallAsync("web")).Status);
        }

        // The registry's first word holds, whatever the file says.
        await mesh.StartRegistryAsync();
        await mesh.SetIntentionAsync("web", "deny");
        await MeshHosts.WaitUntilAsync(async () => (await mesh.CallAsync("web")).Status == HttpStatusCode.Forbidden);
    }
}
