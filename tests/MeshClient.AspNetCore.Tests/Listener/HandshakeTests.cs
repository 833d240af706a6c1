using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.Intentions;
using MeshClient.Testing;

namespace MeshClient.AspNetCore.Tests.Listener;

public sealed class HandshakeTests
{
    [Theory]
    [InlineData(LeafFlaw.ClientOnly)]
    [InlineData(LeafFlaw.OtherDatacenter)]
    public async Task Connect_WithCertificateGoodForACaller_IsServed(LeafFlaw flaw)
    {
        await using var host = await StartOpenAsync();
        using var odd = host.ControlPlane.Authority.IssueFlawed(InboundTestHost.Web, flaw);

        Assert.Equal("hello", await CallAsync(host, MeshCaller.ContextOf(odd)));
    }

    [Fact]
    public async Task Connect_AfterRenewal_GetsTheNewCertificateWhileOldConnectionsGoOn()
    {
        await using var host = await StartOpenAsync();
        var seen = new List<string>();
        void Note(X509Certificate2 server)
        {
            lock (seen)
            {
                seen.Add(server.SerialNumber);
            }
        }

        var context = MeshCaller.ContextOf(host.ControlPlane.Authority.IssueLeaf(InboundTestHost.Web));
        using var old = MeshCaller.Create(host, context, Note);
        Assert.Equal("hello", await old.GetStringAsync("/hello", TestContext.Current.CancellationToken));

        host.ControlPlane.RenewLeaves();
        await Eventually.HoldsAsync(async () =>
        {
            using var fresh = MeshCaller.Create(host, context, Note);
            Assert.Equal("hello", await fresh.GetStringAsync("/hello", TestContext.Current.CancellationToken));
            return seen.Distinct().Count() == 2;
        });
        var handshakes = seen.Count;

        Assert.Equal("hello", await old.GetStringAsync("/hello", TestContext.Current.CancellationToken));
        Assert.Equal(handshakes, seen.Count);
    }

    [Fact]
    public async Task Connect_AfterRootsRotated_ServesBothGenerations()
    {
        await using var host = await StartOpenAsync();
        var before = MeshCaller.ContextOf(host.ControlPlane.Authority.IssueLeaf(InboundTestHost.Web));

        host.ControlPlane.RotateRoots();
        var after = MeshCaller.ContextOf(host.ControlPlane.Authority.IssueLeaf(InboundTestHost.Web));

        await Eventually.HoldsAsync(async () => await CallAsync(host, after) == "hello");
        Assert.Equal("hello", await CallAsync(host, before));
    }

    private static async Task<InboundTestHost> StartOpenAsync()
    {
        var plane = new InMemoryControlPlane();
        plane.SetDefaultAction(IntentionAction.Allow);
        return await InboundTestHost.StartAsync(controlPlane: plane);
    }

    private static async Task<string?> CallAsync(InboundTestHost host, SslStreamCertificateContext? certificate)
    {
        using var client = MeshCaller.Create(host, certificate);
        try
        {
            return await client.GetStringAsync("/hello", TestContext.Current.CancellationToken);
        }
        catch (HttpRequestException)
        {
            return null;
        }
    }
}
