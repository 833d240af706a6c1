using System.Diagnostics;
using MeshClient.Consul.Tests.Fakes;
using MeshClient.TestSupport;

namespace MeshClient.Consul.Tests.Peers;

/// <summary>
/// python-consul, a client that is not ours, against our server and against the original: what its users rely on. Where it
/// cannot be had, the tests are reported as skipped, with the reason; with <c>MESHCLIENT_REQUIRE_PEERS=1</c> or
/// <c>MESHCLIENT_REQUIRE_CONSUL=1</c> they fail.
/// </summary>
public sealed class PythonConsulTests(RunningMeshServer server, RealConsul consul) : IClassFixture<RunningMeshServer>, IClassFixture<RealConsul>
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(90);

    [Theory]
    [InlineData("agent")]
    [InlineData("catalog")]
    [InlineData("health")]
    [InlineData("status")]
    [InlineData("kv")]
    [InlineData("session")]
    public async Task Section_AgainstMeshServer_WorksAsItsUsersRelyOn(string section)
    {
        await SkipUnlessServedAsync(section);
        await RunAsync(server.Address, section);
    }

    [Fact]
    public Task AllSections_AgainstConsul_WorkAsItsUsersRelyOn() =>
        RunAsync(consul.Address, "agent", "catalog", "health", "status", "kv", "session");

    private async Task SkipUnlessServedAsync(string section)
    {
        if (section is "kv" or "session")
        {
            using var http = new HttpClient { BaseAddress = server.Address };
            using var request = new HttpRequestMessage(HttpMethod.Options, section == "kv" ? "/v1/kv/x" : "/v1/session/list");
            using var response = await http.SendAsync(request, TestContext.Current.CancellationToken);
            Assert.SkipUnless(response.IsSuccessStatusCode, $"the server has no {section} yet");
        }
    }

    private static async Task RunAsync(Uri address, params string[] sections)
    {
        var (python, whyNot) = await PeerScript.RunAsync("get-grpc-peers.sh", "python-consul");
        if (python is null)
        {
            var required = Environment.GetEnvironmentVariable("MESHCLIENT_REQUIRE_PEERS") == "1"
                || Environment.GetEnvironmentVariable("MESHCLIENT_REQUIRE_CONSUL") == "1";
            Assert.False(required, $"python-consul is required and cannot be had: {whyNot}");
            Assert.Skip($"No python-consul: {whyNot}");
        }

        var script = Path.Combine(AppContext.BaseDirectory, "Peers", "python_consul.py");
        var start = new ProcessStartInfo(python, [script, address.Host, $"{address.Port}", .. sections])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(Limit);
        var output = process.StandardOutput.ReadToEndAsync(limit.Token);
        var errors = process.StandardError.ReadToEndAsync(limit.Token);
        try
        {
            await process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }

        Assert.True(process.ExitCode == 0, $"{await output}{await errors}");
        Assert.Equal(sections.Select(section => $"done: {section}"), (await output).Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }
}
