using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.Intentions;
using MeshClient.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace MeshClient.AspNetCore.Tests.Inbound;

/// <summary>Permissions on requests against what callers may try: what is matched is what the app sees.</summary>
public sealed class PermissionTests
{
    // Everything but /admin is open.
    private static readonly IntentionPermission[] AllButAdmin =
    [
        new() { Action = IntentionAction.Deny, PathPrefix = "/admin" },
        new() { Action = IntentionAction.Allow, PathPrefix = "/" },
    ];

    // Nothing but /public is open.
    private static readonly IntentionPermission[] OnlyPublic = [new() { Action = IntentionAction.Allow, PathPrefix = "/public/" }];

    [Theory]
    [InlineData("GET /admin/keys")]
    [InlineData("GET /ADMIN/keys")]
    [InlineData("GET /aDmin/keys/")]
    [InlineData("GET /public/../admin/keys")]
    [InlineData("GET /public/%2e%2e/admin/keys")]
    [InlineData("GET /./admin/keys")]
    [InlineData("GET /%61dmin/keys")]
    [InlineData("GET http://orders/admin/keys")]
    [InlineData("GET /admin/keys?x=/public/")]
    [InlineData("GET /admin%2fkeys")]
    [InlineData("get /admin/keys")]
    public async Task Request_ForWhatIsDenied_NeverReachesIt(string requestLine)
    {
        await using var host = await StartAsync(AllButAdmin);

        var (status, text) = await RawCaller.SendAsync(host, "web", requestLine);

        Assert.Equal(403, status);
        Assert.Contains("web-rule#1", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GET /admin/keys")]
    [InlineData("GET /admin/keys/")]
    [InlineData("GET /Admin/Keys")]
    public async Task Request_ForAPathDeniedExactlyOrByExpression_NeverReachesIt(string requestLine)
    {
        foreach (var denial in new IntentionPermission[]
        {
            new() { Action = IntentionAction.Deny, PathExact = "/admin/keys" },
            new() { Action = IntentionAction.Deny, PathExact = "/admin/keys/" },
            new() { Action = IntentionAction.Deny, PathRegex = "/admin/k[a-z]+" },
        })
        {
            await using var host = await StartAsync([denial, new() { Action = IntentionAction.Allow }]);

            Assert.Equal(403, (await RawCaller.SendAsync(host, "web", requestLine)).Status);
        }
    }

    [Theory]
    [InlineData("GET //admin/keys")]
    [InlineData("GET /public%2f..%2fadmin/keys")]
    [InlineData("GET /public/..%2fadmin/keys")]
    [InlineData("GET /%2e%2e%2fadmin/keys")]
    [InlineData("GET /admi%256e/keys")]
    [InlineData("OPTIONS *")]
    public async Task Request_ThatOnlyLooksLikeWhatIsDenied_DoesNotReachItEither(string requestLine)
    {
        await using var host = await StartAsync(AllButAdmin);

        var (_, text) = await RawCaller.SendAsync(host, "web", requestLine);

        Assert.DoesNotContain("the keys", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GET /public/%2e%2e/admin/keys")]
    [InlineData("GET /public/../admin/keys")]
    [InlineData("GET /PUBLIC/../admin/keys")]
    [InlineData("GET /PUBLIC/page")]
    [InlineData("GET /admin/keys")]
    [InlineData("GET /public")]
    [InlineData("GET //public/page")]
    public async Task Request_OutsideWhatIsAllowed_IsDenied(string requestLine)
    {
        await using var host = await StartAsync(OnlyPublic);

        Assert.Equal(403, (await RawCaller.SendAsync(host, "web", requestLine)).Status);
    }

    [Theory]
    [InlineData("GET /public/page")]
    [InlineData("GET /admin/../public/page")]
    [InlineData("GET /pub%6cic/page")]
    public async Task Request_InsideWhatIsAllowed_IsServed(string requestLine)
    {
        await using var host = await StartAsync(OnlyPublic);

        Assert.Equal(200, (await RawCaller.SendAsync(host, "web", requestLine)).Status);
    }

    [Theory]
    [InlineData("GET /items", 200)]
    [InlineData("get /items", 200)]
    [InlineData("POST /items", 403)]
    [InlineData("post /items", 403)]
    [InlineData("GETS /items", 403)]
    public async Task Request_ByMethod_IsDecidedInUpperCase(string requestLine, int status)
    {
        await using var host = await StartAsync([new() { Action = IntentionAction.Allow, Methods = ["GET"] }]);

        Assert.Equal(status, (await RawCaller.SendAsync(host, "web", requestLine)).Status);
    }

    [Theory]
    [InlineData("beta", 200)]
    [InlineData("alpha", 403)]
    [InlineData(null, 403)]
    public async Task Request_ByHeader_IsDecidedByItsValue(string? value, int status)
    {
        await using var host = await StartAsync(
            [new() { Action = IntentionAction.Allow, Headers = [new HeaderMatch("x-channel", HeaderMatchKind.Exact, "beta")] }]);
        using var client = host.CallerFrom("web");
        using var request = new HttpRequestMessage(HttpMethod.Get, "/items");
        if (value is not null)
        {
            request.Headers.Add("X-Channel", value);
        }

        using var response = await client.SendAsync(request, TestContext.Current.CancellationToken);

        Assert.Equal(status, (int)response.StatusCode);
    }

    [Theory]
    [InlineData("X-Role: guest\r\nX-Role: admin", 403)]
    [InlineData("X-Role: admin\r\nx-role: guest", 403)]
    [InlineData("X-Role: guest\r\nX-Role:\r\nX-Role: admin", 403)]
    [InlineData("X-Role: admin", 403)]
    [InlineData("X-Role: guest\r\nX-Role: member", 200)]
    [InlineData("X-Role: guest", 200)]
    public async Task Request_WithADeniedHeaderAmongOthersOfItsName_IsDenied(string headers, int status)
    {
        await using var host = await StartAsync(
        [
            new() { Action = IntentionAction.Deny, Headers = [new HeaderMatch("x-role", HeaderMatchKind.Exact, "admin")] },
            new() { Action = IntentionAction.Allow },
        ]);

        Assert.Equal(status, (await RawCaller.SendAsync(host, "web", "GET /items", headers)).Status);
    }

    private static Task<InboundTestHost> StartAsync(IReadOnlyList<IntentionPermission> permissions)
    {
        var plane = new InMemoryControlPlane();
        plane.SetIntentions(InboundTestHost.Orders, IntentionAction.Deny, new Intention
        {
            Id = "web-rule",
            Source = "web",
            Destination = "orders",
            Permissions = [.. permissions],
        });
        return InboundTestHost.StartAsync(
            map: app =>
            {
                app.MapGet("/admin/keys", () => "the keys");
                app.MapGet("/public/{**rest}", () => "page");
                app.Map("/items", () => "items");
                app.MapFallback((HttpContext context) => $"fallback {context.Request.Path}");
            },
            controlPlane: plane);
    }
}
