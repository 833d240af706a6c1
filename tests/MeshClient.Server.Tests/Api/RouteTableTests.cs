using MeshClient.Server.Api;

namespace MeshClient.Server.Tests.Api;

public sealed class RouteTableTests
{
    private readonly RouteTable _routes = new();

    public RouteTableTests()
    {
        foreach (var pattern in new[] { "/v1/a", "/v1/a/", "/v1/a/b", "/v1/a/b/" })
        {
            _routes.Map("GET", pattern, _ => Task.CompletedTask);
        }
    }

    [Theory]
    [InlineData("/v1/a", "")]
    [InlineData("/v1/a/", "")]
    [InlineData("/v1/a/x", "x")]
    [InlineData("/v1/a/b", "")]
    [InlineData("/v1/a/b/", "")]
    [InlineData("/v1/a/b/c/d", "c/d")]
    [InlineData("/v1/a/x%2Fy", "x%2Fy")]
    public void Find_OfAKnownPath_GivesTheRestBelowTheLongestPattern(string path, string rest)
    {
        Assert.NotNull(_routes.Find(path, out var found));
        Assert.Equal(rest, found);
    }

    [Theory]
    [InlineData("/")]
    [InlineData("")]
    [InlineData("/v1")]
    [InlineData("/v1/")]
    [InlineData("/V1/a")]
    [InlineData("/v1/ab")]
    [InlineData("/v2/a/b")]
    public void Find_OfAnUnknownPath_FindsNone(string path) => Assert.Null(_routes.Find(path, out _));
}
