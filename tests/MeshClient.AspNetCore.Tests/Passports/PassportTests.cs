using System.Net;
using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Inbound;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.Intentions;
using MeshClient.Testing;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace MeshClient.AspNetCore.Tests.Passports;

/// <summary>Intentions that ask for users' tokens, verified by the app's own authentication.</summary>
public sealed class PassportTests
{
    private const string Secret = "eyJzZWNyZXQ";

    // Keys take long to make.
    private static readonly SignedTokens Provider = new();
    private static readonly SignedTokens Impostor = new();
    private int _asked;
    private RequestOrigin? _origin;
    private bool _wasIdle;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("RS256")]
    [InlineData("ES256")]
    public async Task Request_WithAVerifiedTokenOfTheProvider_IsServed(string algorithm)
    {
        await using var host = await StartAsync(Ask("okta"));

        Assert.Equal(200, await StatusAsync(host, Provider.Sign(new { sub = "alice" }, algorithm)));
    }

    [Fact]
    public async Task Request_WithoutAGoodToken_IsDenied()
    {
        await using var host = await StartAsync(Ask("okta"));
        var good = Provider.Sign(new { sub = "alice" });

        Assert.Equal(403, await StatusAsync(host, null));
        Assert.Equal(403, await StatusAsync(host, "nonsense"));
        Assert.Equal(403, await StatusAsync(host, Impostor.Sign(new { sub = "alice" })));
        Assert.Equal(403, await StatusAsync(host, good[..^4] + "AAAA"));
        Assert.Equal(403, await StatusAsync(host, Provider.Sign(new { sub = "alice", exp = 1 })));
        Assert.Equal(403, await StatusAsync(host, $"{Encode("{\"alg\":\"none\"}")}.{Encode("{\"sub\":\"alice\"}")}."));
        Assert.Equal(200, await StatusAsync(host, good));

        static string Encode(string text) => System.Buffers.Text.Base64Url.EncodeToString(System.Text.Encoding.UTF8.GetBytes(text));
    }

    [Theory]
    [InlineData("role", "admin", true)]
    [InlineData("role", "Admin", false)]
    [InlineData("groups", "b", true)]
    [InlineData("groups", "c", false)]
    [InlineData("perms/role", "editor", true)]
    [InlineData("perms/deep/list", "y", true)]
    [InlineData("perms/deep", "y", false)]
    [InlineData("perms/many/id", "2", true)]
    [InlineData("level", "7", true)]
    [InlineData("verified", "true", true)]
    [InlineData("name/role", "editor", false)]
    [InlineData("absent", "", false)]
    public async Task Request_ByClaim_IsDecidedByPathAndValue(string path, string value, bool expected)
    {
        await using var host = await StartAsync(Ask("okta", (path, value)));
        var token = Provider.Sign(new
        {
            role = "admin",
            groups = new[] { "a", "b" },
            perms = new { role = "editor", deep = new { list = new[] { "x", "y" } }, many = new[] { new { id = 1 }, new { id = 2 } } },
            level = 7,
            verified = true,
            // What a user may have called himself.
            name = """{"role":"editor"}""",
        });

        Assert.Equal(expected ? 200 : 403, await StatusAsync(host, token));
    }

    [Fact]
    public async Task Request_UnderAPermissionThatAsksForAToken_IsDecidedByIt()
    {
        await using var host = await StartAsync(new Intention
        {
            Id = "rule",
            Source = "web",
            Destination = "orders",
            Permissions =
            [
                new() { Action = IntentionAction.Allow, PathPrefix = "/admin", Jwt = Requirement("okta", ("role", "admin")) },
                new() { Action = IntentionAction.Allow, PathExact = "/hello" },
            ],
        });
        var admin = Provider.Sign(new { role = "admin" });

        Assert.Equal(200, await StatusAsync(host, null));
        Assert.Equal(0, _asked);
        Assert.Equal(403, await StatusAsync(host, null, "/admin"));
        Assert.Equal(403, await StatusAsync(host, Provider.Sign(new { role = "guest" }), "/admin"));
        Assert.Equal(200, await StatusAsync(host, admin, "/admin"));
        Assert.Equal(3, _asked);
    }

    [Fact]
    public async Task Request_UnderADenialForATokensOwner_CannotGetRoundItWithoutTheToken()
    {
        await using var host = await StartAsync(new Intention
        {
            Id = "rule",
            Source = "web",
            Destination = "orders",
            Permissions =
            [
                new() { Action = IntentionAction.Deny, Jwt = Requirement("okta", ("role", "guest")) },
                new() { Action = IntentionAction.Allow },
            ],
        });

        Assert.Equal(403, await StatusAsync(host, Provider.Sign(new { role = "guest" })));
        Assert.Equal(403, await StatusAsync(host, null));
        Assert.Equal(200, await StatusAsync(host, Provider.Sign(new { role = "admin" })));
    }

    [Fact]
    public async Task Provider_WithASchemeOfAnotherName_IsFoundByItsSetting()
    {
        await using var host = await StartAsync(Ask("auth0"), options => options.Passports["auth0"] = "okta");

        Assert.Equal(200, await StatusAsync(host, Provider.Sign(new { sub = "alice" })));
    }

    [Fact]
    public async Task Provider_WithoutAScheme_HasNoTokensAndThatIsSaidOnce()
    {
        await using var host = await StartAsync(Ask("unknown"));

        Assert.Equal(403, await StatusAsync(host, Provider.Sign(new { sub = "alice" })));
        Assert.Equal(403, await StatusAsync(host, Provider.Sign(new { sub = "alice" })));

        Assert.Contains("there is no authentication scheme unknown", Assert.Single(host.Logs.Of(135)).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Provider_InAnAppWithoutAuthentication_HasNoTokens()
    {
        using var plane = new InMemoryControlPlane();
        plane.SetIntentions(InboundTestHost.Orders, IntentionAction.Deny, Ask("okta"));
        await using var host = await InboundTestHost.StartAsync(controlPlane: plane);

        Assert.Equal(403, await StatusAsync(host, Provider.Sign(new { sub = "alice" })));
        Assert.Single(host.Logs.Of(135));
    }

    [Fact]
    public async Task Provider_WhoseHandlerThrows_HasNoTokensAndNoneIsLogged()
    {
        await using var host = await StartAsync(Ask("okta"), failure: new InvalidOperationException($"cannot read {Secret}"));

        Assert.Equal(403, await StatusAsync(host, Secret));

        Assert.Contains("threw InvalidOperationException", Assert.Single(host.Logs.Of(136)).Text, StringComparison.Ordinal);
        Assert.DoesNotContain(host.Logs.Lines, line => line.Text.Contains(Secret, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Request_WhoseUserIsThePeer_HasNoTokenOfAProvider()
    {
        // The mesh's own principal is authenticated; it must not do for a user's.
        await using var host = await StartAsync(Ask("Mesh"));

        Assert.Equal(403, await StatusAsync(host, null));
    }

    [Fact]
    public async Task Stream_WhosePermitAsksForItsTokenAgain_GoesOnWithTheOneItCameWith()
    {
        await using var host = await StartAsync(Ask("okta", ("role", "admin")));
        using var client = host.CallerFrom("web");
        using var request = new HttpRequestMessage(HttpMethod.Get, "/stream");
        request.Headers.Add("Authorization", $"Bearer {Provider.Sign(new { role = "admin" })}");
        using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Token);
        await using var stream = await response.Content.ReadAsStreamAsync(Token);

        // Something else changes: the token still does.
        host.ControlPlane.SetIntentions(InboundTestHost.Orders, IntentionAction.Deny, Ask("okta", ("role", "admin")), Other());
        await Eventually.HoldsAsync(async () => await StatusAsync(host, null, caller: "other") == 200);
        Assert.Equal(1, await stream.ReadAsync(new byte[1], Token).AsTask().Bounded());

        // What is asked for changes: it does not do any more.
        host.ControlPlane.SetIntentions(InboundTestHost.Orders, IntentionAction.Deny, Ask("okta", ("role", "owner")));
        await Assert.ThrowsAnyAsync<Exception>(async () =>
        {
            while (await stream.ReadAsync(new byte[64], Token).AsTask().Bounded() > 0)
            {
            }
        });
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Request_WhileItsTokenIsVerified_KeepsItsConnectionFromBeingTakenForIdle(bool isGood)
    {
        await using var host = await StartAsync(Ask("okta"));

        Assert.Equal(isGood ? 200 : 403, await StatusAsync(host, (isGood ? Provider : Impostor).Sign(new { sub = "alice" })));

        Assert.False(_wasIdle);
        await Eventually.HoldsAsync(() => _origin!.IsIdle);
    }

    private static Intention Other() => new() { Id = "other", Source = "other", Destination = "orders", Action = IntentionAction.Allow };

    private static Intention Ask(string provider, params (string Path, string Value)[] claims) => new()
    {
        Id = "rule",
        Source = "web",
        Destination = "orders",
        Action = IntentionAction.Allow,
        Jwt = Requirement(provider, claims),
    };

    private static JwtRequirement Requirement(string provider, params (string Path, string Value)[] claims) => new(
        [new JwtProviderRequirement(provider, [.. claims.Select(claim => new JwtClaimRequirement([.. claim.Path.Split('/')], claim.Value))])]);

    private static async Task<int> StatusAsync(InboundTestHost host, string? token, string path = "/hello", string caller = "web")
    {
        using var client = host.CallerFrom(caller);
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        if (token is not null)
        {
            request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {token}");
        }

        using var response = await client.SendAsync(request, Token);
        return (int)response.StatusCode;
    }

    private Task<InboundTestHost> StartAsync(Intention rule, Action<MeshInboundOptions>? inbound = null, Exception? failure = null)
    {
        var plane = new InMemoryControlPlane();
        plane.SetIntentions(InboundTestHost.Orders, IntentionAction.Deny, rule);
        return InboundTestHost.StartAsync(
            app =>
            {
                app.MapGet("/hello", () => "hello");
                app.MapGet("/admin", () => "admin");
                app.MapGet("/stream", async (HttpContext context) =>
                {
                    while (true)
                    {
                        await context.Response.Body.WriteAsync("."u8.ToArray(), context.RequestAborted);
                        await context.Response.Body.FlushAsync(context.RequestAborted);
                        await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System, context.RequestAborted);
                    }
                });
            },
            inbound,
            // Two, for a single one would be the app's default, and be asked for every request by the app itself.
            build: builder => builder.Services.AddAuthentication()
                .AddScheme<SignedTokenOptions, SignedTokenHandler>("another", options => options.Tokens = Impostor)
                .AddScheme<SignedTokenOptions, SignedTokenHandler>("okta", options =>
                {
                    options.Tokens = Provider;
                    options.OnAsked = context =>
                    {
                        Interlocked.Increment(ref _asked);
                        _origin = context.Features.GetRequiredFeature<RequestOrigin>();
                        _wasIdle = _origin.IsIdle;
                    };
                    options.Failure = failure;
                }),
            controlPlane: plane);
    }
}
