using MeshClient.AspNetCore.Endpoints;
using MeshClient.AspNetCore.Peers;
using MeshClient.Core.Naming;

namespace MeshClient.AspNetCore.Tests.Endpoints;

/// <summary>Whom a list of callers lets in.</summary>
public sealed class CallerListTests
{
    private const string Ours = "spiffe://ours.example/ns/default/dc/dc1/svc/web";
    private const string Theirs = "spiffe://theirs.example/ns/default/dc/dc1/svc/web";

    [Theory]
    [InlineData(Ours, false, "web", true)]
    [InlineData(Ours, false, "Web", false)]
    [InlineData(Ours, false, "", true)]
    [InlineData(Ours, false, Ours, true)]
    [InlineData(Ours, false, Theirs, false)]
    [InlineData(Theirs, true, "web", false)]
    [InlineData(Theirs, true, "", false)]
    [InlineData(Theirs, true, Theirs, true)]
    [InlineData(Theirs, true, Ours, false)]
    [InlineData(Ours, false, "not a name", false)]
    public void Allows_APeer_ByNameOnlyWhereItIsOfOurTrustDomain(string id, bool isForeign, string names, bool expected)
    {
        var spiffe = SpiffeId.Parse(id);
        Assert.True(spiffe.TryGetService(out var service));
        var peer = new MeshPeer(spiffe, service, default, isForeign);

        Assert.Equal(expected, new CallerList(names.Length == 0 ? [] : [names]).Allows(peer));
    }

    [Fact]
    public void Allows_Nobody_Never()
    {
        Assert.False(new CallerList([]).Allows(null));
        Assert.False(new CallerList(["web"]).Allows(null));
    }
}
