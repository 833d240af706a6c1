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

/// <summary>Callers of another trust domain never pass for ours of the same name.</summary>
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
