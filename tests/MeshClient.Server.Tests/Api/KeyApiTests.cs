using System.Net;
using MeshClient.Server.Tests.Support;

namespace MeshClient.Server.Tests.Api;

/// <summary>Keys and values by the API, as captured from Consul.</summary>
public sealed class KeyApiTests
{
    [Fact]
    public async Task Get_OfAMissingKey_Is404WithAnIndexAndNoBody()
    {
        await using var server = await TestServer.StartAsync();
        foreach (var query in (string[])["", "?recurse", "?keys", "?raw"])
        {
            var answer = await server.GetAsync("/v1/kv/a/b" + query);
            Assert.Equal((HttpStatusCode.NotFound, ""), (answer.Status, answer.Body));
            Assert.True(answer.Index > 0);
        }
    }

    [Fact]
    public async Task Put_ThenGet_GivesItBackAsConsulWritesIt()
    {
        await using var server = await TestServer.StartAsync();
        Assert.Equal("true", (await server.PutAsync("/v1/kv/a/b?flags=42", "hello")).Body);
        var answer = await server.GetAsync("/v1/kv/a/b");
        var index = answer.Index;
        Assert.Equal($$"""[{"LockIndex":0,"Key":"a/b","Flags":42,"Value":"aGVsbG8=","CreateIndex":{{index}},"ModifyIndex":{{index}}}]""", answer.Body);
        await server.MustPutAsync("/v1/kv/a/b?flags=42", "hello");
        Assert.Equal(index, (await server.GetAsync("/v1/kv/a/b")).Index);
        await server.MustPutAsync("/v1/kv/a/b", "other");
        answer = await server.GetAsync("/v1/kv/a/b");
        Assert.True(answer.Index > index);
        Assert.Contains($"\"CreateIndex\":{index}", answer.Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Get_Raw_GivesTheBytesAndKeepsBrowsersFromReadingThem()
    {
        await using var server = await TestServer.StartAsync();
        await server.MustPutAsync("/v1/kv/page", "<script>");
        var answer = await server.GetAsync("/v1/kv/page?raw");
        Assert.Equal(("<script>", "text/plain", "sandbox", "nosniff"), (answer.Body, answer.Headers["Content-Type"], answer.Headers["Content-Security-Policy"], answer.Headers["X-Content-Type-Options"]));
        await server.MustPutAsync("/v1/kv/empty");
        Assert.Contains("\"Value\":null", (await server.GetAsync("/v1/kv/empty")).Body, StringComparison.Ordinal);
        Assert.Equal("", (await server.GetAsync("/v1/kv/empty?raw")).Body);
    }

    [Fact]
    public async Task Get_OfKeysAndPrefixes_ListsInOrderAndCutsAtTheSeparator()
    {
        await using var server = await TestServer.StartAsync();
        foreach (var key in (string[])["a/empty", "a/c/e", "a/b", "a/c/d", "dir/", "sp%20ace/%C3%A9", "ab"])
        {
            await server.MustPutAsync("/v1/kv/" + key, "v");
        }

        Assert.Equal("""["a/b","a/c/d","a/c/e","a/empty"]""", (await server.GetAsync("/v1/kv/a/?keys")).Body);
        Assert.Equal("""["a/b","a/c/","a/empty"]""", (await server.GetAsync("/v1/kv/a/?keys&separator=/")).Body);
        Assert.Equal("""["a/","ab","dir/","sp ace/"]""", (await server.GetAsync("/v1/kv/?keys&separator=/")).Body);
        Assert.Equal(["a/b", "a/c/d", "a/c/e", "a/empty", "ab"], (await server.GetAsync("/v1/kv/a?recurse&raw")).Json.EnumerateArray().Select(entry => entry.GetProperty("Key").GetString()));
        Assert.Equal("sp ace/é", (await server.GetAsync("/v1/kv/sp%20ace?recurse")).Json[0].GetProperty("Key").GetString());
    }

    [Fact]
    public async Task Put_WithCas_GoesByTheIndexOfTheLastChange()
    {
        await using var server = await TestServer.StartAsync();
        Assert.Equal("true", (await server.PutAsync("/v1/kv/k?cas=0", "1")).Body);
        Assert.Equal("false", (await server.PutAsync("/v1/kv/k?cas=0", "2")).Body);
        Assert.Equal("false", (await server.PutAsync("/v1/kv/k?cas=1", "2")).Body);
        var index = (await server.GetAsync("/v1/kv/k")).Index;
        Assert.Equal("true", (await server.PutAsync($"/v1/kv/k?cas={index}", "2")).Body);
        Assert.Equal("false", (await server.PutAsync($"/v1/kv/k?cas={index}", "3")).Body);
        Assert.Equal("2", (await server.GetAsync("/v1/kv/k?raw")).Body);
        Assert.Equal("false", (await server.SendAsync("DELETE", $"/v1/kv/k?cas={index}")).Body);
        index = (await server.GetAsync("/v1/kv/k")).Index;
        Assert.Equal("true", (await server.SendAsync("DELETE", $"/v1/kv/k?cas={index}")).Body);
        Assert.Equal("true", (await server.SendAsync("DELETE", "/v1/kv/k")).Body);
        Assert.Equal(HttpStatusCode.NotFound, (await server.GetAsync("/v1/kv/k")).Status);
    }

    [Fact]
    public async Task Delete_WithRecurse_TakesWhatIsBelowOnly()
    {
        await using var server = await TestServer.StartAsync();
        foreach (var key in (string[])["a/1", "a/2", "ab", "b"])
        {
            await server.MustPutAsync("/v1/kv/" + key, "v");
        }

        Assert.Equal("true", (await server.SendAsync("DELETE", "/v1/kv/a/?recurse")).Body);
        Assert.Equal("""["ab","b"]""", (await server.GetAsync("/v1/kv/?keys")).Body);
    }

    [Theory]
    [InlineData("GET", "/v1/kv/", 400, "Missing key name")]
    [InlineData("PUT", "/v1/kv/", 400, "Missing key name")]
    [InlineData("DELETE", "/v1/kv/", 400, "Missing key name")]
    [InlineData("PUT", "/v1/kv/k?flags=-1", 400, "strconv.ParseUint: parsing \"-1\": invalid syntax")]
    [InlineData("PUT", "/v1/kv/k?cas=abc", 400, "strconv.ParseUint: parsing \"abc\": invalid syntax")]
    [InlineData("DELETE", "/v1/kv/a?recurse&cas=1", 400, "Conflicting flags: cas=1&recurse=")]
    [InlineData("PUT", "/v1/kv/a?acquire=x&cas=1", 400, "Conflicting flags: acquire=x&cas=1")]
    [InlineData("PUT", "/v1/kv/a?acquire=bad", 400, "failed session lookup: index error: UUID must be 36 characters")]
    [InlineData("PUT", "/v1/kv/a?acquire=00000000-0000-0000-0000-000000000000", 400, "invalid session \"00000000-0000-0000-0000-000000000000\"")]
    [InlineData("GET", "/v1/kv/a?dc=dc9", 500, "No path to datacenter")]
    [InlineData("POST", "/v1/kv/a", 405, "method POST not allowed")]
    public async Task Wrong_Input_IsRefusedInConsulsWords(string method, string path, int status, string text)
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.SendAsync(method, path, method == "PUT" ? "x" : null);
        Assert.Equal((status, text), ((int)answer.Status, answer.Body));
    }

    [Fact]
    public async Task Put_OfAValueAtTheLimitAndBeyond_IsTakenAndRefused()
    {
        await using var server = await TestServer.StartAsync();
        await server.MustPutAsync("/v1/kv/big", new string('x', 512 * 1024));
        var answer = await server.PutAsync("/v1/kv/big", new string('x', (512 * 1024) + 1));
        Assert.Equal(413, (int)answer.Status);
        Assert.StartsWith("Request body(524289 bytes) too large, max size: 524288 bytes", answer.Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Watch_OfAKey_WakesForItselfOnly()
    {
        await using var server = await TestServer.StartAsync();
        await server.MustPutAsync("/v1/kv/k", "1");
        var index = (await server.GetAsync("/v1/kv/k")).Index;
        var parked = await server.ParkAsync("/v1/kv/k", index);
        await server.MustPutAsync("/v1/kv/other", "1");
        await server.MustPutAsync("/v1/kv/k/below", "1");
        await server.MustPutAsync("/v1/kv/k", "1");
        await server.SendAsync("DELETE", "/v1/kv/other");
        Assert.False(parked.IsCompleted);
        await server.MustPutAsync("/v1/kv/k", "2");
        var woken = await parked;
        Assert.True(woken.Index > index);

        parked = await server.ParkAsync("/v1/kv/k", woken.Index);
        await server.SendAsync("DELETE", "/v1/kv/k");
        var gone = await parked;
        Assert.Equal(HttpStatusCode.NotFound, gone.Status);
        Assert.True(gone.Index > woken.Index);

        parked = await server.ParkAsync("/v1/kv/k", gone.Index);
        await server.MustPutAsync("/v1/kv/k", "3");
        Assert.True((await parked).Index > gone.Index);
    }

    [Theory]
    [InlineData("recurse")]
    [InlineData("keys")]
    public async Task Watch_OfAPrefix_WakesForWhatIsBelowOnly(string how)
    {
        await using var server = await TestServer.StartAsync();
        await server.MustPutAsync("/v1/kv/p/1", "1");
        var index = (await server.GetAsync($"/v1/kv/p/?{how}")).Index;
        var parked = await server.ParkAsync($"/v1/kv/p/?{how}", index);
        await server.MustPutAsync("/v1/kv/q/1", "1");
        await server.MustPutAsync("/v1/kv/p", "1");
        await server.SendAsync("DELETE", "/v1/kv/q/1");
        Assert.False(parked.IsCompleted);
        await server.MustPutAsync("/v1/kv/p/2", "1");
        index = (await parked).Index;

        parked = await server.ParkAsync($"/v1/kv/p/?{how}", index);
        await server.SendAsync("DELETE", "/v1/kv/p/2");
        var less = await parked;
        Assert.True(less.Index > index);
        Assert.Equal(1, less.Json.GetArrayLength());

        parked = await server.ParkAsync("/v1/kv/?" + how, (await server.GetAsync("/v1/kv/?" + how)).Index);
        await server.MustPutAsync("/v1/kv/anything", "1");
        Assert.Equal(HttpStatusCode.OK, (await parked).Status);
    }
}
