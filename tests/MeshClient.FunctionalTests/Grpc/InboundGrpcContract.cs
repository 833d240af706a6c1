using System.Text.Json;

namespace MeshClient.FunctionalTests.Grpc;

/// <summary>A gRPC client of another make, which knows nothing of the mesh but its certificates, at the mesh listener.</summary>
public abstract class InboundGrpcContract(PeerRuntime runtime)
{
    private static readonly JsonSerializerOptions Names = new(JsonSerializerDefaults.Web);

    [Fact]
    public async Task Unary_Allowed_IsServedAndTheAppKnowsTheCaller()
    {
        await using var app = await ServingApp.StartAsync(runtime, plane => plane.Allow("web", "orders"));

        var result = await CallAsync(app, "unary hello");

        Assert.Equal((0, string.Empty), (result.Code, result.Details));
        Assert.Equal("5 bytes: hello", Assert.Single(result.Messages));
        Assert.EndsWith("/svc/web", result.Trailers["caller"], StringComparison.Ordinal);
        // The client gives each call 20 s.
        Assert.InRange(double.Parse(result.Trailers["time-left"], System.Globalization.CultureInfo.InvariantCulture), 1, 20_000);
    }

    [Fact]
    public async Task Unary_OfAMegabyte_IsServed()
    {
        await using var app = await ServingApp.StartAsync(runtime, plane => plane.Allow("web", "orders"));

        var result = await CallAsync(app, "large 1048576");

        Assert.Equal((0, "1048576 bytes: xxxxxxxxxxxxxxxxxxxx"), (result.Code, Assert.Single(result.Messages)));
    }

    [Fact]
    public async Task BothWays_EachAnsweredBeforeTheNextIsSent_IsServed()
    {
        await using var app = await ServingApp.StartAsync(runtime, plane => plane.Allow("web", "orders"));

        var result = await CallAsync(app, "pingpong 20");

        Assert.Equal(0, result.Code);
        Assert.Equal(Enumerable.Range(1, 20).Select(i => $"pong {i}"), result.Messages);
    }

    [Fact]
    public async Task BothWays_TheCallerGivesUp_TheAppNotices()
    {
        await using var app = await ServingApp.StartAsync(runtime, plane => plane.Allow("web", "orders"));

        var result = await CallAsync(app, "cancel");

        Assert.Equal((1, "1"), (result.Code, Assert.Single(result.Messages)));
        await app.Aborted;
    }

    [Theory]
    [InlineData("unary hello")]
    [InlineData("large 1048576")]
    [InlineData("pingpong 3")]
    public async Task Call_Denied_IsPermissionDeniedByTheRuleNamed(string command)
    {
        await using var app = await ServingApp.StartAsync(runtime, plane => plane.Deny("web", "orders"));

        var result = await CallAsync(app, command);

        Assert.Equal(7, result.Code);
        Assert.Contains("web may not call orders this way (rule web->orders).", result.Details, StringComparison.Ordinal);
        Assert.Empty(result.Messages);
        Assert.Empty(app.Calls);
    }

    [Fact]
    public async Task Call_NothingSaid_IsPermissionDeniedByDefault()
    {
        await using var app = await ServingApp.StartAsync(runtime);

        var result = await CallAsync(app, "unary hello");

        Assert.Equal(7, result.Code);
        Assert.Contains("(rule default)", result.Details, StringComparison.Ordinal);
        Assert.Empty(app.Calls);
    }

    [Fact]
    public async Task Call_TheIntentionChanges_HoldsForTheNextCallOfTheSameConnection()
    {
        await using var app = await ServingApp.StartAsync(runtime);
        var codes = new List<int>();
        for (var i = 1; i <= 4; i++)
        {
            await app.ChangeAsync(plane =>
            {
                if (i % 2 == 1)
                {
                    plane.Allow("web", "orders");
                }
                else
                {
                    plane.Deny("web", "orders");
                }
            });
            codes.Add((await CallAsync(app, "unary hello", i)).Code);
        }

        Assert.Equal([0, 7, 0, 7], codes);
        Assert.Equal(2, app.Calls.Count);
    }

    [Fact]
    public async Task BothWays_ThePermitIsWithdrawn_IsPermissionDenied()
    {
        await using var app = await ServingApp.StartAsync(runtime, plane => plane.Allow("web", "orders"));
        await app.Client.TellAsync("hang");
        await MeshHosts.WaitUntilAsync(() => Task.FromResult(app.Calls.Count == 1));

        await app.ChangeAsync(plane => plane.Deny("web", "orders"));

        var result = JsonSerializer.Deserialize<Result>(await app.Client.HearAsync("result", 1), Names)!;
        Assert.Equal(7, result.Code);
        await app.Aborted;
    }

    [Fact]
    public async Task Call_WithoutACertificate_IsUnavailable()
    {
        await using var app = await ServingApp.StartAsync(runtime, plane => plane.Allow("*", "orders"), withCertificate: false);

        var result = await CallAsync(app, "unary hello");

        Assert.Equal(14, result.Code);
        Assert.Empty(result.Messages);
        Assert.Empty(app.Calls);
    }

    private static async Task<Result> CallAsync(ServingApp app, string command, int number = 1)
    {
        await app.Client.TellAsync(command);
        return JsonSerializer.Deserialize<Result>(await app.Client.HearAsync("result", number), Names)!;
    }

    private sealed record Result(int Code, string Details, string[] Messages, Dictionary<string, string> Trailers);
}

/// <summary>By a grpc-js client.</summary>
public sealed class GrpcJsClientTests(GrpcJsRuntime runtime) : InboundGrpcContract(runtime), IClassFixture<GrpcJsRuntime>;

/// <summary>By a Python grpcio client.</summary>
public sealed class PythonClientTests(PythonRuntime runtime) : InboundGrpcContract(runtime), IClassFixture<PythonRuntime>;
