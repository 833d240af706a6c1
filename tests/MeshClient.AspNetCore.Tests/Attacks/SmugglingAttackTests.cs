namespace MeshClient.AspNetCore.Tests.Attacks;

/// <summary>
/// Requests written so that two readers would not agree on where they end or what they ask for. There is one reader here: the
/// server; what it takes for a request is what intentions decide about, and what the app sees, and a connection is one caller's
/// from beginning to end. So a request of doubtful length is refused and its connection ended, and a request inside another
/// never passes for allowed.
/// </summary>
public sealed class SmugglingAttackTests
{
    private const string Hidden = "GET /admin/keys HTTP/1.1\r\nHost: orders\r\n\r\n";
    private const string Post = "POST /public/a HTTP/1.1\r\nHost: orders\r\n";

    [Theory]
    // Lengths that contradict each other, or are none.
    [InlineData(Post + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef")]
    [InlineData(Post + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nabcde")]
    [InlineData(Post + "Content-Length: 5, 5\r\n\r\nabcde")]
    [InlineData(Post + "Content-Length: -5\r\n\r\nabcde")]
    [InlineData(Post + "Content-Length: 0x5\r\n\r\nabcde")]
    [InlineData(Post + "Content-Length: 5 5\r\n\r\nabcde")]
    [InlineData(Post + "Content-Length: \r\n\r\n")]
    [InlineData(Post + "Content-Length: 99999999999999999999\r\n\r\n")]
    // Codings that others might not see, or see differently.
    [InlineData(Post + "Transfer-Encoding: identity\r\n\r\n" + Hidden)]
    [InlineData(Post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n")]
    [InlineData(Post + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n")]
    [InlineData(Post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n")]
    [InlineData(Post + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n")]
    [InlineData(Post + "Transfer-Encoding: \u000bchunked\r\n\r\n0\r\n\r\n")]
    // Lines that end, or go on, where others do not see it.
    [InlineData("GET /public/a HTTP/1.1\rHost: orders\r\r")]
    [InlineData(Post + "X-Fold: a\r\n b: c\r\nContent-Length: 0\r\n\r\n")]
    [InlineData(Post + "X-Fold: a\r\n\tContent-Length: 5\r\n\r\nabcde")]
    [InlineData("POST /public/a HTTP/1.1\r\n Host: orders\r\nContent-Length: 0\r\n\r\n")]
    [InlineData(Post + "X: a\rContent-Length: 5\r\n\r\nabcde")]
    [InlineData(Post + "X: a\0b\r\n\r\n")]
    [InlineData(Post + "Content-Length\0: 5\r\n\r\nabcde")]
    [InlineData(Post + "Content Length: 5\r\n\r\nabcde")]
    [InlineData(Post + ": 5\r\n\r\n")]
    [InlineData(Post + "no-colon\r\n\r\n")]
    // Chunks that do not end where they say.
    [InlineData(Post + "Transfer-Encoding: chunked\r\n\r\n5\nabcde\r\n0\r\n\r\n")]
    [InlineData(Post + "Transfer-Encoding: chunked\r\n\r\n5;a=\nb\r\nabcde\r\n0\r\n\r\n")]
    [InlineData(Post + "Transfer-Encoding: chunked\r\n\r\n5;a=\rb\r\nabcde\r\n0\r\n\r\n")]
    [InlineData(Post + "Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF1\r\nabcde\r\n0\r\n\r\n", "HTTP/1.1 500")]
    [InlineData(Post + "Transfer-Encoding: chunked\r\n\r\n-5\r\nabcde\r\n0\r\n\r\n")]
    [InlineData(Post + "Transfer-Encoding: chunked\r\n\r\n0x5\r\nabcde\r\n0\r\n\r\n")]
    [InlineData(Post + "Transfer-Encoding: chunked\r\n\r\n 5\r\nabcde\r\n0\r\n\r\n")]
    [InlineData(Post + "Transfer-Encoding: chunked\r\n\r\n5\r\nabcdeXX0\r\n\r\n")]
    // Who is asked, twice or not at all.
    [InlineData("GET /public/a HTTP/1.1\r\n\r\n")]
    [InlineData("GET /public/a HTTP/1.1\r\nHost: orders\r\nHost: admin\r\n\r\n")]
    [InlineData("GET /public/a HTTP/1.1\r\nHost: orders, admin\r\n\r\n")]
    [InlineData("GET /public/a HTTP/1.1\r\nHost: orders@admin\r\n\r\n")]
    [InlineData("GET http://admin/public/a HTTP/1.1\r\nHost: orders\r\n\r\n")]
    // Lines that are no request.
    [InlineData("GET /public/a\r\nHost: orders\r\n\r\n", "HTTP/1.1 505")]
    [InlineData("GET /public/a HTTP/1.1 HTTP/1.1\r\nHost: orders\r\n\r\n")]
    [InlineData("GET  /public/a HTTP/1.1\r\nHost: orders\r\n\r\n")]
    [InlineData("GET /public/a HTTP/2.0\r\nHost: orders\r\n\r\n", "HTTP/1.1 505")]
    [InlineData("GET /public/\u00e4 HTTP/1.1\r\nHost: orders\r\n\r\n")]
    [InlineData("GET admin/keys HTTP/1.1\r\nHost: orders\r\n\r\n")]
    public async Task Send_ARequestOfDoubtfulShape_IsRefusedAndWhatFollowsItIsNotRead(string bytes, string refusal = "HTTP/1.1 400")
    {
        await using var service = await AttackedService.StartAsync();

        var text = await service.ExchangeAsync(bytes + Hidden);

        Assert.StartsWith(refusal, text, StringComparison.Ordinal);
        // That all could be read says that the connection has ended.
        Assert.Equal(1, CountAnswers(text));
        // Whether the head was good, and the app asked, before the body turned out not to be: it was only ever asked what is allowed.
        Assert.DoesNotContain(service.Served, path => path.StartsWith("/admin", StringComparison.OrdinalIgnoreCase));
        await service.AssertNothingHeldAsync();
        await service.AssertCallIsServedAsync();
    }

    [Theory]
    // Both lengths: the chunks count, and what follows is a request like any other.
    [InlineData(Post + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + Hidden)]
    [InlineData(Post + "Content-Length: 58\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + Hidden)]
    [InlineData(Post + "Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n" + Hidden)]
    [InlineData(Post + "Transfer-Encoding: chunked\r\n\r\n0;ext=1\r\n\r\n" + Hidden)]
    [InlineData(Post + "Transfer-Encoding: chunked\r\n\r\n0\r\nX-Trailer: 1\r\n\r\n" + Hidden)]
    // What the server reads as RFC 9112 lets it, 2.2, or more kindly than it says: a length with a sign, lines that end with LF.
    [InlineData(Post + "Content-Length: +5\r\n\r\nabcde" + Hidden)]
    [InlineData("GET /public/a HTTP/1.1\nHost: orders\n\n" + Hidden)]
    // No length is no body, whatever the method; one after the other is what a connection is for.
    [InlineData(Post + "\r\n" + Hidden)]
    [InlineData("GET /public/a HTTP/1.1\r\nHost: orders\r\n\r\n" + Hidden)]
    [InlineData("HEAD /public/a HTTP/1.1\r\nHost: orders\r\n\r\n" + Hidden)]
    // A change of protocol nobody takes up.
    [InlineData("GET /public/a HTTP/1.1\r\nHost: orders\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n" + Hidden)]
    public async Task Send_ASecondRequestBehindAnAllowedOne_IsDecidedByItself(string bytes)
    {
        await using var service = await AttackedService.StartAsync();

        var text = await service.ExchangeAsync(bytes + "GET /public/end HTTP/1.1\r\nHost: orders\r\nConnection: close\r\n\r\n");

        Assert.DoesNotContain(AttackedService.Secret, text, StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 200", text, StringComparison.Ordinal);
        Assert.DoesNotContain("/admin/keys", service.Served);
        // Where the connection goes on, the one behind is refused in so many words; where it does not, it is not read at all.
        Assert.Equal(CountAnswers(text) > 1 ? 1 : 0, service.Denials);
        await service.AssertNothingHeldAsync();
    }

    [Theory]
    [InlineData("CONNECT /admin/keys")]
    [InlineData("CONNECT orders:443")]
    [InlineData("TRACE /admin/keys")]
    [InlineData("OPTIONS /admin/keys")]
    [InlineData("admin /admin/keys")]
    public async Task Send_AnotherMethodToWhatIsDenied_IsDenied(string requestLine)
    {
        await using var service = await AttackedService.StartAsync();
        var host = requestLine.EndsWith(":443", StringComparison.Ordinal) ? "orders:443" : "orders";

        var text = await service.ExchangeAsync($"{requestLine} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");

        Assert.StartsWith("HTTP/1.1 403", text, StringComparison.Ordinal);
        Assert.Equal(1, service.Denials);
        Assert.Empty(service.Served);
    }

    [Theory]
    [InlineData("Content-Length: {0}\r\n\r\n{1}")]
    [InlineData("Content-Length: {0}\r\nExpect: 100-continue\r\n\r\n{1}")]
    public async Task Send_ARequestAsTheBodyOfADeniedOne_IsABody(string rest)
    {
        const string inner = "GET /public/inner HTTP/1.1\r\nHost: orders\r\n\r\n";
        await using var service = await AttackedService.StartAsync();

        var text = await service.ExchangeAsync(
            "POST /admin/keys HTTP/1.1\r\nHost: orders\r\n" + string.Format(System.Globalization.CultureInfo.InvariantCulture, rest, inner.Length, inner)
            + "GET /public/end HTTP/1.1\r\nHost: orders\r\nConnection: close\r\n\r\n");

        Assert.StartsWith("HTTP/1.1 403", text, StringComparison.Ordinal);
        Assert.DoesNotContain("/public/inner", service.Served);
        await service.AssertNothingHeldAsync();
    }

    private static int CountAnswers(string text) => text.Split("HTTP/1.1 ").Length - 1;
}
