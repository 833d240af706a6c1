using System.Net;
using MeshClient.AspNetCore.Peers;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.Intentions;
using MeshClient.Core.Naming;
using MeshClient.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;

namespace MeshClient.AspNetCore.Tests.Listener;

/// <summary>Callers of another trust domain: believed by their own roots only, and let in by nothing but their whole id.</summary>
public sealed class FederationTests : IDisposable
{
    private static readonly ServiceName Batch = ServiceName.Parse("batch");

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("mesh-federation-");
    private readonly TestCertificateAuthority _partner = new("partner.test");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string RootsFile => Path.Combine(_folder.FullName, "partner.pem");

    public void Dispose()
    {
        _partner.Dispose();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task Call_FromAnotherTrustDomain_IsAllowedByItsWholeIdOnly()
    {
        await using var host = await StartAsync(IntentionAction.Allow);
        host.ControlPlane.SetIntentions(InboundTestHost.Orders, IntentionAction.Allow, Allow("web"), Allow("*"));
        using var client = CallerOf(host, _partner.IssueLeaf(InboundTestHost.Web));

        using (var answer = await client.GetAsync("/who", Token))
        {
            Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
        }

        AllowPartner(host, Allow("web"), Allow("*"));
        await Eventually.HoldsAsync(async () =>
        {
            using var answer = await client.GetAsync("/who", Token);
            return answer.StatusCode == HttpStatusCode.OK
                && await answer.Content.ReadAsStringAsync(Token) == _partner.IdOf(InboundTestHost.Web).ToString();
        });
    }

    [Theory]
    [InlineData("Enforce")]
    [InlineData("Shadow")]
    public async Task Call_RateOfAnotherTrustDomainIsLimited_ItsMembersShareItAndNobodyElseDoes(string mode)
    {
        await using var host = await StartAsync(
            IntentionAction.Deny,
            ("Mesh:Inbound:Mode", mode),
            ("Mesh:Inbound:Overload:CallerRateLimits:partner:Caller", "spiffe://partner.test"),
            ("Mesh:Inbound:Overload:CallerRateLimits:partner:PerSecond", "0.001"),
            ("Mesh:Inbound:Overload:CallerRateLimits:partner:Burst", "3"));
        AllowPartner(host, Allow(_partner.IdOf(Batch).ToString()), Allow("web"));
        using var ours = host.CallerFrom("web");
        using var web = CallerOf(host, _partner.IssueLeaf(InboundTestHost.Web));
        using var batch = CallerOf(host, _partner.IssueLeaf(Batch));
        await Eventually.HoldsAsync(async () => await StatusAsync(ours) == HttpStatusCode.OK);

        var statuses = new List<HttpStatusCode>();
        foreach (var client in (HttpClient[])[web, batch, web, batch, web, ours, ours, ours, ours])
        {
            statuses.Add(await StatusAsync(client));
        }

        Assert.Equal("200 200 200 429 429 200 200 200 200", string.Join(' ', statuses.Select(status => (int)status)));
    }

    [Fact]
    public async Task Connect_RootVouchesForAnotherTrustDomain_IsRefused()
    {
        await using var host = await StartAsync(IntentionAction.Allow);
        _ = host.Metrics;
        var mesh = host.ControlPlane.Authority;
        AllowPartner(host);

        // Ours about a member of theirs, theirs about a member of ours.
        using var ours = mesh.Issue(LeafBlueprint.For(_partner.IdOf(InboundTestHost.Web)));
        using var theirs = _partner.Issue(LeafBlueprint.For(mesh.IdOf(InboundTestHost.Web)));
        foreach (var flawed in (IssuedCertificate[])[ours, theirs])
        {
            using var client = MeshCaller.Create(host, MeshCaller.ContextOf(flawed));
            await Assert.ThrowsAsync<HttpRequestException>(() => client.GetAsync("/who", Token));
        }

        await Eventually.HoldsAsync(() => host.Logs.Of(103).Any(line => line.Text.Contains("roots of its trust domain", StringComparison.Ordinal)));
        Assert.Empty(host.Metrics.Of("meshclient.inbound.requests"));
    }

    [Fact]
    public async Task Connect_TrustDomainNobodyNamed_IsRefused()
    {
        await using var host = await StartAsync(IntentionAction.Allow);
        using var stranger = new TestCertificateAuthority("stranger.test");
        using var client = CallerOf(host, stranger.IssueLeaf(InboundTestHost.Web));
        await Assert.ThrowsAsync<HttpRequestException>(() => client.GetAsync("/who", Token));
    }

    [Fact]
    public async Task RootsFile_Replaced_HoldsForNewConnections()
    {
        await using var host = await StartAsync(IntentionAction.Deny);
        AllowPartner(host);
        _partner.Rotate(crossSign: false);
        var renewed = _partner.IssueLeaf(InboundTestHost.Web);
        using (var early = CallerOf(host, renewed))
        {
            await Assert.ThrowsAsync<HttpRequestException>(() => early.GetAsync("/who", Token));
        }

        Write();
        await Eventually.HoldsAsync(async () =>
        {
            using var client = CallerOf(host, renewed);
            try
            {
                using var answer = await client.GetAsync("/who", Token);
                return answer.IsSuccessStatusCode;
            }
            catch (HttpRequestException)
            {
                return false;
            }
        });
    }

    [Theory]
    [InlineData("partner.test", "missing.pem", "cannot be used")]
    [InlineData("partner test", null, "is not a trust domain")]
    [InlineData("partner.test", "", "RootsFile is missing")]
    public async Task Start_TrustDomainThatCannotBeUsed_StopsTheApp(string domain, string? file, string expected)
    {
        Write();
        var failure = await Assert.ThrowsAsync<OptionsValidationException>(() => InboundTestHost.StartAsync(settings: new Dictionary<string, string?>
        {
            [$"Mesh:Identity:TrustDomains:{domain}:RootsFile"] = file switch { null => RootsFile, "" => "", _ => Path.Combine(_folder.FullName, file) },
        }));
        Assert.Contains(expected, failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_OwnTrustDomainAmongTheOthers_StopsTheApp()
    {
        Write();
        using var plane = new InMemoryControlPlane();
        var own = plane.Authority.Bundle.TrustDomain;
        var failure = await Assert.ThrowsAsync<InvalidOperationException>(() => InboundTestHost.StartAsync(
            controlPlane: plane, settings: new Dictionary<string, string?> { [$"Mesh:Identity:TrustDomains:{own}:RootsFile"] = RootsFile }));
        Assert.Contains($"Mesh:Identity:TrustDomains:{own}", failure.Message, StringComparison.Ordinal);
    }

    private static async Task<HttpStatusCode> StatusAsync(HttpClient client)
    {
        using var answer = await client.GetAsync("/who", Token);
        return answer.StatusCode;
    }

    private static HttpClient CallerOf(InboundTestHost host, Core.Identity.LeafCertificate leaf) => MeshCaller.Create(host, MeshCaller.ContextOf(leaf));

    private static Intention Allow(string source) => new()
    {
        Id = $"{source}->orders",
        Source = source,
        Destination = InboundTestHost.Orders.Value,
        Action = IntentionAction.Allow,
    };

    private void AllowPartner(InboundTestHost host, params Intention[] others) => host.ControlPlane.SetIntentions(
        InboundTestHost.Orders, IntentionAction.Deny, [Allow(_partner.IdOf(InboundTestHost.Web).ToString()), .. others]);

    private void Write() => File.WriteAllText(RootsFile, string.Concat(_partner.Bundle.Roots.Select(root => root.ExportCertificatePem() + "\n")));

    private async Task<InboundTestHost> StartAsync(IntentionAction defaultAction, params (string Key, string Value)[] others)
    {
        Write();
        var plane = new InMemoryControlPlane();
        plane.SetDefaultAction(defaultAction);
        return await InboundTestHost.StartAsync(
            map: app => app.MapGet("/who", (HttpContext context) => Results.Text(context.Features.Get<IMeshPeerFeature>()!.Id.ToString())),
            controlPlane: plane,
            settings: new Dictionary<string, string?>(others.Select(one => KeyValuePair.Create<string, string?>(one.Key, one.Value)))
            {
                ["Mesh:Identity:TrustDomains:partner.test:RootsFile"] = RootsFile,
                ["Mesh:Identity:FileInterval"] = "00:00:00.100",
            });
    }
}
