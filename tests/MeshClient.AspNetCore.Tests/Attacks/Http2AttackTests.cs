using System.Net;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.Intentions;

namespace MeshClient.AspNetCore.Tests.Attacks;

/// <summary>
/// The same over HTTP/2: headers it does not allow, lengths that do not fit, and one connection for several authorities. Whom a
/// connection belongs to was proved in its handshake; which host its requests name changes nothing about what they may do.
/// </summary>
public sealed class Http2AttackTests
{
    // PROTOCOL_ERROR of the stream, or of the whole connection, as a server may choose (RFC 9113, 5.4.1); COMPRESSION_ERROR; 400.
    private static readonly string[] Refusals = ["RST 1", "GOAWAY 1", "GOAWAY 9", "400"];

    private const string ProtocolError = "RST 1";

    [Theory]
    // Of the connection, which HTTP/2 has no say about in headers (RFC 9113, 8.2.2).
    [InlineData("connection", "close")]
    [InlineData("connection", "x-role")]
    [InlineData("te", "gzip")]
    // Names and values that a message of HTTP/1.1 made of them would split (8.2.1).
    [InlineData("X-Role", "admin")]
    [InlineData("", "admin")]
    [InlineData("x", "a\0b")]
    [InlineData("x", "a\r\nx-role: admin")]
    [InlineData("x", "a\nb")]
    // Pseudo-headers twice, unknown, or behind the others (8.3).
    [InlineData(":path", "/admin/keys")]
    [InlineData(":method", "POST")]
    [InlineData(":authority", "admin")]
    [InlineData(":status", "200")]
    [InlineData(":service", "ops")]
    public async Task Send_AHeaderThatHttp2DoesNotAllow_IsRefused(string name, string value)
    {
        await using var service = await AttackedService.StartAsync();
        await using (var http = await RawHttp2.StartAsync(service))
        {
            await http.SendHeadersAsync(1, [.. RawHttp2.Request(), (name, value)]);

            Assert.Contains(await http.HearAsync(1), Refusals);
        }

        Assert.Empty(service.Served);
        await service.AssertNothingHeldAsync();
        await service.AssertCallIsServedAsync();
    }

    [Theory]
    // What this server lets pass although HTTP/2 does not (8.2.1, 8.2.2). It goes by none of it, and neither may anybody here: the
    // rule about x-role is not met, nor the authority changed, and the denied path stays denied.
    [InlineData("keep-alive", "timeout=5")]
    [InlineData("proxy-connection", "close")]
    [InlineData("upgrade", "h2c")]
    [InlineData("transfer-encoding", "chunked")]
    [InlineData("host", "admin")]
    [InlineData("x role", "user")]
    [InlineData("x:role", "user")]
    [InlineData("x\r\nx-role", "user")]
    [InlineData("x-role\0", "user")]
    public async Task Send_AHeaderAnotherReaderMightGoBy_OpensNothing(string name, string value)
    {
        await using var service = await AttackedService.StartAsync(
        [
            new IntentionPermission
            {
                Action = IntentionAction.Allow, PathPrefix = "/admin", Headers = [new HeaderMatch("x-role", HeaderMatchKind.Exact, "user")],
            },
            new IntentionPermission { Action = IntentionAction.Allow, PathPrefix = "/public" },
        ]);
        await using (var http = await RawHttp2.StartAsync(service))
        {
            await http.SendHeadersAsync(1, [.. RawHttp2.Request("/admin/keys"), (name, value)]);
            Assert.Contains(await http.HearAsync(1), (IEnumerable<string>)[.. Refusals, "403"]);
        }

        Assert.Empty(service.Served);
        await service.AssertNothingHeldAsync();
    }

    public static TheoryData<string, string?> PseudoHeaders => new()
    {
        { ":method", null },
        { ":scheme", null },
        { ":path", null },
        { ":path", "" },
        { ":path", "admin/keys" },
        { ":path", "https://orders/public/a" },
        { ":path", "/public/a\0" },
        { ":path", "/public/%00" },
        { ":path", "/public/a\r\nx-role: admin" },
        { ":authority", "web@orders" },
        { ":authority", "orders/admin" },
        { ":authority", "orders, admin" },
        { ":authority", "orders\r\nx: y" },
        { ":scheme", "http\r\n" },
        { ":scheme", "https://orders/admin/keys?" },
        { ":method", "GET /admin/keys HTTP/1.1\r\nx:" },
        { ":method", "GET " },
        { ":method", "" },
    };

    [Theory]
    [MemberData(nameof(PseudoHeaders))]
    public async Task Send_ARequestLineThatIsNone_IsRefused(string name, string? value)
    {
        await using var service = await AttackedService.StartAsync();
        var headers = RawHttp2.Request();
        var at = headers.FindIndex(one => one.Name == name);
        if (value is null)
        {
            headers.RemoveAt(at);
        }
        else
        {
            headers[at] = (name, value);
        }

        await using (var http = await RawHttp2.StartAsync(service))
        {
            await http.SendHeadersAsync(1, headers);

            Assert.Contains(await http.HearAsync(1), Refusals);
        }

        Assert.Empty(service.Served);
        await service.AssertNothingHeldAsync();
    }

