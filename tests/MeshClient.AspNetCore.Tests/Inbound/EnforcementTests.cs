using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using MeshClient.AspNetCore.Inbound;
using MeshClient.AspNetCore.Peers;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.ControlPlane;
using MeshClient.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace MeshClient.AspNetCore.Tests.Inbound;

public sealed class EnforcementTests
{
    private static readonly Version[] Versions = [HttpVersion.Version11, HttpVersion.Version20];

    public static TheoryData<string> HttpVersions => [.. Versions.Select(version => version.ToString())];

    [Theory]
    [MemberData(nameof(HttpVersions))]
    public async Task Request_AllowedByIntention_IsServed(string version)
    {
        await using var host = await InboundTestHost.StartAsync();
        host.ControlPlane.Allow("web", "orders");
        using var client = host.CallerFrom("web");

        await Eventually.HoldsAsync(async () => (await client.GetAsync("/hello", TestContext.Current.CancellationToken)).IsSuccessStatusCode);
        using var response = await client.SendAsync(Get("/hello", version), TestContext.Current.CancellationToken);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(Version.Parse(version), response.Version);
        Assert.Equal("hello", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    [Theory]
    [MemberData(nameof(HttpVersions))]
    public async Task Request_DeniedByIntention_GetsProblemThatNamesTheRule(string version)
    {
        using var plane = new InMemoryControlPlane();
        plane.SetDefaultAction(MeshClient.Core.Intentions.IntentionAction.Allow);
        plane.Deny("web", "orders");
        await using var host = await InboundTestHost.StartAsync(controlPlane: plane);
        using var client = host.CallerFrom("web");

        using var response = await client.SendAsync(Get("/hello?secret=1", version), TestContext.Current.CancellationToken);

        Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        using var problem = JsonDocument.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.Equal("web->orders", problem.RootElement.GetProperty("rule").GetString());
        Assert.Equal("web", problem.RootElement.GetProperty("source").GetString());
        Assert.Equal("orders", problem.RootElement.GetProperty("destination").GetString());
        Assert.Contains("web->orders", problem.RootElement.GetProperty("detail").GetString(), StringComparison.Ordinal);
        var line = Assert.Single(host.Logs.Of(101));
        Assert.Contains("web to orders by rule web->orders: GET /hello", line.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", line.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/a%0Awarn: all is well", "/a%0Awarn:%20all%20is%20well")]
    [InlineData("/a%0D%0Ab%1B[2J%C2%85%E2%80%A8c", "/a%0D%0Ab%1B%5B2J%C2%85%E2%80%A8c")]
    [InlineData("/a%250Ab", "/a%0Ab")]
    public async Task Request_DeniedWithControlCharactersInItsPath_IsLoggedOnOneLine(string path, string logged)
    {
        await using var host = await InboundTestHost.StartAsync();

        var (status, _) = await RawCaller.SendAsync(host, "web", $"GET {path.Replace(" ", "%20", StringComparison.Ordinal)}");

        Assert.Equal(403, status);
        var line = Assert.Single(host.Logs.Of(101));
        Assert.Contains($"GET {logged}. 0 denials", line.Text, StringComparison.Ordinal);
        Assert.DoesNotContain(line.Text, static c => char.IsControl(c) || c == '\u2028');
    }

    [Fact]
    public async Task Request_DeniedWithALongPath_IsLoggedShort()
    {
        await using var host = await InboundTestHost.StartAsync();

        await RawCaller.SendAsync(host, "web", $"GET /{new string('a', 4000)}");

        Assert.Contains($"GET /{new string('a', 255)}.... 0 denials", Assert.Single(host.Logs.Of(101)).Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("application/grpc")]
    [InlineData("application/grpc+proto")]
    public async Task Request_DeniedFromGrpcCaller_GetsGrpcStatusInHeaders(string contentType)
    {
        await using var host = await InboundTestHost.StartAsync();
        using var client = host.CallerFrom("web");
        using var request = new HttpRequestMessage(HttpMethod.Post, "/orders.Orders/Get")
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent([0, 0, 0, 0, 0]),
        };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue(contentType);

        using var response = await client.SendAsync(request, TestContext.Current.CancellationToken);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("application/grpc", response.Content.Headers.ContentType?.MediaType);
        Assert.Equal("7", Assert.Single(response.Headers.GetValues("grpc-status")));
        Assert.Contains("rule%20default", Assert.Single(response.Headers.GetValues("grpc-message")), StringComparison.Ordinal);
        Assert.Empty(await response.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken));
    }

    [Theory]
    [MemberData(nameof(HttpVersions))]
    public async Task Request_AfterIntentionChanged_IsDecidedAnewOnTheOpenConnection(string version)
    {
        using var plane = new InMemoryControlPlane();
        plane.Allow("web", "orders");
        var connections = new HashSet<string>();
        await using var host = await InboundTestHost.StartAsync(
            map: app => app.MapGet("/hello", (HttpContext context) =>
            {
                lock (connections)
                {
                    connections.Add(context.Connection.Id);
                }

                return "hello";
            }),
            controlPlane: plane);
        using var client = host.CallerFrom("web");
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(client, version));

        plane.Deny("web", "orders");
        await Eventually.HoldsAsync(async () => await StatusAsync(client, version) == HttpStatusCode.Forbidden);
        plane.Allow("web", "orders");
        await Eventually.HoldsAsync(async () => await StatusAsync(client, version) == HttpStatusCode.OK);

        Assert.Single(connections);
    }

