using MeshClient.Balancing;

namespace MeshClient.Tests.Balancing;

public sealed class HashKeyTests
{
    [Theory]
    [InlineData("header:X-User", true)]
    [InlineData("cookie:session", true)]
    [InlineData("query:id", true)]
    [InlineData("path", true)]
    [InlineData("header:X-Tenant, path", true)]
    [InlineData(null, false)]
    [InlineData("", false)]
    [InlineData("header", false)]
    [InlineData("header:", false)]
    [InlineData("path:x", false)]
    [InlineData("body", false)]
    [InlineData("header:a,,path", false)]
    public void TryParse_Text_IsAKeyOrNot(string? text, bool isKey) => Assert.Equal(isKey, HashKey.TryParse(text, out _));

    [Theory]
    [InlineData("header:x-user", "ann")]
    [InlineData("cookie:session", "s 1")]
    [InlineData("query:id", "42")]
    [InlineData("path", "/things/1")]
    public void Of_ThePartIsThere_IsItsHash(string key, string expected) =>
        Assert.Equal(XxHash64.Hash(expected), Of(key, Full()));

    [Theory]
    [InlineData("header:other")]
    [InlineData("cookie:essio")]
    [InlineData("query:d")]
    public void Of_ThePartIsNotThere_IsNone(string key) => Assert.Null(Of(key, Full()));

    [Fact]
    public void Of_SeveralParts_DependsOnEachAndOnTheirOrder()
    {
        ulong?[] hashes = [Of("header:x-user", Full()), Of("header:x-user,path", Full()), Of("path,header:x-user", Full())];
        Assert.Equal(3, hashes.Distinct().Count());
        Assert.Equal(Of("header:x-user", Full()), Of("header:other,header:x-user", Full()));
    }

    [Fact]
    public void Of_HeaderOfTheBody_IsFound()
    {
        var request = new HttpRequestMessage { Content = new StringContent("x") };
        Assert.NotNull(Of("header:content-type", request));
    }

    [Fact]
    public void Of_CookiesInSeveralLines_FindsEach()
    {
        var request = new HttpRequestMessage(HttpMethod.Get, "http://orders/");
        request.Headers.Add("Cookie", "a=b");
        request.Headers.Add("Cookie", "session=s1");
        request.Headers.Add("Cookie", "c=d");
        Assert.True(HashKey.TryParse("cookie:session", out var key));
        Assert.Equal(XxHash64.Hash("s1"), key.Of(request));
        Assert.Equal(XxHash64.Hash("b"), Of("cookie:a", request));
    }

    private static ulong? Of(string key, HttpRequestMessage request)
    {
        Assert.True(HashKey.TryParse(key, out var parsed));
        using (request)
        {
            return parsed.Of(request);
        }
    }

    private static HttpRequestMessage Full()
    {
        var request = new HttpRequestMessage(HttpMethod.Get, "http://orders/things/1?x=y&id=42&id=43");
        request.Headers.Add("X-User", "ann");
        request.Headers.Add("Cookie", "a=b; session=s 1; c=d");
        return request;
    }
}
