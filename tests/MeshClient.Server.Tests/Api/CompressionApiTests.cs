using System.IO.Compression;
using System.Text;
using MeshClient.Server.Tests.Support;

namespace MeshClient.Server.Tests.Api;

/// <summary>Which answers are compressed.</summary>
public sealed class CompressionApiTests
{
    private const string Long = "/v1/health/service/web";

    [Theory]
    [InlineData("gzip", true)]
    [InlineData("br, GZIP;q=0.5", true)]
    [InlineData("gzip;q=0", false)]
    [InlineData("br", false)]
    [InlineData("", false)]
    public async Task LongAnswer_IsCompressedForThoseWhoTakeIt(string accepted, bool compressed)
    {
        await using var server = await TestServer.StartAsync();
        await RegisterManyAsync(server);
        var plain = (await server.GetAsync(Long)).Body;
        var (encoding, bytes) = await AskAsync(server, Long, accepted);
        Assert.Equal(compressed ? "gzip" : "", encoding);
        Assert.Equal(compressed, bytes.Length < plain.Length);
        Assert.Equal(plain, compressed ? Unpack(bytes) : Encoding.UTF8.GetString(bytes));
    }

    [Theory]
    [InlineData("/v1/agent/connect/ca/leaf/web")]
    [InlineData("/v1/status/leader")]
    [InlineData("/v1/health/service/absent")]
    public async Task AnswerWithAKeyOrAShortOne_IsNotCompressed(string path)
    {
        await using var server = await TestServer.StartAsync();
        await RegisterManyAsync(server);
        var (encoding, bytes) = await AskAsync(server, path, "gzip");
        Assert.Equal("", encoding);
        Assert.Equal((await server.GetAsync(path)).Body, Encoding.UTF8.GetString(bytes));
    }

    private static async Task RegisterManyAsync(TestServer server)
    {
        foreach (var id in Enumerable.Range(0, 10))
        {
            await server.RegisterAsync("web", $"web{id}");
        }
    }

    private static async Task<(string Encoding, byte[] Bytes)> AskAsync(TestServer server, string path, string accepted)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(server.Address, path));
        request.Headers.TryAddWithoutValidation("Accept-Encoding", accepted);
        using var response = await server.Http.SendAsync(request, TestServer.Cancellation);
        return (string.Join(",", response.Content.Headers.ContentEncoding), await response.Content.ReadAsByteArrayAsync(TestServer.Cancellation));
    }

    private static string Unpack(byte[] bytes)
    {
        using var gzip = new GZipStream(new MemoryStream(bytes), CompressionMode.Decompress);
        using var reader = new StreamReader(gzip);
        return reader.ReadToEnd();
    }
}
