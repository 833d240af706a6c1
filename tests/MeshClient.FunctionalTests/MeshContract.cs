using System.Net;
using System.Net.Http.Headers;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace MeshClient.FunctionalTests;

/// <summary>The main job, end to end, on whichever control plane: register, discover, mutual TLS, allow and deny, stop, heal.</summary>
public abstract class MeshContract
{
    /// <summary>Where the control plane is.</summary>
    protected abstract Uri Address { get; }

    [Fact]
    public async Task Call_TwoInstancesRegistered_ReachesBothAndProvesTheCaller()
    {
        await using var mesh = new MeshHosts(Address);
        await mesh.SetIntentionAsync(mesh.Web, mesh.Orders, "allow");
        await mesh.StartOrdersAsync(1);
        await mesh.StartOrdersAsync(2);
        await mesh.WaitForHealthyAsync(2);
        var client = await mesh.StartWebAsync();

        var answers = new List<string>();
        for (var i = 0; i < 40; i++)
        {
            answers.Add(await client.GetStringAsync(new Uri("/", UriKind.Relative), MeshHosts.Cancellation));
        }

        Assert.Contains(answers, answer => answer.StartsWith("1 ", StringComparison.Ordinal));
        Assert.Contains(answers, answer => answer.StartsWith("2 ", StringComparison.Ordinal));
        Assert.All(answers, answer => Assert.Matches($"^[12] spiffe://[0-9a-f-]+\\.consul/ns/default/dc/dc1/svc/{mesh.Web}$", answer));
        Assert.Equal("HTTP/2", await client.GetStringAsync(new Uri("/protocol", UriKind.Relative), MeshHosts.Cancellation));
    }

    [Fact]
    public async Task Call_NoIntention_IsDeniedByDefault()
    {
        await using var mesh = new MeshHosts(Address);
        await mesh.StartOrdersAsync(1);
        await mesh.WaitForHealthyAsync(1);
        var client = await mesh.StartWebAsync();

        using var response = await client.GetAsync(new Uri("/", UriKind.Relative), MeshHosts.Cancellation);

        Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
    }

    [Fact]
    public async Task Call_IntentionChanges_AreAppliedToOpenConnections()
    {
        await using var mesh = new MeshHosts(Address);
        await mesh.SetIntentionAsync(mesh.Web, mesh.Orders, "allow");
        await mesh.StartOrdersAsync(1);
        await mesh.WaitForHealthyAsync(1);
        var client = await mesh.StartWebAsync();
        await WaitForStatusAsync(client, HttpStatusCode.OK);

        await mesh.SetIntentionAsync(mesh.Web, mesh.Orders, "deny");
        await WaitForStatusAsync(client, HttpStatusCode.Forbidden);

        await mesh.SetIntentionAsync(mesh.Web, mesh.Orders, "allow");
        await WaitForStatusAsync(client, HttpStatusCode.OK);
    }

    [Fact]
    public async Task Call_IntentionChanges_AreAppliedWithinASecondOfTheirAcknowledgement()
    {
        await using var mesh = new MeshHosts(Address);
        await mesh.SetIntentionAsync(mesh.Web, mesh.Orders, "allow");
        await mesh.StartOrdersAsync(1);
        await mesh.WaitForHealthyAsync(1);
        var client = await mesh.StartWebAsync();
        await WaitForStatusAsync(client, HttpStatusCode.OK);
        var connection = await client.GetStringAsync(new Uri("/connection", UriKind.Relative), MeshHosts.Cancellation);

        var times = new List<TimeSpan>();
        for (var i = 0; i < 6; i++)
        {
            var (action, status) = i % 2 == 0 ? ("deny", HttpStatusCode.Forbidden) : ("allow", HttpStatusCode.OK);
            await mesh.SetIntentionAsync(mesh.Web, mesh.Orders, action);
            var acknowledged = TimeProvider.System.GetTimestamp();
            await WaitForStatusAsync(client, status);
            times.Add(TimeProvider.System.GetElapsedTime(acknowledged));
        }

        TestContext.Current.TestOutputHelper?.WriteLine(string.Join(", ", times.Select(time => $"{time.TotalMilliseconds:F0} ms")));
        // One may meet a machine that is busy with something else.
        Assert.True(times.Order().ElementAt(times.Count - 2) < TimeSpan.FromSeconds(1), string.Join(", ", times));
        Assert.Equal(connection, await client.GetStringAsync(new Uri("/connection", UriKind.Relative), MeshHosts.Cancellation));
    }

    [Fact]
    public async Task Stream_WhosePermitIsWithdrawn_IsEnded()
    {
        await using var mesh = new MeshHosts(Address);
        await mesh.SetIntentionAsync(mesh.Web, mesh.Orders, "allow");
        await mesh.StartOrdersAsync(1);
        await mesh.WaitForHealthyAsync(1);
        var client = await mesh.StartWebAsync();
        await WaitForStatusAsync(client, HttpStatusCode.OK);
        await using var stream = await client.GetStreamAsync(new Uri("/stream", UriKind.Relative), MeshHosts.Cancellation);
        await stream.ReadExactlyAsync(new byte[8], MeshHosts.Cancellation);

        await mesh.SetIntentionAsync(mesh.Web, mesh.Orders, "deny");

        var buffer = new byte[256];
        await Assert.ThrowsAnyAsync<Exception>(async () =>
        {
            while (await stream.ReadAsync(buffer, MeshHosts.Cancellation) > 0)
            {
            }
        }).WaitAsync(TimeSpan.FromSeconds(15), TimeProvider.System, MeshHosts.Cancellation);
    }

