using System.Net;
using MeshClient.Server.Api;
using MeshClient.Server.Api.Catalog;
using MeshClient.Server.Api.Json;
using MeshClient.Server.Catalog;
using MeshClient.Server.State;
using MeshClient.Server.Tests.Support;

namespace MeshClient.Server.Tests.Api;

/// <summary>Answers that are written once for many: as good as fresh ones, for whoever asks, and bounded.</summary>
public sealed class HealthAnswersTests
{
    private const string Path = "/v1/health/service/web?passing";

    [Fact]
    public void Get_OfTheSameGroup_WritesOnce()
    {
        var answers = new HealthAnswers();
        var catalog = WithInstance(ServerStates.Empty().Catalog, "web", 2);
        var first = Get(answers, catalog, "web", 10);
        Assert.Same(first, answers.Get(catalog, catalog.Services["web"], isConnect: false, passingOnly: true, () => throw new InvalidOperationException("It was there.")));
        Assert.NotSame(first, answers.Get(catalog, catalog.Services["web"], isConnect: false, passingOnly: false, () => Json(10)));
        Assert.NotSame(first, answers.Get(catalog, catalog.Services["web"], isConnect: true, passingOnly: true, () => Json(10)));
    }

    [Fact]
    public void Get_AfterAChangeThatShows_WritesAnew()
    {
        var answers = new HealthAnswers();
        var catalog = WithInstance(ServerStates.Empty().Catalog, "web", 2);
        var answer = Get(answers, catalog, "web", 10);
        CatalogState[] changed =
        [
            WithInstance(catalog, "web", 3),
            catalog.WithQuietInstance(catalog.Instances["web"]),
            catalog.WithNode(catalog.Node, new StateChange(4)),
            catalog.WithNodeCheck("n1", catalog.NodeChecks.Values.Single(), new StateChange(5)),
            catalog.WithQuietNodeCheck("n1", catalog.NodeChecks.Values.Single()),
        ];
        foreach (var state in changed)
        {
            Assert.NotSame(answer, Get(answers, state, "web", 10));
        }

        Assert.NotSame(answer, Get(answers, catalog, "web", 10));
        var other = WithInstance(catalog, "other", 6);
        Assert.Same(Get(answers, catalog, "web", 10), Get(answers, other, "web", 10));
    }

    [Fact]
    public void Get_OfManyGroups_KeepsNoMoreThanItMay()
    {
        const int max = 100_000;
        var answers = new HealthAnswers(max);
        var catalog = ServerStates.Empty().Catalog;
        for (var i = 0; i < 200; i++)
        {
            catalog = WithInstance(catalog, $"s{i}", (ulong)i + 2);
        }

        for (var i = 0; i < 200; i++)
        {
            Get(answers, catalog, $"s{i}", 3000);
            // Asked for all the time, so it stays.
            var often = Get(answers, catalog, "s0", 3000);
            Assert.Same(often, Get(answers, catalog, "s0", 3000));
            Assert.InRange(answers.Size, 1, max + 6000);
        }
    }

    [Fact]
    public async Task Read_AfterAnotherOutputOfACheck_ShowsIt()
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("web");
        await server.MustPutAsync("/v1/agent/check/register", """{"Name":"disk","TTL":"60s","Status":"passing"}""");
        Assert.DoesNotContain("fine", (await server.GetAsync(Path)).Body, StringComparison.Ordinal);
        await server.MustPutAsync("/v1/agent/check/pass/service:web?note=fine");
        Assert.Contains("fine", (await server.GetAsync(Path)).Body, StringComparison.Ordinal);
        await server.MustPutAsync("/v1/agent/check/pass/disk?note=roomy");
        Assert.Contains("roomy", (await server.GetAsync(Path)).Body, StringComparison.Ordinal);
        await server.MustPutAsync("/v1/agent/check/fail/disk");
        Assert.Equal("[]", (await server.GetAsync(Path)).Body);
        Assert.Contains("critical", (await server.GetAsync("/v1/health/service/web")).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Read_ByOneWhoMaySeeLess_ShowsLessAfterOneWhoMaySeeAll()
    {
        await using var server = await TestServer.StartGuardedAsync();
        await server.RegisterAsync("web");
        Assert.Single((await server.GetAsync(Path)).Json.EnumerateArray());
        server.Token = null;
        var answer = await server.GetAsync(Path);
        Assert.Equal((HttpStatusCode.OK, "[]"), (answer.Status, answer.Body));
        Assert.Equal("true", answer.Headers["X-Consul-Results-Filtered-By-ACLs"]);
        server.Token = TestServer.ManagementToken;
        Assert.Single((await server.GetAsync(Path)).Json.EnumerateArray());
    }

    [Theory]
    [InlineData("&tag=none")]
    [InlineData("&node-meta=none:x")]
    [InlineData("&filter=Service.Port%20%3D%3D%201")]
    public async Task Read_WithAConditionOfItsOwn_IsNotGivenTheAnswerOfOthers(string condition)
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("web");
        var plain = (await server.GetAsync(Path)).Body;
        Assert.Equal("[]", (await server.GetAsync(Path + condition)).Body);
        Assert.Equal(plain, (await server.GetAsync(Path)).Body);
        Assert.NotEqual(plain, (await server.GetAsync(Path + "&pretty")).Body);
    }

    private static WrittenJson Get(HealthAnswers answers, CatalogState catalog, string service, int length) =>
        answers.Get(catalog, catalog.Services[service], isConnect: false, passingOnly: true, () => Json(length));

    private static WrittenJson Json(int length) => new(new byte[length]);

    private static CatalogState WithInstance(CatalogState catalog, string name, ulong index) => catalog.WithInstance(
        new InstanceRecord("n1", new ServiceDefinition { Id = name, Name = name }, [], index, index), new StateChange(index));
}
