using FsCheck;
using FsCheck.Fluent;
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
    [InlineData("/", "POST", "/", true)]
    [InlineData("/", "POST", "/a", false)]
    [InlineData("/**", "POST", "/", true)]
    [InlineData("/a**", "POST", "/ab/c", true)]
    [InlineData("/**/end", "POST", "/a/b/end", true)]
    [InlineData("/orders/{id}", "POST", "/orders/7", true)]
    [InlineData("/orders/{}", "POST", "/orders/a%20b", true)]
    [InlineData("/orders/{id}", "POST", "/orders/", false)]
    [InlineData("/orders/{id}", "POST", "/orders", false)]
    [InlineData("/orders/{id}", "POST", "/orders/7/8", false)]
    [InlineData("/orders/{id}", "POST", "/orders/7/", false)]
    [InlineData("/orders/{id}/lines/**", "POST", "/orders/7/lines/8/9", true)]
    [InlineData("/orders/{id}/lines/**", "POST", "/orders//lines/8/9", false)]
    [InlineData("/orders/{id:int}", "POST", "/orders/-999999999", true)]
    [InlineData("/orders/{id:int}", "POST", "/orders/1234567890", false)]
    [InlineData("/orders/{id:int}", "POST", "/orders/cancel", false)]
    [InlineData("/orders/{id:int}", "POST", "/orders/+7", false)]
    [InlineData("/orders/{id:int}", "POST", "/orders/-", false)]
    [InlineData("/orders/{id:long}", "POST", "/orders/123456789012345678", true)]
    [InlineData("/orders/{id:long}", "POST", "/orders/1234567890123456789", false)]
    [InlineData("/orders/{id:guid}", "POST", "/orders/6f9619ff-8b86-d011-b42d-00c04fc964ff", true)]
    [InlineData("/orders/{id:guid}", "POST", "/orders/6f9619ff8b86d011b42d00c04fc964ff", false)]
    [InlineData("/orders/{id:alpha}", "POST", "/orders/aZ", true)]
    [InlineData("/orders/{id:alpha}", "POST", "/orders/a7", false)]
    [InlineData("/orders/{id:bool}", "POST", "/orders/True", true)]
    [InlineData("/orders/{id:bool}", "POST", "/orders/yes", false)]
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
    [InlineData("/orders/{id")]
    [InlineData("/orders/{id}x")]
    [InlineData("/orders/{id:float}")]
    [InlineData("/orders/{id:int:min}")]
    [InlineData("/orders/{i d}")]
    [InlineData("/orders/{id}/a*")]
    [InlineData("/**/{id}")]
    public void TryParse_NoPattern_IsRefused(string? text) => Assert.False(EndpointPattern.TryParse(text, out _));

    [Fact]
    public void Matches_AnyPatternOfStars_AsTheExpressionItStandsFor()
    {
        var part = Gen.Elements("", "a", "b", "*", "**", "a*", "{x}");
        var piece = Gen.Elements("", "a", "b", "ab");
        var pairs = part.NonEmptyListOf().Zip(piece.NonEmptyListOf(), (parts, pieces) => (Pattern: "/" + string.Join('/', parts), Path: "/" + string.Join('/', pieces)));
        Prop.ForAll(pairs.ToArbitrary(), pair =>
        {
            // Written again from the words of the setting, all at once and with nothing split.
            var expression = string.Concat(System.Text.RegularExpressions.Regex.Split(pair.Pattern, @"(\*\*|\*|\{x\})").Select(token => token switch
            {
                "**" => ".*",
                "*" => "[^/]*",
                "{x}" => "[^/]+",
                _ => System.Text.RegularExpressions.Regex.Escape(token),
            }));
            return !EndpointPattern.TryParse(pair.Pattern, out var pattern)
                || pattern.Matches("POST", pair.Path) == System.Text.RegularExpressions.Regex.IsMatch(pair.Path, $"^{expression}$");
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(2000));
    }

    [Fact(Timeout = 10_000)]
    public Task Matches_ManyStarsAndALongPath_IsQuick() => Task.Run(() =>
    {
        Assert.True(EndpointPattern.TryParse("/" + string.Concat(Enumerable.Repeat("**a", 20)) + "/end", out var pattern));
        using var request = new HttpRequestMessage(HttpMethod.Get, "https://orders/" + new string('a', 5000));
        Assert.False(pattern.Matches(request));
    }, TestContext.Current.CancellationToken);
}
