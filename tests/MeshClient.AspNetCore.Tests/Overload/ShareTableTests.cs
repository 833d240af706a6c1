using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Overload;
using MeshClient.AspNetCore.Peers;
using MeshClient.Core.Naming;
using MeshClient.Overload;
using Microsoft.AspNetCore.Http;

namespace MeshClient.AspNetCore.Tests.Overload;

public sealed class ShareTableTests
{
    private const string WebOfDc2 = "spiffe://mesh.test/ns/default/dc/dc2/svc/web";

    private static readonly ShareTable Table = new(new Dictionary<string, MeshInboundShareOptions>
    {
        ["web"] = new() { Caller = "web", Percent = 30 },
        ["urgent web"] = new() { Caller = "web", Priority = MeshPriority.High, Percent = 20 },
        ["web of dc2"] = new() { Caller = WebOfDc2, Percent = 10 },
        ["urgent"] = new() { Priority = MeshPriority.High, Percent = 10 },
        ["idle"] = new() { Priority = MeshPriority.Low, Percent = 5 },
    });

    [Theory]
    [InlineData("web", "dc1", null, "web")]
    [InlineData("web", "dc1", "high", "urgent web")]
    [InlineData("web", "dc1", "low", "web")]
    [InlineData("web", "dc2", null, "web of dc2")]
    [InlineData("web", "dc2", "high", "web of dc2")]
    [InlineData("batch", "dc1", null, "(others)")]
    [InlineData("batch", "dc1", "normal", "(others)")]
    [InlineData("batch", "dc2", "high", "urgent")]
    [InlineData("batch", "dc1", "LOW", "idle")]
    public void Find_CallerAndPriority_IsTheMostExactShare(string service, string datacenter, string? priority, string expected) =>
        Assert.Equal(expected, Find(Table, "mesh.test", service, datacenter, priority));

    [Theory]
    [InlineData("web", null, "(others)")]
    [InlineData("web", "high", "urgent")]
    [InlineData("shop", null, "shop of partner")]
    [InlineData("shop", "high", "urgent")]
    public void Find_MemberOfAnotherTrustDomain_NeverHasTheShareOfAServiceOfThisOne(string service, string? priority, string expected)
    {
        var table = new ShareTable(new Dictionary<string, MeshInboundShareOptions>
        {
            ["web"] = new() { Caller = "web", Percent = 30 },
            ["shop"] = new() { Caller = "shop", Percent = 10 },
            ["urgent shop"] = new() { Caller = "shop", Priority = MeshPriority.High, Percent = 10 },
            ["shop of partner"] = new() { Caller = "spiffe://partner.test/ns/default/dc/dc1/svc/shop", Priority = MeshPriority.Normal, Percent = 10 },
            ["urgent"] = new() { Priority = MeshPriority.High, Percent = 10 },
        });

        Assert.Equal(expected, Find(table, "partner.test", service, "dc1", priority, isForeign: true));
    }

    [Theory]
    [InlineData("(others)", 25)]
    [InlineData("web", 30)]
    public void All_OfAHundred_AddUp(string name, int expected) =>
        Assert.Equal(expected, Table.All.Single(share => share.Name == name).Of(100));

    private static string Find(
        ShareTable table, string trustDomain, string service, string datacenter, string? priority, bool isForeign = false)
    {
        var id = SpiffeId.ForService(trustDomain, datacenter, ServiceName.Parse(service));
        Assert.True(id.TryGetService(out var named));
        var headers = new HeaderDictionary();
        if (priority is not null)
        {
            headers[MeshPriorityExtensions.HeaderName] = priority;
        }

        return table.Find(new MeshPeer(id, named, default, isForeign), headers).Name;
    }
}
