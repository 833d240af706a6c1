using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using MeshClient.Configuration;
using MeshClient.Core.Discovery;
using MeshClient.Forwarding;
using MeshClient.Outbound;
using MeshClient.Resilience;
using MeshClient.Tests.Support;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace MeshClient.Tests.Outbound;

/// <summary>What calls take along of the request they are made for, and where it never gets to.</summary>
public sealed class ForwardingTests
{
    private const string Secret = "s3cr3t-t0k3n";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_DestinationThatIsToHaveThem_GetsTokenAndHeaders()
    {
        await using var env = Make();
        var seen = await StartAsync(env);
        using var request = new HttpRequestMessage(HttpMethod.Get, "http://orders/");
        using (Inbound())
        {
            using var response = await env.Client().SendAsync(request, Token);
        }

        var headers = Assert.Single(seen);
        Assert.Equal($"Bearer {Secret}", headers["Authorization"]);
        Assert.Equal("acme", headers["x-tenant"]);
        Assert.False(headers.ContainsKey("x-other"));
        // Nothing stays on the app's own request.
        Assert.Empty(request.Headers);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_OtherDestinationOrNoInboundRequest_NothingGoesAlong()
    {
        await using var env = Make();
        var orders = await StartAsync(env);
        var billing = await StartAsync(env, "billing");
        await env.Client().GetStringAsync("http://orders/", Token);
        using (Inbound())
        {
            await env.Client().GetStringAsync("http://billing/", Token);
        }

        Assert.Empty(Names(orders));
        Assert.Empty(Names(billing));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_HeaderSetByTheApp_IsLeftAsItIs()
    {
        await using var env = Make();
        var seen = await StartAsync(env);
        using var request = new HttpRequestMessage(HttpMethod.Get, "http://orders/");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", "the-apps");
        request.Headers.Add("X-Tenant", "the-apps");
        using (Inbound())
        {
            using var response = await env.Client().SendAsync(request, Token);
        }

        Assert.Equal("Bearer the-apps", seen.Single()["Authorization"]);
        Assert.Equal("the-apps", seen.Single()["x-tenant"]);
        Assert.Equal("the-apps", request.Headers.GetValues("X-Tenant").Single());
        Assert.Equal("Bearer the-apps", request.Headers.Authorization?.ToString());
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_ByTheCallsOwnWish_ReplacesTheDestinations()
    {
        await using var env = Make();
        var orders = await StartAsync(env);
        var billing = await StartAsync(env, "billing");
        using (Inbound())
        {
            await SendAsync(env, "http://orders/", new MeshForwardOptions());
            await SendAsync(env, "http://orders/", new MeshForwardOptions { Headers = ["x-other"] });
            await SendAsync(env, "http://billing/", new MeshForwardOptions { Token = true });
        }

        Assert.Equal(["x-other"], Names(orders));
        Assert.Equal(["authorization"], Names(billing));
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(InstanceSecurity.Plaintext)]
    [InlineData(InstanceSecurity.Tls)]
    public async Task SendAsync_InstanceThatIsNotOfTheMesh_IsGivenNothing(InstanceSecurity security)
    {
        await using var env = Make(options => options.Defaults.AllowPlaintext = true, TrustAnybody);
        var seen = new ConcurrentQueue<Dictionary<string, string>>();
        await using var peer = await HttpPeer.StartAsync(
            Record(seen), security == InstanceSecurity.Plaintext ? null : PeerTls.For(env.Authority, "orders").ForAnybody());
        env.List("orders", peer.Port, security);
        using (Inbound())
        {
            await env.Client().GetStringAsync(security == InstanceSecurity.Plaintext ? "http://orders/" : "https://orders/", Token);
        }

        // It was called, and could have been given something.
        Assert.Single(seen);
        Assert.Empty(Names(seen));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_RetryAtAnInstanceInPlaintext_IsGivenNothing()
    {
        await using var env = Make(options => options.Defaults.AllowPlaintext = true);
        var (mesh, plain) = (new ConcurrentQueue<Dictionary<string, string>>(), new ConcurrentQueue<Dictionary<string, string>>());
        await env.StartAsync("orders", Record(mesh, 503));
        await using var peer = await HttpPeer.StartAsync(Record(plain, 503));
        env.List("orders", peer.Port, InstanceSecurity.Plaintext);
        using (Inbound())
        {
            for (var i = 0; i < 20; i++)
            {
                using var response = await env.Client().GetAsync("http://orders/", Token);
            }
        }

        Assert.NotEmpty(mesh);
        Assert.NotEmpty(plain);
        Assert.All(mesh, one => Assert.Equal($"Bearer {Secret}", one["Authorization"]));
        Assert.Empty(Names(plain));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_HedgeAtAnInstanceInPlaintext_IsGivenNothing()
    {
        await using var env = Make(options =>
        {
            options.Defaults.AllowPlaintext = true;
            options.Defaults.Hedging = new() { Enabled = true, Delay = TimeSpan.FromMilliseconds(20), BudgetRatio = 1 };
        });
        var (mesh, plain) = (new ConcurrentQueue<Dictionary<string, string>>(), new ConcurrentQueue<Dictionary<string, string>>());
        await env.StartAsync("orders", Slow(Record(mesh)));
        await using var peer = await HttpPeer.StartAsync(Slow(Record(plain)));
        env.List("orders", peer.Port, InstanceSecurity.Plaintext);
        using (Inbound())
        {
            for (var i = 0; i < 20; i++)
            {
                using var response = await env.Client().GetAsync("http://orders/", Token);
            }
        }

        Assert.True(mesh.Count + plain.Count > 20, "No call was hedged.");
        Assert.NotEmpty(plain);
        Assert.All(mesh, one => Assert.Equal($"Bearer {Secret}", one["Authorization"]));
        Assert.Empty(Names(plain));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_HostOutsideTheMeshAlsoAfterARedirect_IsGivenNothing()
    {
        await using var env = Make();
        var seen = new ConcurrentQueue<Dictionary<string, string>>();
        await using var outside = await HttpPeer.StartAsync(Record(seen));
        await env.StartAsync("orders", context =>
        {
            context.Response.Redirect(outside.Address.ToString());
            return Task.CompletedTask;
        });
        using (Inbound())
        {
            await env.Client().GetStringAsync(outside.Address, Token);
            using var response = await env.Client().GetAsync("http://orders/", Token);
            Assert.Equal(HttpStatusCode.Redirect, response.StatusCode);
            // As an app follows it that does so with the request it has.
            Assert.Empty(response.RequestMessage!.Headers);
            await env.Client().GetStringAsync(response.Headers.Location, Token);
        }

        Assert.Equal(2, seen.Count);
        Assert.Empty(Names(seen));
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData("Basic dXNlcjpwYXNz")]
    [InlineData("Negotiate abc")]
    [InlineData("Bearer")]
    [InlineData("Bearer caf\u00e9")]
    public async Task SendAsync_CredentialsThatAreNoToken_StayHere(string authorization)
    {
        await using var env = Make();
        var seen = await StartAsync(env);
        using (RequestHeaders.Keep([new("Authorization", [authorization]), new("x-tenant", ["caf\u00e9"])]))
        {
            await env.Client().GetStringAsync("http://orders/", Token);
        }

        Assert.Empty(Names(seen));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_TwoAuthorizationLines_StayHere()
    {
        await using var env = Make();
        var seen = await StartAsync(env);
        using (RequestHeaders.Keep([new("Authorization", ["Bearer one", "Bearer two"])]))
        {
            await env.Client().GetStringAsync("http://orders/", Token);
        }

        Assert.Empty(Names(seen));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_InFlowsOfItsOwn_EachTakesItsOwnAlongAndNoneAfterItsEnd()
    {
        await using var env = Make();
        var seen = await StartAsync(env);
        var release = new TaskCompletionSource();
        Task late;
        using (RequestHeaders.Keep([new("x-tenant", ["late"])]))
        {
            late = Task.Run(
                async () =>
                {
                    await release.Task;
                    await env.Client().GetStringAsync("http://orders/late", Token);
                },
                Token);
        }

        await Task.WhenAll(Enumerable.Range(0, 50).Select(i => Task.Run(
            async () =>
            {
                using var kept = RequestHeaders.Keep([new("x-tenant", [$"t{i}"])]);
                await Task.Yield();
                using var request = new HttpRequestMessage(HttpMethod.Get, $"http://orders/t{i}");
                using var response = await env.Client().SendAsync(request, Token);
            },
            Token)));
        release.SetResult();
        await late;

        Assert.Equal(51, seen.Count);
        Assert.All(seen, one => Assert.Equal(one["path"] == "/late" ? null : one["path"][1..], one.GetValueOrDefault("x-tenant")));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_WithEverythingLogged_TheTokenIsInNoLine()
    {
        await using var env = Make();
        await StartAsync(env);
        using (Inbound())
        {
            await env.Client().GetStringAsync("http://orders/", Token);
            await Assert.ThrowsAsync<MeshCallException>(async () =>
            {
                await env.LoseAllInstancesAsync("orders");
                await env.Client().GetStringAsync("http://orders/", Token);
            });
        }

        Assert.NotEmpty(env.Logs.Lines);
        Assert.DoesNotContain(env.Logs.Lines, line => line.Text.Contains(Secret, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("Authorization", "has a setting of its own")]
    [InlineData("connection", "cannot be forwarded")]
    [InlineData("Content-Type", "cannot be forwarded")]
    [InlineData("mesh-timeout-ms", "cannot be forwarded")]
    [InlineData(":authority", "not the name of a header")]
    [InlineData("x tenant", "not the name of a header")]
    [InlineData("", "not the name of a header")]
    public async Task Options_WithAHeaderThatIsNotToBeForwarded_AreRefused(string header, string expected)
    {
        await using var env = new MeshTestEnvironment(configuration: new Dictionary<string, string?>
        {
            ["Mesh:Destinations:orders:Forward:Headers:0"] = header,
        });

        var failure = Assert.Throws<OptionsValidationException>(() => env.Services.GetRequiredService<IOptions<MeshOptions>>().Value);

        Assert.Contains("Mesh:Destinations:orders:Forward:Headers has", failure.Message, StringComparison.Ordinal);
        Assert.Contains(expected, failure.Message, StringComparison.Ordinal);
    }

    private static RequestHeaders Inbound() => RequestHeaders.Keep(
        [new("Authorization", [$"Bearer {Secret}"]), new("X-Tenant", ["acme"]), new("x-other", ["other"])]);

    // Over ordinary TLS a server has to have a certificate the machine trusts; here that is left out, and nothing else.
    private static void TrustAnybody(IServiceCollection services) => services.AddTransports(connector =>
    {
        var handler = new SocketsHttpHandler { ConnectCallback = connector.ConnectAsync, UseProxy = false };
        handler.SslOptions.RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate is not null;
        return handler;
    });

    private static MeshTestEnvironment Make(Action<MeshOptions>? options = null, Action<IServiceCollection>? services = null) => new(
        options,
        new Dictionary<string, string?>
        {
            ["Mesh:Destinations:orders:Forward:Token"] = "true",
            ["Mesh:Destinations:orders:Forward:Headers:0"] = "x-tenant",
        },
        services);

    private static async Task<ConcurrentQueue<Dictionary<string, string>>> StartAsync(MeshTestEnvironment env, string service = "orders")
    {
        var seen = new ConcurrentQueue<Dictionary<string, string>>();
        await env.StartAsync(service, Record(seen));
        return seen;
    }

    private static async Task SendAsync(MeshTestEnvironment env, string uri, MeshForwardOptions forward)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, uri);
        request.Options.Set(MeshRequestOptions.Forward, forward);
        using var response = await env.Client().SendAsync(request, Token);
    }

    private static RequestDelegate Record(ConcurrentQueue<Dictionary<string, string>> seen, int status = 200) => context =>
    {
        seen.Enqueue(new(context.Request.Headers.Select(header => KeyValuePair.Create(header.Key, header.Value.ToString())), StringComparer.OrdinalIgnoreCase)
        {
            ["path"] = context.Request.Path.Value!,
        });
        context.Response.StatusCode = status;
        return Task.CompletedTask;
    };

    private static RequestDelegate Slow(RequestDelegate handler) => async context =>
    {
        await handler(context);
        await Task.Delay(TimeSpan.FromMilliseconds(60), TimeProvider.System, context.RequestAborted);
    };

    private static IEnumerable<string> Names(IEnumerable<Dictionary<string, string>> seen) => seen
        .SelectMany(one => one.Keys)
        .Select(name => name.ToLowerInvariant())
        .Where(name => name is "authorization" or "x-tenant" or "x-other")
        .Distinct();
}