    [Fact]
    public async Task Call_InstanceStopsUnderLoad_NoCallFailsAndItLeavesTheRegistry()
    {
        await using var mesh = new MeshHosts(Address);
        await mesh.SetIntentionAsync(mesh.Web, mesh.Orders, "allow");
        var leaving = await mesh.StartOrdersAsync(1);
        await mesh.StartOrdersAsync(2);
        await mesh.WaitForHealthyAsync(2);
        await using var calls = new SteadyCalls(await mesh.StartWebAsync());
        await calls.WaitForMoreAsync(200);

        await leaving.StopAsync(MeshHosts.Cancellation);
        await calls.WaitForMoreAsync(200);

        Assert.Empty(await calls.StopAsync());
        Assert.Equal(1, await mesh.CountListedAsync());
    }

    [Theory]
    [InlineData("/orders/7/cancel", false, 2)]
    [InlineData("/orders", false, 1)]
    [InlineData("/pkg.Orders/Cancel", true, 2)]
    [InlineData("/pkg.Orders/Place", true, 1)]
    public async Task Post_TheInstanceFails_IsRepeatedElsewhereWhenTheServiceHasMarkedTheEndpoint(string path, bool isGrpc, int expected)
    {
        await using var mesh = new MeshHosts(Address);
        await mesh.SetIntentionAsync(mesh.Web, mesh.Orders, "allow");
        var served = new List<int>();
        await mesh.StartOrdersAsync(1, map: app => MapFailingAtFirst(app, 1, served, isMarked: true));
        await mesh.StartOrdersAsync(2, map: app => MapFailingAtFirst(app, 2, served, isMarked: true));
        await mesh.WaitForHealthyAsync(2);
        var client = await mesh.StartWebAsync();

        Assert.Equal(expected == 2, await SucceedsAsync(client, path, isGrpc));
        Assert.Equal(expected, served.Count);
        Assert.Equal(expected, served.Distinct().Count());
    }

    [Fact]
    public async Task Post_AnInstanceOfAnOlderVersionRuns_IsRepeatedOnlyOnceThatHasLeft()
    {
        await using var mesh = new MeshHosts(Address);
        await mesh.SetIntentionAsync(mesh.Web, mesh.Orders, "allow");
        var served = new List<int>();
        var old = await mesh.StartOrdersAsync(1, map: app => MapFailingAtFirst(app, 1, served, isMarked: false));
        await mesh.StartOrdersAsync(2, map: app => MapFailingAtFirst(app, 2, served, isMarked: true));
        await mesh.StartOrdersAsync(3, map: app => MapFailingAtFirst(app, 3, served, isMarked: true));
        await mesh.WaitForHealthyAsync(3);
        var client = await mesh.StartWebAsync();

        for (var i = 0; i < 5; i++)
        {
            served.Clear();
            Assert.False(await SucceedsAsync(client, "/orders/7/cancel", isGrpc: false));
            Assert.Single(served);
        }

        await old.StopAsync(MeshHosts.Cancellation);
        served.Clear();

        await MeshHosts.WaitUntilAsync(async () =>
        {
            served.Clear();
            return await SucceedsAsync(client, "/orders/7/cancel", isGrpc: false);
        });
        Assert.Equal(2, served.Count);
        Assert.DoesNotContain(1, served);
    }

    // Calls are made one at a time, and each fails where it comes first.
    private static void MapFailingAtFirst(WebApplication app, int number, List<int> served, bool isMarked)
    {
        Map("/orders", false);
        Map("/orders/{id:int}/cancel", isMarked);
        Map("/pkg.Orders/Cancel", isMarked);
        Map("/pkg.Orders/Place", false);

        void Map(string route, bool marked)
        {
            var endpoint = app.MapPost(route, context =>
            {
                served.Add(number);
                var fails = served.Count == 1;
                if (context.Request.ContentType == "application/grpc")
                {
                    context.Response.ContentType = "application/grpc";
                    context.Response.Headers["grpc-status"] = fails ? "14" : "0";
                }
                else
                {
                    context.Response.StatusCode = fails ? StatusCodes.Status503ServiceUnavailable : StatusCodes.Status200OK;
                }

                return Task.CompletedTask;
            });
            if (marked)
            {
                endpoint.AsIdempotent();
            }
        }
    }

    private static async Task<bool> SucceedsAsync(HttpClient client, string path, bool isGrpc)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(path, UriKind.Relative)) { Content = new ByteArrayContent([0, 0, 0, 0, 0]) };
        if (isGrpc)
        {
            request.Version = HttpVersion.Version20;
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        }

        using var response = await client.SendAsync(request, MeshHosts.Cancellation);
        Assert.True(response.StatusCode is HttpStatusCode.OK or HttpStatusCode.ServiceUnavailable, $"{response.StatusCode}");
        return isGrpc ? response.Headers.GetValues("grpc-status").Single() == "0" : response.IsSuccessStatusCode;
    }

    private static Task WaitForStatusAsync(HttpClient client, HttpStatusCode status) => MeshHosts.WaitUntilAsync(async () =>
    {
        using var response = await client.GetAsync(new Uri("/", UriKind.Relative), MeshHosts.Cancellation);
        return response.StatusCode == status;
    });
}
