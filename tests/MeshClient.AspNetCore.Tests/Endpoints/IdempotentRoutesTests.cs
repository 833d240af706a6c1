using System.Net;
using System.Reflection;
using Grpc.AspNetCore.Server;
using MeshClient.AspNetCore.Endpoints;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.Intentions;
using MeshClient.Resilience;
using MeshClient.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.ApplicationParts;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Matching;
using Microsoft.AspNetCore.Routing.Patterns;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Primitives;

namespace MeshClient.AspNetCore.Tests.Endpoints;

/// <summary>What a service tells the registry of its endpoints.</summary>
public sealed class IdempotentRoutesTests
{
    private const int LeftOut = 154;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("/orders", "POST /orders")]
    [InlineData("/", "POST /")]
    [InlineData("/orders/{id}", "POST /orders/{id}")]
    [InlineData("/orders/{id:int}/cancel", "POST /orders/{id:int}/cancel")]
    [InlineData("/{a:long}/{b:guid}/{c:alpha}/{d:bool}", "POST /{a:long}/{b:guid}/{c:alpha}/{d:bool}")]
    [InlineData("/orders/{id:required}", "POST /orders/{id}")]
    [InlineData("/orders/{id?}", "POST /orders|POST /orders/{id}")]
    [InlineData("/orders/{id:int?}", "POST /orders|POST /orders/{id:int}")]
    [InlineData("/orders/{year=2026}/{month=1}", "POST /orders|POST /orders/{year}|POST /orders/{year}/{month}")]
    [InlineData("/orders/{year:int=2026}", "POST /orders/{year:int}")]
    [InlineData("/files/{**path}", "POST /files|POST /files/**")]
    [InlineData("/Ärger/a b|c", "POST /%C3%84rger/a%20b%7Cc")]
    public async Task Start_MarkedRoute_IsToldOfAsCallersCompareIt(string route, string expected)
    {
        await using var host = await StartAsync(app => app.MapPost(route, () => "x").AsIdempotent());

        Assert.Equal(expected, await PublishedAsync(host));
        Assert.Empty(host.Logs.Of(LeftOut));
    }

    [Theory]
    [InlineData("/orders/{id:int:min(1)}", "constraint of 'id'")]
    [InlineData("/orders/{id:regex(^a+$)}", "constraint of 'id'")]
    [InlineData("/orders/{id:decimal}", "constraint of 'id'")]
    [InlineData("/files/{**path:nonfile}", "constraint of 'path'")]
    [InlineData("/files/{**path:required}", "constraint of 'path'")]
    [InlineData("/files/{name}.{extension}", "beside a text")]
    [InlineData("/v{version}/orders", "beside a text")]
    [InlineData("/a*/orders", "cannot be told apart")]
    public async Task Start_RouteThatSaysMoreThanAPattern_IsLeftOutWithAWarning(string route, string why)
    {
        await using var host = await StartAsync(app =>
        {
            app.MapPost(route, () => "x").AsIdempotent();
            app.MapPost("/other", () => "x").AsIdempotent();
        });

        Assert.Equal("POST /other", await PublishedAsync(host));
        var line = Assert.Single(host.Logs.Of(LeftOut)).Text;
        Assert.Contains(route, line, StringComparison.Ordinal);
        Assert.Contains(why, line, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/orders/{id}", "/orders/cancel")]
    [InlineData("/orders/{id}", "/Orders/Cancel")]
    [InlineData("/orders/{id}", "/{**all}", "application/json")]
    [InlineData("/orders/cancel", "/orders/{id}", "application/json")]
    [InlineData("/orders/{id}", "/orders/{name:alpha}")]
    [InlineData("/orders/{id:int}", "/orders/{id:min(5)}")]
    [InlineData("/files/{**path}", "/files/charge")]
    [InlineData("/files/{**path}", "/files")]
    [InlineData("/orders/{id?}", "/orders")]
    public async Task Start_AnotherEndpointCouldGetTheSame_IsLeftOutWithAWarning(string route, string other, string? accepts = null)
    {
        await using var host = await StartAsync(app =>
        {
            Accepting(app.MapPost(route, () => "x").AsIdempotent(), accepts);
            app.MapPost(other, () => "y");
        });

        Assert.DoesNotContain(route == "/orders/{id?}" ? "POST /orders|" : route.Split('{')[0], await PublishedAsync(host) ?? string.Empty, StringComparison.Ordinal);
        var line = Assert.Single(host.Logs.Of(LeftOut)).Text;
        Assert.Contains($"'{other}', which is not marked", line, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/orders/{id:int}", "/orders/cancel")]
    [InlineData("/orders/{id:int}", "/orders/cancel", "application/json")]
    [InlineData("/orders/cancel", "/orders/{id}")]
    [InlineData("/orders/cancel", "/orders/{id:int}", "application/json")]
    [InlineData("/orders/{id}", "/{**all}")]
    [InlineData("/orders/{id}", "/orders/{id}/lines", "application/json")]
    [InlineData("/orders/{id}", "/orders", "application/json")]
    public async Task Start_AnotherEndpointThatCannotGetTheSame_ChangesNothing(string route, string other, string? accepts = null)
    {
        await using var host = await StartAsync(app =>
        {
            Accepting(app.MapPost(route, () => "x").AsIdempotent(), accepts);
            app.MapPost(other, () => "y");
        });

        Assert.Equal($"POST {route}", await PublishedAsync(host));
        Assert.Empty(host.Logs.Of(LeftOut));
    }

    [Fact]
    public async Task Start_OtherMethodsAndMarkedNeighbours_AreNoRivals()
    {
        await using var host = await StartAsync(app =>
        {
            app.MapPost("/orders/{id}", () => "x").AsIdempotent();
            app.MapPost("/orders/cancel", () => "x").AsIdempotent();
            app.MapGet("/orders/{name}", () => "x");
            app.MapDelete("/orders/{name}", () => "x");
            app.MapPatch("/orders/{name}", () => "x");
        });

        Assert.Equal("POST /orders/cancel|POST /orders/{id}", await PublishedAsync(host));
    }

    [Fact]
    public async Task Start_MethodsThatAreIdempotentAnyway_AreNotTold()
    {
        await using var host = await StartAsync(app =>
        {
            app.MapGet("/get", () => "x").AsIdempotent();
            app.MapMethods("/both", ["GET", "post", "PATCH"], () => "x").AsIdempotent();
            app.MapMethods("/search", ["M-SEARCH"], () => "x").AsIdempotent();
            app.MapMethods("/odd", ["X_1"], () => "x").AsIdempotent();
            app.Map("/any", () => "x").AsIdempotent();
            app.MapPost("/host", () => "x").AsIdempotent().RequireHost("shop.example");
        });

        Assert.Equal("/any|M-SEARCH /search|PATCH /both|POST /both", await PublishedAsync(host));
        var line = Assert.Single(host.Logs.Of(LeftOut)).Text;
        Assert.Contains("'/host': it is for certain hosts only", line, StringComparison.Ordinal);
        Assert.Contains("'/odd': its route or its method cannot", line, StringComparison.Ordinal);
        IdempotentEndpoints.Read(await MetaAsync(host), out var problem);
        Assert.Null(problem);
    }

    [Fact]
    public async Task Start_PolicyThatLooksAtNeighbours_IsLeftOutWhereItApplies()
    {
        await using var host = await StartAsync(
            app =>
            {
                app.MapPost("/orders/{id:int}", () => "x").AsIdempotent();
                app.MapPost("/orders/{id}", () => "y").WithMetadata(new TakesAll());
                app.MapPost("/letters/{id:int}", () => "x").AsIdempotent();
                app.MapPost("/letters/{id}", () => "y");
            },
            builder => builder.Services.AddSingleton<MatcherPolicy, TakesAllPolicy>());

        Assert.Equal("POST /letters/{id:int}", await PublishedAsync(host));
        Assert.Contains("'/orders/{id}', which is not marked", Assert.Single(host.Logs.Of(LeftOut)).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_AllControllersMarkedAtOnce_WhatIsTakenBackStaysSo()
    {
        await using var host = await StartAsync(
            app => app.MapControllers().AsIdempotent(),
            builder => builder.Services.AddControllers().ConfigureApplicationPartManager(Only(typeof(IdempotentController), typeof(PlainController))));

        Assert.Equal("POST /marked/yes|POST /plain/yes", await PublishedAsync(host));
    }

    [Fact]
    public async Task Start_ConventionalRouteWithDefaultsAndTransformers_IsToldOfAsItIsServed()
    {
        using var plane = new InMemoryControlPlane();
        plane.SetDefaultAction(IntentionAction.Allow);
        await using var host = await InboundTestHost.StartAsync(
            app =>
            {
                app.MapControllerRoute("slugs", "slug/{controller:slug=Conventional}/{action:slug=No}");
                // Behind it: conventional routes are counted from 1.
                app.MapPost("/slug/{a}/{b}", () => "other").WithOrder(100);
            },
            build: builder =>
            {
                builder.Services.Configure<RouteOptions>(options => options.SetParameterPolicy<Slug>("slug"));
                builder.Services.AddControllers().ConfigureApplicationPartManager(Only(typeof(ConventionalController)));
            },
            controlPlane: plane);
        using var client = host.CallerFrom("web");

        Assert.Equal("POST /slug/x-conventional/x-yes", await PublishedAsync(host));
        foreach (var (path, answer) in ((string, string)[])[("/slug/x-conventional/x-yes", "yes"), ("/slug/Conventional/Yes", "other"), ("/slug/x-conventional", "no")])
        {
            using var response = await client.PostAsync(new Uri(host.MeshAddress, path), null, Token);
            Assert.Equal(answer, await response.Content.ReadAsStringAsync(Token));
        }
    }

    [Fact]
    public async Task Start_GroupsAndControllers_TheNearestMarkCounts()
    {
        await using var host = await StartAsync(
            app =>
            {
                var group = app.MapGroup("/group").AsIdempotent();
                group.MapPost("/yes", () => "x");
                group.MapPost("/no", () => "x").WithMetadata(new MeshIdempotentAttribute(false));
                app.MapPost("/lambda", [MeshIdempotent] () => "x");
                app.MapControllers();
                app.MapControllerRoute("conventional", "site/{controller}/{action}/{id?}");
            },
            builder => builder.Services.AddControllers().ConfigureApplicationPartManager(Only(typeof(IdempotentController), typeof(ConventionalController))));

        Assert.Equal(
            "POST /group/yes|POST /lambda|POST /marked/yes|POST /site/Conventional/Yes|POST /site/Conventional/Yes/{id}",
            await PublishedAsync(host));
    }

    [Fact]
    public async Task Start_ManyEndpoints_WhatHasNoRoomIsLeftOutWithAWarning()
    {
        await using var host = await StartAsync(app =>
        {
            for (var i = 100; i < 300; i++)
            {
                app.MapPost($"/pkg.Orders/Method{i}", () => "x").AsIdempotent();
            }
        });

        var meta = await MetaAsync(host);
        Assert.All(meta.Values, value => Assert.InRange(value.Length, 1, 512));
        Assert.Equal(IdempotentEndpoints.MaxEndpoints, IdempotentEndpoints.Read(meta, out var problem).Count);
        Assert.Null(problem);
        var line = Assert.Single(host.Logs.Of(LeftOut)).Text;
        Assert.DoesNotContain("Method227'", line, StringComparison.Ordinal);
        Assert.Contains("'POST /pkg.Orders/Method228': there is no room", line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_MetadataNearlyFull_NeverHasMorePairsThanRegistriesTake()
    {
        await using var host = await InboundTestHost.StartAsync(
            app =>
            {
                for (var i = 0; i < 100; i++)
                {
                    app.MapPost($"/pkg.Orders/Method{i}", () => "x").AsIdempotent();
                }
            },
            registration: options => options.Meta = Enumerable.Range(0, 61).ToDictionary(i => $"key{i}", _ => "x"));

        // One is left for what the adapter to the registry adds.
        Assert.Equal(63, (await MetaAsync(host)).Count);
        Assert.Single(host.Logs.Of(LeftOut));
    }

    [Fact]
    public async Task Start_WrittenByHand_StandsAlone()
    {
        await using var host = await InboundTestHost.StartAsync(
            app => app.MapPost("/orders", () => "x").AsIdempotent(),
            registration: options => options.Meta[IdempotentEndpoints.MetaKey] = "POST /by/hand");

        Assert.Equal("POST /by/hand", await PublishedAsync(host));
    }

    [Fact]
    public async Task Start_PartOfItWrittenByHand_StandsAlone()
    {
        await using var host = await InboundTestHost.StartAsync(
            app => app.MapPost("/orders", () => "x").AsIdempotent(),
            registration: options => options.Meta[IdempotentEndpoints.MetaKey + "-2"] = "POST /by/hand");

        Assert.Equal("POST /by/hand", Assert.Single(await MetaAsync(host)).Value);
    }

    [Fact]
    public async Task Endpoints_ChangeWhileTheAppRuns_TheRegistryIsTold()
    {
        var source = new ChangingEndpoints();
        await using var host = await StartAsync(app =>
        {
            app.MapPost("/orders/{id}", () => "x").AsIdempotent();
            ((IEndpointRouteBuilder)app).DataSources.Add(source);
        });
        Assert.Equal("POST /orders/{id}", await PublishedAsync(host));

        source.Set(new RouteEndpointBuilder(_ => Task.CompletedTask, RoutePatternFactory.Parse("/orders/charge"), 0).Build());
        await host.ControlPlane.WaitForAsync(plane => plane.Registrations.Count == 2, cancellationToken: Token);
        Assert.Empty(host.ControlPlane.Registrations[1].Meta);
        Assert.Contains("/orders/charge", Assert.Single(host.Logs.Of(LeftOut)).Text, StringComparison.Ordinal);

        source.Set();
        await host.ControlPlane.WaitForAsync(plane => plane.Registrations.Count == 3, cancellationToken: Token);
        Assert.Equal("POST /orders/{id}", host.ControlPlane.Registrations[2].Meta[IdempotentEndpoints.MetaKey]);
        Assert.Equal(host.ControlPlane.Registrations[0].Id, host.ControlPlane.Registrations[2].Id);
    }

    [Fact]
    public async Task Start_GrpcMethods_TheirOptionCountsWhereNoAttributeStands()
    {
        await using var host = await StartAsync(app =>
        {
            foreach (var method in (string[])["Place", "Cancel", "Find", "Taken"])
            {
                Grpc(app, method, typeof(OrdersService));
            }

            Grpc(app, "Unknown", typeof(OrdersService));
            Grpc(app, "Find", typeof(WithoutDescription));
            Grpc(app, "Other", typeof(WithoutDescription), new MeshIdempotentAttribute());
            // As gRPC maps what a service does not have.
            app.MapPost("/pkg.Orders/{unimplementedMethod:grpcunimplemented}", () => "x");
            app.MapPost("{unimplementedService}/{unimplementedMethod:grpcunimplemented}", () => "x");
        }, builder => builder.Services.Configure<RouteOptions>(options => options.SetParameterPolicy<AnyGrpc>("grpcunimplemented")));

        Assert.Equal("/pkg.Orders/Cancel|/pkg.Orders/Find|/pkg.WithoutDescription/Other", await PublishedAsync(host));
        Assert.Empty(host.Logs.Of(LeftOut));
    }

    [Fact]
    public async Task Start_AnyPathAsItIsSent_OnlyMarkedEndpointsServeWhatIsToldOf()
    {
        // Everything that routing, the server and callers might see differently; each route answers whether it is marked.
        string[] marked =
        [
            "/orders/{id}", "/orders/{id:int}/cancel", "/orders/{id:guid}/cancel", "/letters/{word:alpha}", "/files/{**path}", "/flag/{on:bool}/x",
            "/optional/{a?}", "/space d/{b}", "/literal",
        ];
        string[] others =
        [
            "/orders", "/orders/{id}/{other}", "/files/secret/charge", "/letters/charge", "/charge", "/optional", "/{any}", "/{any}/{thing}", "/cancel",
        ];
        using var plane = new InMemoryControlPlane();
        plane.SetDefaultAction(IntentionAction.Allow);
        await using var host = await InboundTestHost.StartAsync(
            app =>
            {
                foreach (var route in marked)
                {
                    app.MapPost(route, () => "marked").AsIdempotent();
                }

                foreach (var route in others)
                {
                    app.MapPost(route, () => "other");
                }
            },
            controlPlane: plane);
        var published = IdempotentEndpoints.Read(await MetaAsync(host), out _);
        Assert.True(published.Count >= 4, $"{published.Count}");
        using var client = host.CallerFrom("web");
        string[] segments =
        [
            "orders", "Orders", "7", "+7", "-0", "99999999999", "x", "", "cancel", "charge", "6f9619ff-8b86-d011-b42d-00c04fc964ff", "letters", "files",
            "secret", "..", "%2e%2e", "%2F", "flag", "true", "space%20d", "literal", "%6Fptional", "optional",
        ];
        var paths = segments.Select(one => $"/{one}")
            .Concat(from one in segments from two in segments select $"/{one}/{two}")
            .Concat(from one in (string[])["orders", "files", "flag"] from two in segments from three in segments select $"/{one}/{two}/{three}")
            .ToList();
        int told = 0, wrong = 0;
        foreach (var path in paths)
        {
            using var request = new HttpRequestMessage(
                HttpMethod.Post, new Uri(host.MeshAddress.GetLeftPart(UriPartial.Authority) + path, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true }));
            if (!published.Contain(request))
            {
                continue;
            }

            told++;
            using var response = await client.SendAsync(request, Token);
            var answer = await response.Content.ReadAsStringAsync(Token);
            wrong += response.StatusCode == HttpStatusCode.OK && answer == "marked" ? 0 : 1;
            Assert.True(wrong == 0, $"{path}: {response.StatusCode} {answer}");
        }

        Assert.InRange(told, 50, paths.Count - 1);
    }

    private static Task<InboundTestHost> StartAsync(Action<WebApplication> map, Action<WebApplicationBuilder>? build = null) =>
        InboundTestHost.StartAsync(map, build: build);

    private static async Task<System.Collections.Immutable.ImmutableSortedDictionary<string, string>> MetaAsync(InboundTestHost host)
    {
        await host.ControlPlane.WaitForAsync(plane => plane.Registrations.Count == 1, cancellationToken: Token);
        return host.ControlPlane.Registrations[0].Meta;
    }

    private static async Task<string?> PublishedAsync(InboundTestHost host) =>
        (await MetaAsync(host)).GetValueOrDefault(IdempotentEndpoints.MetaKey);

    private static void Accepting(RouteHandlerBuilder endpoint, string? contentType)
    {
        if (contentType is not null)
        {
            endpoint.Accepts<string>(contentType);
        }
    }

    private static Action<ApplicationPartManager> Only(params Type[] controllers) => manager =>
    {
        manager.ApplicationParts.Clear();
        manager.ApplicationParts.Add(new TypesPart(controllers));
    };

    private static void Grpc(WebApplication app, string method, Type service, params object[] metadata) => app
        .MapPost($"/pkg.{(service == typeof(OrdersService) ? "Orders" : service.Name)}/{method}", () => "x")
        .WithMetadata([new GrpcMethodMetadata(service, new StandInMethod(method)), .. service.GetMethod(method)?.GetCustomAttributes() ?? [], .. metadata]);

    private sealed class TypesPart(Type[] types) : ApplicationPart, IApplicationPartTypeProvider
    {
        public override string Name => "types";

        public IEnumerable<TypeInfo> Types => types.Select(type => type.GetTypeInfo());
    }

    private sealed class AnyGrpc : IRouteConstraint
    {
        public bool Match(HttpContext? httpContext, IRouter? route, string routeKey, RouteValueDictionary values, RouteDirection routeDirection) => true;
    }

    private sealed class Slug : IOutboundParameterTransformer
    {
        public string? TransformOutbound(object? value) => "x-" + value?.ToString()?.ToLowerInvariant();
    }

    private sealed class TakesAll;

    // Where one endpoint asks for it, it gets the request, whichever is the better match.
    private sealed class TakesAllPolicy : MatcherPolicy, IEndpointSelectorPolicy
    {
        public override int Order => 0;

        public bool AppliesToEndpoints(IReadOnlyList<Endpoint> endpoints) =>
            endpoints.Any(endpoint => endpoint.Metadata.GetMetadata<TakesAll>() is not null);

        public Task ApplyAsync(HttpContext httpContext, CandidateSet candidates)
        {
            for (var i = 0; i < candidates.Count; i++)
            {
                candidates.SetValidity(i, candidates[i].Endpoint.Metadata.GetMetadata<TakesAll>() is not null);
            }

            return Task.CompletedTask;
        }
    }

    private sealed class ChangingEndpoints : EndpointDataSource
    {
        private ConfigurationReloadToken _changed = new();
        private IReadOnlyList<Endpoint> _endpoints = [];

        public override IReadOnlyList<Endpoint> Endpoints => _endpoints;

        public override IChangeToken GetChangeToken() => _changed;

        public void Set(params Endpoint[] endpoints)
        {
            _endpoints = endpoints;
            Interlocked.Exchange(ref _changed, new ConfigurationReloadToken()).OnReload();
        }
    }
}

/// <summary>Marked, but for one action.</summary>
[Route("marked")]
[MeshIdempotent]
public sealed class IdempotentController : ControllerBase
{
    /// <summary>As the controller says.</summary>
    [HttpPost("yes")]
    public string Yes() => "yes";

    /// <summary>Not as the controller says.</summary>
    [HttpPost("no")]
    [MeshIdempotent(false)]
    public string No() => "no";
}

/// <summary>Says nothing of itself.</summary>
[Route("plain")]
public sealed class PlainController : ControllerBase
{
    /// <summary>Nor does this.</summary>
    [HttpPost("yes")]
    public string Yes() => "yes";

    /// <summary>Is not idempotent, whatever else is.</summary>
    [HttpPost("no")]
    [MeshIdempotent(false)]
    public string No() => "no";
}

/// <summary>Reached by a route for all controllers.</summary>
public sealed class ConventionalController : ControllerBase
{
    /// <summary>Marked.</summary>
    [HttpPost]
    [MeshIdempotent]
    public string Yes() => "yes";

    /// <summary>Not marked.</summary>
    [HttpPost]
    public string No() => "no";
}