    [Theory]
    [InlineData("/admin/keys")]
    [InlineData("/ADMIN/keys")]
    [InlineData("/public/../admin/keys")]
    [InlineData("/public/%2e%2e/admin/keys")]
    [InlineData("/%61dmin/keys")]
    [InlineData("//admin/keys")]
    [InlineData("/admin%2fkeys")]
    [InlineData("/admin/keys?/public/")]
    [InlineData("/public/a#/../../admin/keys")]
    public async Task Send_ADeniedPathInAnotherSpelling_IsDenied(string path)
    {
        await using var service = await AttackedService.StartAsync();
        await using (var http = await RawHttp2.StartAsync(service))
        {
            await http.SendHeadersAsync(1, RawHttp2.Request(path));

            Assert.Equal("403", await http.HearAsync(1));
        }

        Assert.Equal(1, service.Denials);
        Assert.Empty(service.Served);
        await service.AssertNothingHeldAsync();
    }

    [Theory]
    // More than was said, and less.
    [InlineData("3", "abcde")]
    [InlineData("10", "abcde")]
    [InlineData("-1", "abcde")]
    [InlineData("5, 5", "abcde")]
    public async Task Send_ABodyThatIsNotAsLongAsItSays_IsRefused(string length, string body)
    {
        await using var service = await AttackedService.StartAsync();
        await using (var http = await RawHttp2.StartAsync(service))
        {
            await http.SendHeadersAsync(1, [.. RawHttp2.Request(method: "POST"), ("content-length", length)], RawHttp2.EndHeaders);
            await http.SendDataAsync(1, body);

            Assert.Contains(await http.HearAsync(1), Refusals);
        }

        await service.AssertNothingHeldAsync();
        await service.AssertCallIsServedAsync();
    }

    [Fact]
    public async Task Send_OneConnectionForManyAuthorities_IsOneCallerWhateverTheyName()
    {
        await using var service = await AttackedService.StartAsync();
        await using (var http = await RawHttp2.StartAsync(service))
        {
            var stream = 1;
            foreach (var authority in new[] { "orders", "ops", "admin.internal", "127.0.0.1", "orders:443", "evil.example" })
            {
                await http.SendHeadersAsync(stream, RawHttp2.Request("/admin/keys", authority: authority));
                Assert.Equal("403", await http.HearAsync(stream));
                await http.SendHeadersAsync(stream + 2, RawHttp2.Request("/public/a", authority: authority));
                Assert.Equal("200", await http.HearAsync(stream + 2));
                stream += 4;
            }
        }

        Assert.Equal(6, service.Denials);
        Assert.All(service.Served, path => Assert.Equal("/public/a", path));
        await service.AssertNothingHeldAsync();
    }

    [Fact]
    public async Task Send_AGrpcCallThatIsDenied_GetsStatus7OnTheConnectionThatGoesOn()
    {
        await using var service = await AttackedService.StartAsync();
        using var client = service.Host.CallerFrom("web");
        using var request = new HttpRequestMessage(HttpMethod.Post, "/admin/keys")
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent([0, 0, 0, 0, 0]),
        };
        request.Content.Headers.ContentType = new("application/grpc");
        request.Headers.TryAddWithoutValidation("te", "trailers");
        request.Headers.Host = "ops";

        using var answer = await client.SendAsync(request, TestContext.Current.CancellationToken);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("7", Assert.Single(answer.Headers.GetValues("grpc-status")));
        Assert.Equal(1, service.Denials);
        Assert.Empty(service.Served);
    }

    [Fact]
    public async Task Send_HeadersThatNeverEnd_AreEndedBeforeTheyFillAnything()
    {
        await using var service = await AttackedService.StartAsync();
        await using (var http = await RawHttp2.StartAsync(service))
        {
            var block = Enumerable.Range(0, 16).Select(i => ($"x-{i}", new string('a', 900)));
            await http.SendHeadersAsync(1, RawHttp2.Request(), RawHttp2.EndStream);
            for (var i = 0; i < 1000; i++)
            {
                await http.SendContinuationAsync(1, block);
            }

            Assert.Contains(await http.HearAsync(1), (IEnumerable<string>)["GOAWAY 1", "GOAWAY 11", "GOAWAY 9", "431", "end"]);
        }

        Assert.Empty(service.Served);
        await service.AssertNothingHeldAsync();
        await service.AssertCallIsServedAsync();
    }

    [Fact]
    public async Task Send_StreamsThatAreResetAsSoonAsTheyAreOpen_NothingIsLeft()
    {
        await using var service = await AttackedService.StartAsync();
        await using (var http = await RawHttp2.StartAsync(service))
        {
            var headers = RawHttp2.Request("/admin/keys");
            // Heard while they are sent: a server whose answers nobody reads stops reading as well.
            var hearing = http.HearAsync(4001);
            for (var stream = 1; stream < 4000; stream += 2)
            {
                await http.SendHeadersAsync(stream, headers);
                await http.SendResetAsync(stream);
            }

            // Either it has answered with its own end, or it has kept up; nobody is served in any case.
            await http.SendHeadersAsync(4001, headers);
            Assert.Contains(await hearing, (IEnumerable<string>)["GOAWAY 11", "403", "end", "RST 7"]);
        }

        Assert.Empty(service.Served);
        await service.AssertNothingHeldAsync();
        await service.AssertCallIsServedAsync();
    }
}
