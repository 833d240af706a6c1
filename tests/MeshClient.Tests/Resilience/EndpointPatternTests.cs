using MeshClient.Resilience;

namespace MeshClient.Tests.Resilience;

public sealed class EndpointPatternTests
{
    [Theory]
    [InlineData("/quotes", "POST", "/quotes", true)]
    [InlineData("/quotes", "POST", "/quotes/", false)]
    [InlineData("/quotes", "POST", "/Quotes", false)]
    [InlineData("/quotes", "POST", "/quotes?for=1", true)]
    [InlineData("POST /quotes", "POST", "/quotes", true)]
    [InlineData("post  /quotes", "POST", "/quotes", true)]
    [InlineData("POST /quotes", "PATCH", "/quotes", false)]
    [InlineData("/quotes/*/preview", "POST", "/quotes/7/preview", true)]
    [InlineData("/quotes/*/preview", "POST", "/quotes//preview", true)]
    [InlineData("/quotes/*/preview", "POST", "/quotes/7/8/preview", false)]
    [InlineData("/quotes/**", "POST", "/quotes/7/8/preview", true)]
    [InlineData("/quotes/**", "POST", "/other/quotes/7", false)]
    [InlineData("/pkg.Service/Get*", "POST", "/pkg.Service/GetOrder", true)]
    [InlineData("/pkg.Service/Get*", "POST", "/pkgXService/GetOrder", false)]
    [InlineData("/pkg.Service/Get*", "POST", "/pkg.Service/PlaceOrder", false)]
    public void Matches_MethodAndPath_AsThePatternSays(string text, string method, string path, bool expected)
    {
        Assert.True(EndpointPattern.TryParse(text, out var pattern));
        using var request = new HttpRequestMessage(new HttpMethod(method), "https://orders" + path);
        Assert.Equal(expected, pattern.Matches(request));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("quotes")]
    [InlineData("POST")]
    [InlineData("P0ST /quotes")]
    [InlineData("POST /quotes x")]
    public void TryParse_NoPattern_IsRefused(string? text) => Assert.False(EndpointPattern.TryParse(text, out _));

    [Fact(Timeout = 10_000)]
    public Task Matches_ManyStarsAndALongPath_IsQuick() => Task.Run(() =>
    {
        Assert.True(EndpointPattern.TryParse("/" + string.Concat(Enumerable.Repeat("**a", 20)) + "/end", out var pattern));
        using var request = new HttpRequestMessage(HttpMethod.Get, "https://orders/" + new string('a', 5000));
        Assert.False(pattern.Matches(request));
    }, TestContext.Current.CancellationToken);
}
