using MeshClient.Consul.Tests.Fakes;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Intentions;
using MeshClient.Core.Naming;
using Microsoft.AspNetCore.Http;

namespace MeshClient.Consul.Tests.Intentions;

public sealed class IntentionReaderTests
{
    private const string Match = "/v1/connect/intentions/match";
    private const string All = "/v1/connect/intentions";
    private const string MatchCall = "GET /v1/connect/intentions/match?by=destination&name=orders";
    private const string Allow = """{"orders":[{"ID":"1","SourceName":"web","DestinationName":"orders","Action":"allow"}]}""";
    private const string Deny = """{"orders":[{"ID":"1","SourceName":"web","DestinationName":"orders","Action":"deny"}]}""";
    private static readonly ServiceName Orders = ServiceName.Parse("orders");
    private readonly FakeCatalog _catalog = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Watch_ServerSendsIndexWithTheMatch_ParksThere()
    {
        _catalog.Set(Match, Allow);
        await using var registry = await FakeRegistry.StartAsync(_catalog.HandleAsync);
        using var plane = registry.CreatePlane();
        var first = await plane.ReadIntentionsAsync(Orders, 0, Cancellation);
        var watching = plane.ReadIntentionsAsync(Orders, first.Index, Cancellation);
        await Eventually.TrueAsync(() => _catalog.ParkedOn(Match) == 1, "parked");

        _catalog.Set(Match, Deny);

        Assert.Equal(IntentionAction.Deny, (await watching).Value.Intentions[0].Action);
        Assert.Equal([MatchCall, $"{MatchCall}&index=11&wait=10000ms"], registry.Calls);
    }

    [Fact]
    public async Task Watch_ServerSendsNoIndexWithTheMatch_ParksOnTheList()
    {
        _catalog.WithoutIndex.Add(Match);
        _catalog.Set(Match, Allow);
        _catalog.Set(All, "[]");
        await using var registry = await FakeRegistry.StartAsync(_catalog.HandleAsync);
        using var plane = registry.CreatePlane();
        var first = await plane.ReadIntentionsAsync(Orders, 0, Cancellation);
        var watching = plane.ReadIntentionsAsync(Orders, first.Index, Cancellation);
        await Eventually.TrueAsync(() => _catalog.ParkedOn(All) == 1, "parked");
        Assert.Equal(0, _catalog.ParkedOn(Match));

        _catalog.Set(Match, Deny);
        _catalog.Set(All, "[]");

        Assert.Equal(IntentionAction.Deny, (await watching).Value.Intentions[0].Action);
    }

    [Fact]
    public async Task Watch_ServerStopsSendingTheIndex_BeginsAgain()
    {
        _catalog.Set(Match, Allow);
        await using var registry = await FakeRegistry.StartAsync(_catalog.HandleAsync);
        using var plane = registry.CreatePlane();
        var first = await plane.ReadIntentionsAsync(Orders, 0, Cancellation);
        _catalog.WithoutIndex.Add(Match);
        _catalog.Set(Match, Deny);

        var second = await plane.ReadIntentionsAsync(Orders, first.Index, Cancellation);
        await plane.ReadIntentionsAsync(Orders, second.Index, Cancellation);

        Assert.Equal(MatchCall, registry.Calls.Last());
        Assert.Contains(registry.Calls, call => call.StartsWith("GET /v1/connect/intentions?", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("allow", IntentionAction.Allow)]
    [InlineData("deny", IntentionAction.Deny)]
    [InlineData("whatever", null)]
    [InlineData(null, null)]
    public async Task Read_DefaultPolicyHeader_IsTheDefaultAction(string? header, IntentionAction? expected)
    {
        await using var registry = await FakeRegistry.StartAsync(context =>
        {
            if (header is not null)
            {
                context.Response.Headers["X-Consul-Default-ACL-Policy"] = header;
            }

            return FakeRegistry.AnswerAsync(context, Allow, 5);
        });
        using var plane = registry.CreatePlane();

        Assert.Equal(expected, (await plane.ReadIntentionsAsync(Orders, 0, Cancellation)).Value.DefaultAction);
    }

    [Theory]
    [InlineData("""{"orders":null}""")]
    [InlineData("""{"Orders":[]}""")]
    public async Task Read_None_IsEmpty(string body)
    {
        await using var registry = await FakeRegistry.StartAsync(body, 5);
        using var plane = registry.CreatePlane();

        Assert.Empty((await plane.ReadIntentionsAsync(Orders, 0, Cancellation)).Value.Intentions);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("""{"payments":[]}""")]
    [InlineData("""{"orders":{"a":1}}""")]
    [InlineData("""[{"SourceName":"web"}]""")]
    [InlineData("<html>")]
    public async Task Read_AnswerAboutSomethingElse_IsMalformedAndNotEmpty(string body)
    {
        await using var registry = await FakeRegistry.StartAsync(body, 5);
        using var plane = registry.CreatePlane();

        var e = await Assert.ThrowsAsync<ControlPlaneException>(() => plane.ReadIntentionsAsync(Orders, 0, Cancellation));

        Assert.Equal(ControlPlaneFailure.Malformed, e.Failure);
    }

    // The first so many of them could be the ones that allow.
    [Fact]
    public async Task Read_MoreIntentionsThanSupported_IsRefusedWhole()
    {
        const string one = """{"SourceName":"web","DestinationName":"orders","Action":"allow"}""";
        foreach (var (count, isRead) in new[] { (IntentionLimits.Intentions, true), (IntentionLimits.Intentions + 1, false) })
        {
            await using var registry = await FakeRegistry.StartAsync($$"""{"orders":[{{string.Join(',', Enumerable.Repeat(one, count))}}]}""", 5);
            using var plane = registry.CreatePlane();

            var failure = await Record.ExceptionAsync(() => plane.ReadIntentionsAsync(Orders, 0, Cancellation));

            Assert.Equal(isRead ? null : ControlPlaneFailure.Malformed, (failure as ControlPlaneException)?.Failure);
        }
    }
}
