using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json;
using MeshClient.Consul.Tests.Fakes;
using MeshClient.TestSupport;

namespace MeshClient.Consul.Tests.Peers;

/// <summary>
/// gRPC checks against a gRPC server that is not ours: what our server and a real Consul say of it is the same. Skipped, with
/// the reason, where python3-grpcio cannot be had, and failing there when peers are required.
/// </summary>
public sealed class GrpcHealthTests(RunningMeshServer server, RealConsul consul) : IClassFixture<RunningMeshServer>, IClassFixture<RealConsul>
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public Task GrpcChecks_OfMeshServer_SayWhatThePeerAnswers() => RunAsync(server.Address);

    [Fact]
    public Task GrpcChecks_OfConsul_SayTheSame() => RunAsync(consul.Address);

    private static async Task RunAsync(Uri address)
    {
        var (python, whyNot) = await PeerScript.RunAsync("get-grpc-peers.sh", "python");
        if (python is null)
        {
            var required = Environment.GetEnvironmentVariable("MESHCLIENT_REQUIRE_PEERS") == "1"
                || Environment.GetEnvironmentVariable("MESHCLIENT_REQUIRE_CONSUL") == "1";
            Assert.False(required, $"A gRPC peer is required and cannot be had: {whyNot}");
            Assert.Skip($"No gRPC peer: {whyNot}");
        }

        var script = Path.Combine(AppContext.BaseDirectory, "Peers", "python_grpc_health.py");
        using var peer = Process.Start(new ProcessStartInfo(python, [script]) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        try
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
            limit.CancelAfter(Limit);
            var target = $"127.0.0.1:{await peer.StandardOutput.ReadLineAsync(limit.Token)}";
            using var http = new HttpClient { BaseAddress = address };
            var registration = new
            {
                Name = "grpc-peer",
                Checks = new object[]
                {
                    new { CheckID = "g-good", GRPC = target + "/good", Interval = "1s" },
                    new { CheckID = "g-bad", GRPC = target + "/bad", Interval = "1s", Status = "passing" },
                    new { CheckID = "g-unknown", GRPC = target + "/other", Interval = "1s", Status = "passing" },
                },
            };
            using var registered = await http.PutAsJsonAsync("/v1/agent/service/register", registration, (JsonSerializerOptions?)null, limit.Token);
            registered.EnsureSuccessStatusCode();
            string[] expected =
            [
                "g-bad critical gRPC application didn't report service healthy",
                $"g-good passing gRPC check {target}/good: success",
                "g-unknown critical rpc error: code = NotFound desc = unknown service",
            ];
            string[] found;
            do
            {
                await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, limit.Token);
                using var checks = JsonDocument.Parse(await http.GetStringAsync("/v1/agent/checks", limit.Token));
                found = [.. checks.RootElement.EnumerateObject()
                    .Where(check => check.Name.StartsWith("g-", StringComparison.Ordinal))
                    .Select(check => $"{check.Name} {check.Value.GetProperty("Status")} {check.Value.GetProperty("Output")}")
                    .Order(StringComparer.Ordinal)];
            }
            while (!found.SequenceEqual(expected));
        }
        finally
        {
            peer.StandardInput.Close();
            if (!peer.WaitForExit(TimeSpan.FromSeconds(5)))
            {
                peer.Kill(entireProcessTree: true);
            }
        }
    }
}
