using System.Net;
using System.Text.Json;
using MeshClient.AspNetCore.Diagnostics;
using MeshClient.AspNetCore.Tests.Endpoints;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.Intentions;
using MeshClient.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace MeshClient.AspNetCore.Tests.Diagnostics;

/// <summary>What an app tells of its rules, and to whom.</summary>
public sealed class DiagnosticsTests
{
    private static readonly Dictionary<string, string?> Enabled = new()
    {
        ["Mesh:Inbound:Diagnostics:Enabled"] = "true",
        ["Mesh:Inbound:Diagnostics:Callers:0"] = "ops",
    };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Diagnostics_NotEnabled_AreNotThere()
    {
        await using var host = await StartAsync([]);

        Assert.Equal(404, await StatusAsync(host, "ops", "/mesh"));
        Assert.Equal(404, await StatusAsync(host, "ops", "/mesh/explain?source=web"));
    }

    [Theory]
    [InlineData("ops", 200)]
    [InlineData("web", 403)]
    [InlineData("denied", 403)]
    public async Task Diagnostics_Enabled_AreForTheCallersNamedAndAllowed(string caller, int status)
    {
        await using var host = await StartAsync(new(Enabled) { ["Mesh:Inbound:Diagnostics:Callers:1"] = "denied" });

        Assert.Equal(status, await StatusAsync(host, caller, "/mesh"));
        Assert.Equal(status, await StatusAsync(host, caller, "/mesh/explain?source=web"));
    }

    [Theory]
    [InlineData("ops", 200, true)]
    [InlineData("web", 403, false)]
    [InlineData("anybody", 403, false)]
    public async Task Diagnostics_InShadowMode_AreForTheCallersNamedOnly(string caller, int status, bool isAllowed)
    {
        await using var host = await StartAsync(new(Enabled) { ["Mesh:Inbound:Mode"] = "Shadow" });

        Assert.Equal(status, await StatusAsync(host, caller, "/mesh"));
        Assert.Equal(200, await StatusAsync(host, caller, "/admin/1"));
        var explanation = host.Services.GetRequiredService<IMeshExplain>().Explain(new MeshExplainedCall { Source = caller, Path = "/mesh" });
        Assert.Equal(isAllowed, explanation.IsAllowed);
    }

    [Fact]
    public async Task Diagnostics_OutsideTheMesh_AreForNobody()
    {
        await using var host = await StartAsync(Enabled, builder => builder.WebHost.UseUrls("http://127.0.0.1:0"));
        using var outsider = new HttpClient { BaseAddress = host.PlainAddresses.Single() };

        Assert.Equal(HttpStatusCode.Forbidden, (await outsider.GetAsync("/mesh", Token)).StatusCode);
    }

    [Fact]
    public async Task Diagnostics_InAnAppThatDoesNotEnforce_AreNotThere()
    {
        await using var app = InboundTestHost.Create(
            app => app.MapMeshDiagnostics(),
            settings: new(Enabled) { ["Mesh:Inbound:Enabled"] = "false" },
            build: builder => builder.WebHost.UseUrls("http://127.0.0.1:0"));
        await app.App.StartAsync(Token).Bounded();
        using var anybody = new HttpClient { BaseAddress = new Uri(app.App.Urls.Single()) };

        Assert.Equal(HttpStatusCode.NotFound, (await anybody.GetAsync("/mesh", Token)).StatusCode);
        await app.StopAsync();
    }

