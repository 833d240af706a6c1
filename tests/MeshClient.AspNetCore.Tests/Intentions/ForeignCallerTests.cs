using MeshClient.AspNetCore.Inbound;
using MeshClient.AspNetCore.Intentions;
using MeshClient.AspNetCore.Peers;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.Intentions;
using MeshClient.Core.Naming;
using MeshClient.Testing;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.AspNetCore.Tests.Intentions;

/// <summary>Callers of another trust domain never pass for ours of the same name; and callers named by their whole id.</summary>
public sealed class ForeignCallerTests
{
    private const string Web = "spiffe://theirs.example/ns/default/dc/dc1/svc/web";
    private const string Ops = "spiffe://theirs.example/ns/default/dc/dc1/svc/ops";

    [Fact]
    public async Task Evaluator_OfForeigners_GoesByTheRulesThatNameTheirIdAndNothingElse()
    {
        using var plane = new InMemoryControlPlane();
        plane.SetIntentions(
            InboundTestHost.Orders,
            IntentionAction.Allow,
            Allow("web"),
            Allow(Intention.Wildcard),
            Allow(Ops));
        await using var host = await InboundTestHost.StartAsync(controlPlane: plane);
        var intentions = host.Services.GetRequiredService<InboundIntentions>();

        Assert.False(Decide(intentions, Web, isForeign: true).IsAllowed);
        Assert.Equal("default", Decide(intentions, Web, isForeign: true).Rule);
        Assert.True(Decide(intentions, Ops, isForeign: true).IsAllowed);
        Assert.True(Decide(intentions, Web, isForeign: false).IsAllowed);
    }

    [Theory]
    [InlineData("id", IntentionAction.Allow, null, IntentionAction.Deny, "dc1", true)]
    [InlineData("id", IntentionAction.Allow, null, IntentionAction.Deny, "dc2", false)]
    [InlineData("id", IntentionAction.Deny, null, IntentionAction.Allow, "dc1", false)]
    [InlineData("id", IntentionAction.Deny, null, IntentionAction.Allow, "dc2", true)]
    [InlineData("id", IntentionAction.Deny, IntentionAction.Allow, IntentionAction.Allow, "dc1", false)]
    [InlineData("id", IntentionAction.Allow, IntentionAction.Deny, IntentionAction.Allow, "dc1", false)]
    [InlineData("another", IntentionAction.Allow, null, IntentionAction.Deny, "dc1", false)]
    public async Task Request_IntentionNamesTheIdOfACallerOfThisDomain_IsDecidedByIt(
        string named, IntentionAction ofId, IntentionAction? ofName, IntentionAction otherwise, string datacenter, bool isAllowed)
    {
        using var plane = new InMemoryControlPlane();
        var web = SpiffeId.ForService(plane.Authority.Bundle.TrustDomain, "dc1", ServiceName.Parse(named == "id" ? "web" : "batch"));
        plane.SetIntentions(
            InboundTestHost.Orders,
            otherwise,
            [Allow(web.ToString()) with { Action = ofId }, .. ofName is { } action ? [Allow("web") with { Action = action }] : Array.Empty<Intention>()]);
        await using var host = await InboundTestHost.StartAsync(controlPlane: plane);
        using var leaf = plane.Authority.Issue(LeafBlueprint.For(
            SpiffeId.ForService(plane.Authority.Bundle.TrustDomain, datacenter, InboundTestHost.Web)));
        using var client = MeshCaller.Create(host, MeshCaller.ContextOf(leaf));

        using var answer = await client.GetAsync("/hello", TestContext.Current.CancellationToken);

        Assert.Equal(isAllowed ? 200 : 403, (int)answer.StatusCode);
    }

    [Fact]
    public async Task Evaluator_IntentionNamesTheIdOfACallerOfThisDomain_IsShownAsItWasWritten()
    {
        using var plane = new InMemoryControlPlane();
        var web = SpiffeId.ForService(plane.Authority.Bundle.TrustDomain, "dc1", InboundTestHost.Web).ToString();
        plane.SetIntentions(InboundTestHost.Orders, IntentionAction.Allow, Allow(web) with { Action = IntentionAction.Deny }, Allow("web"));
        await using var host = await InboundTestHost.StartAsync(controlPlane: plane);

        var verdict = Decide(host.Services.GetRequiredService<InboundIntentions>(), web, isForeign: false);

        Assert.False(verdict.IsAllowed);
        Assert.Contains($"{web} => orders", verdict.Reason, StringComparison.Ordinal);
    }

    private static IntentionVerdict Decide(InboundIntentions intentions, string id, bool isForeign)
    {
        var spiffe = SpiffeId.Parse(id);
        Assert.True(spiffe.TryGetService(out var service));
        var peer = new MeshPeer(spiffe, service, default, isForeign);
        return intentions.EvaluatorFor(peer)!.EvaluateRequest(peer.Source, "GET", "/", new HeaderLookup(new HeaderDictionary()));
    }

    private static Intention Allow(string source) =>
        new() { Id = source, Source = source, Destination = "orders", Action = IntentionAction.Allow };
}