    [Fact]
    public async Task Request_WhileControlPlaneIsAway_IsDecidedByLastKnownIntentions()
    {
        using var plane = new InMemoryControlPlane();
        plane.Allow("web", "orders");
        await using var host = await InboundTestHost.StartAsync(controlPlane: plane);
        using var web = host.CallerFrom("web");
        using var other = host.CallerFrom("other");

        plane.FailWith(new ControlPlaneException(ControlPlaneFailure.Unreachable, "gone"));
        await Eventually.HoldsAsync(() => host.Logs.Lines.Any(line => line.Text.Contains("gone", StringComparison.Ordinal)));

        Assert.Equal(HttpStatusCode.OK, await StatusAsync(web));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(other));
    }

    [Fact]
    public async Task Request_BeforeFirstIntentions_IsDeniedUntilTheyArrive()
    {
        using var plane = new InMemoryControlPlane();
        plane.Allow("web", "orders");
        var intentions = new HeldIntentions(plane);
        await using var host = await InboundTestHost.StartAsync(
            controlPlane: plane,
            inbound: options => options.StartTimeout = TimeSpan.FromMilliseconds(500),
            build: builder => Replace<IIntentionSource>(builder, intentions),
            hasIdentity: true);
        using var client = host.CallerFrom("web");

        using (var denied = await client.GetAsync("/hello", TestContext.Current.CancellationToken))
        {
            Assert.Equal(HttpStatusCode.Forbidden, denied.StatusCode);
            Assert.Contains("no-intentions-yet", await denied.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
        }

        Assert.Single(host.Logs.Of(106));
        intentions.Release();
        await Eventually.HoldsAsync(async () => await StatusAsync(client) == HttpStatusCode.OK);
    }

    [Fact]
    public async Task Request_Permitted_ShowsPeerPermitAndPrincipal()
    {
        using var plane = new InMemoryControlPlane();
        plane.Allow("web", "orders");
        await using var host = await InboundTestHost.StartAsync(
            map: app => app.MapGet("/who", (HttpContext context) =>
            {
                var peer = context.Features.Get<IMeshPeerFeature>()!;
                var permit = context.Features.Get<IMeshPermitFeature>()!;
                var user = context.User;
                return string.Join(
                    '|', peer.Service, peer.Datacenter, peer.Id, permit.Rule, user.Identity!.AuthenticationType, user.Identity.Name, user.FindFirst(MeshClaimTypes.SpiffeId)!.Value);
            }),
            controlPlane: plane);
        using var client = host.CallerFrom("web");

        var text = await client.GetStringAsync("/who", TestContext.Current.CancellationToken);

        var id = plane.Authority.IdOf(InboundTestHost.Web);
        Assert.Equal($"web|dc1|{id}|web->orders|Mesh|web|{id}", text);
    }

    [Fact]
    public async Task Request_AnyOutcome_IsCountedBySourceOutcomeAndRule()
    {
        using var plane = new InMemoryControlPlane();
        plane.Allow("web", "orders");
        await using var host = await InboundTestHost.StartAsync(controlPlane: plane);
        var metrics = host.Metrics;
        using var web = host.CallerFrom("web");
        using var other = host.CallerFrom("other");

        await StatusAsync(web);
        await StatusAsync(other);
        await Eventually.HoldsAsync(() => metrics.Of("meshclient.inbound.requests").Count == 2);

        var tags = metrics.Of("meshclient.inbound.requests").Select(one => string.Join('|', one.Tags.OrderBy(tag => tag.Key).Select(tag => tag.Value)));
        Assert.Equal(["orders|denied|default|other", "orders|permitted|web->orders|web"], tags.Order());
        Assert.Equal(0, metrics.Of("meshclient.inbound.active_requests").Sum(one => one.Value));
    }

    internal static void Replace<T>(WebApplicationBuilder builder, T implementation)
        where T : class =>
        Microsoft.Extensions.DependencyInjection.ServiceCollectionServiceExtensions.AddSingleton(builder.Services, implementation);

    private static HttpRequestMessage Get(string path, string version) => new(HttpMethod.Get, path)
    {
        Version = Version.Parse(version),
        VersionPolicy = HttpVersionPolicy.RequestVersionExact,
    };

    private static async Task<HttpStatusCode> StatusAsync(HttpClient client, string version = "1.1")
    {
        using var request = Get("/hello", version);
        using var response = await client.SendAsync(request, TestContext.Current.CancellationToken);
        return response.StatusCode;
    }

    private sealed class HeldIntentions(InMemoryControlPlane plane) : IIntentionSource
    {
        private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Release() => _released.TrySetResult();

        public async Task<Watched<MeshClient.Core.Intentions.IntentionSnapshot>> ReadIntentionsAsync(
            MeshClient.Core.Naming.ServiceName destination, ulong index, CancellationToken cancellationToken)
        {
            await _released.Task.WaitAsync(cancellationToken);
            return await plane.ReadIntentionsAsync(destination, index, cancellationToken);
        }
    }
}