    [Fact]
    public async Task Diagnostics_WithoutCallers_StopTheStart()
    {
        var failure = await Assert.ThrowsAsync<OptionsValidationException>(
            () => StartAsync(new() { ["Mesh:Inbound:Diagnostics:Enabled"] = "true" }));

        Assert.Contains("Mesh:Inbound:Diagnostics:Callers is empty", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task State_TellsIdentityIntentionsAndRules_AndNoSecrets()
    {
        await using var host = await StartAsync(Enabled);
        using var ops = host.CallerFrom("ops");

        var text = await ops.GetStringAsync("/mesh", Token);
        using var state = JsonDocument.Parse(text);
        var root = state.RootElement;

        Assert.Equal("orders", root.GetProperty("service").GetString());
        Assert.Equal(host.ControlPlane.Authority.IdOf(InboundTestHost.Orders).ToString(), root.GetProperty("identity").GetProperty("id").GetString());
        var intentions = root.GetProperty("intentions");
        Assert.True(intentions.GetProperty("index").GetUInt64() > 0);
        Assert.InRange(intentions.GetProperty("ageSeconds").GetDouble(), 0, 60);
        Assert.Equal("Deny", intentions.GetProperty("default").GetString());
        Assert.Equal(
            ["denied->orders", "ops->orders", "web-rule"],
            intentions.GetProperty("rules").EnumerateArray().Select(rule => rule.GetProperty("rule").GetString()!).Order(StringComparer.Ordinal));
        Assert.Contains(root.GetProperty("endpointRules").EnumerateArray(), rule => rule.GetProperty("rule").GetString() == "endpoint:/admin/{id}");
        Assert.DoesNotContain("hidden-value", text, StringComparison.Ordinal);
        Assert.DoesNotContain("PRIVATE", text, StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData("source=web&method=GET&path=/items/1", true, "web-rule#1")]
    [InlineData("source=web&method=POST&path=/items/1", false, "default")]
    [InlineData("source=web&method=POST&path=/items/1&header=x-key:hidden-value", true, "web-rule#2")]
    [InlineData("source=web&path=/admin/1", false, "endpoint:/admin/{id}")]
    [InlineData("source=ops&path=/admin/1", true, "ops->orders")]
    [InlineData("source=nobody", false, "default")]
    [InlineData("source=spiffe%3A%2F%2Felsewhere%2Fns%2Fdefault%2Fdc%2Fdc1%2Fsvc%2Fops", false, "default")]
    public async Task Explain_OfACall_IsWhatBecomesOfTheCall(string query, bool isAllowed, string rule)
    {
        await using var host = await StartAsync(Enabled);
        using var ops = host.CallerFrom("ops");

        using var answer = JsonDocument.Parse(await ops.GetStringAsync($"/mesh/explain?{query}", Token));

        Assert.Equal(isAllowed, answer.RootElement.GetProperty("allowed").GetBoolean());
        Assert.Equal(rule, answer.RootElement.GetProperty("rule").GetString());
        Assert.NotEmpty(answer.RootElement.GetProperty("reason").GetString()!);
        Assert.True(answer.RootElement.GetProperty("intentions").GetArrayLength() >= 1);
    }

    [Theory]
    [InlineData("")]
    [InlineData("source=")]
    [InlineData("source=a%20b")]
    [InlineData("source=spiffe%3A%2F%2Fx")]
    public async Task Explain_WithoutASource_IsABadRequest(string query)
    {
        await using var host = await StartAsync(Enabled);

        Assert.Equal(400, await StatusAsync(host, "ops", $"/mesh/explain?{query}"));
    }

    [Fact]
    public async Task Explain_InTheApp_TellsOfEveryRuleAndWhyItDidNotApply()
    {
        await using var host = await StartAsync([]);
        var explain = host.Services.GetRequiredService<IMeshExplain>();

        var explanation = explain.Explain(new MeshExplainedCall { Source = "web", Method = "get", Path = "/items/1" });

        Assert.True(explanation.IsAllowed);
        Assert.Equal("web-rule#1", explanation.Rule);
        Assert.Contains(explanation.Intentions!.Rules, rule => rule is { Rule: "ops->orders", Effect: RuleEffect.NotApplied, Why.Length: > 0 });
        Assert.Contains(explanation.Intentions.Rules, rule => rule is { Rule: "web-rule#1", Effect: RuleEffect.Decides });
        using var web = host.CallerFrom("web");
        Assert.Equal(HttpStatusCode.OK, (await web.GetAsync("/items/1", Token)).StatusCode);
    }

    [Theory]
    [InlineData("CONNECT", false)]
    [InlineData("POST", true)]
    public async Task Explain_OfAWebSocketOverHttp2_GoesByWhatIsSaidOfGet(string method, bool isAllowed)
    {
        var plane = EndpointRuleTests.OpenPlane();
        plane.SetIntentions(InboundTestHost.Orders, IntentionAction.Allow, new Intention
        {
            Id = "web-rule",
            Source = "web",
            Destination = "orders",
            Permissions = [new() { Action = IntentionAction.Deny, Methods = ["GET"] }],
        });
        await using var host = await InboundTestHost.StartAsync(controlPlane: plane);

        var explanation = host.Services.GetRequiredService<IMeshExplain>().Explain(new MeshExplainedCall { Source = "web", Method = method });

        Assert.Equal((isAllowed, isAllowed ? "default" : "web-rule#1"), (explanation.IsAllowed, explanation.Rule));
    }

    [Theory]
    [InlineData("/reports", true, true)]
    [InlineData("/elsewhere", false, false)]
    [InlineData("/numbers/1", true, true)]
    [InlineData("/numbers/one", false, false)]
    [InlineData("/numbers", false, false)]
    [InlineData("/codes/ab-12", true, true)]
    [InlineData("/codes/12-ab", false, false)]
    [InlineData("/pages", true, true)]
    [InlineData("/pages/3", true, true)]
    [InlineData("/pages/13", false, false)]
    [InlineData("/odd/1", true, false)]
    [InlineData("/odd/2", false, false)]
    public async Task Explain_WhereSeveralRoutesFit_GoesByTheBestThatIsSure(string path, bool isServed, bool isExplained)
    {
        await using var host = await InboundTestHost.StartAsync(
            app =>
            {
                app.MapGet("/reports", () => "reports");
                app.MapGet("/numbers/{id:int}", (int id) => id);
                app.MapGet("/codes/{code:regex(^[a-z]+-\\d+$)}", (string code) => code);
                app.MapGet("/pages/{page:int:max(9)?}", (int? page) => page);
                app.MapGet("/odd/{id:odd}", (int id) => id);
                app.MapFallback(() => "fallback").RequireMeshPeer("ops");
            },
            build: builder => builder.Services.AddRouting(options => options.ConstraintMap["odd"] = typeof(OddConstraint)),
            controlPlane: EndpointRuleTests.OpenPlane());

        var explanation = host.Services.GetRequiredService<IMeshExplain>().Explain(new MeshExplainedCall { Source = "web", Path = path });

        Assert.Equal(isServed ? 200 : 403, await StatusAsync(host, "web", path));
        // What an app's own constraint says is not known, so what stands behind it counts too.
        Assert.Equal(isExplained, explanation.IsAllowed);
    }

    private static Task<InboundTestHost> StartAsync(Dictionary<string, string?> settings, Action<WebApplicationBuilder>? build = null)
    {
        var plane = new InMemoryControlPlane();
        plane.SetIntentions(
            InboundTestHost.Orders,
            IntentionAction.Deny,
            new Intention
            {
                Id = "web-rule",
                Source = "web",
                Destination = "orders",
                Permissions =
                [
                    new() { Action = IntentionAction.Allow, Methods = ["GET"] },
                    new() { Action = IntentionAction.Allow, Headers = [new HeaderMatch("x-key", HeaderMatchKind.Exact, "hidden-value")] },
                ],
            },
            new Intention { Id = "ops->orders", Source = "ops", Destination = "orders", Action = IntentionAction.Allow },
            new Intention { Id = "denied->orders", Source = "denied", Destination = "orders", Action = IntentionAction.Deny });
        return InboundTestHost.StartAsync(
            app =>
            {
                app.MapMeshDiagnostics();
                app.MapGet("/items/{id}", (int id) => id);
                app.MapGet("/admin/{id}", (int id) => id).RequireMeshPeer("ops");
            },
            build: build,
            controlPlane: plane,
            settings: settings);
    }

    private static async Task<int> StatusAsync(InboundTestHost host, string caller, string path)
    {
        using var client = host.CallerFrom(caller);
        using var response = await client.GetAsync(path, Token);
        return (int)response.StatusCode;
    }

    /// <summary>A constraint that may look at more than the value.</summary>
    private sealed class OddConstraint : IRouteConstraint
    {
        public bool Match(HttpContext? httpContext, IRouter? route, string routeKey, RouteValueDictionary values, RouteDirection routeDirection) =>
            int.Parse((string)values[routeKey]!, System.Globalization.CultureInfo.InvariantCulture) % 2 == 1;
    }
}
