namespace MeshClient.Consul.Tests.Contract;

public abstract partial class StoreContract
{
    [Fact]
    public async Task Keys_WrittenReadAndDeleted_AnswerAlike()
    {
        var key = $"/v1/kv/{Prefix}/a";
        Assert.Equal((404, ""), Plain(await GetAsync(key)));
        Assert.Equal((200, "true"), Plain(await PutAsync(key + "?flags=42", "hello")));
        Assert.Equal($$"""[{"LockIndex":0,"Key":"{{Prefix}}/a","Flags":42,"Value":"aGVsbG8=","CreateIndex":0,"ModifyIndex":0}]""", (await GetAsync(key)).Compact);
        Assert.Equal((200, "hello"), Plain(await GetAsync(key + "?raw")));
        Assert.Equal((200, "true"), Plain(await PutAsync(key, "")));
        Assert.Contains("\"Value\":null", (await GetAsync(key)).Compact, StringComparison.Ordinal);
        Assert.Equal((200, "true"), Plain(await SendAsync("DELETE", key)));
        Assert.Equal((200, "true"), Plain(await SendAsync("DELETE", key)));
        Assert.Equal((404, ""), Plain(await GetAsync(key)));
    }

    [Fact]
    public async Task Keys_BelowAPrefix_AreListedAlike()
    {
        foreach (var key in (string[])["a/empty", "a/c/e", "a/b", "a/c/d", "dir/", "sp%20ace", "%C3%A9", "A"])
        {
            await PutAsync($"/v1/kv/{Prefix}/{key}", "v");
        }

        Assert.Equal($"""["{Prefix}/a/b","{Prefix}/a/c/","{Prefix}/a/empty"]""", (await GetAsync($"/v1/kv/{Prefix}/a/?keys&separator=/")).Compact);
        Assert.Equal($"""["{Prefix}/A","{Prefix}/a/","{Prefix}/dir/","{Prefix}/sp ace","{Prefix}/\u00E9"]""", (await GetAsync($"/v1/kv/{Prefix}/?keys&separator=/")).Compact);
        Assert.Equal(8, (await GetAsync($"/v1/kv/{Prefix}/?recurse&raw")).Json.GetArrayLength());
        Assert.Equal((200, "true"), Plain(await SendAsync("DELETE", $"/v1/kv/{Prefix}/a/?recurse")));
        Assert.Equal(4, (await GetAsync($"/v1/kv/{Prefix}/?keys")).Json.GetArrayLength());
        Assert.Equal((404, ""), Plain(await GetAsync($"/v1/kv/{Prefix}/nope?keys")));
    }

    [Fact]
    public async Task Keys_WithCas_AnswerAlike()
    {
        var key = $"/v1/kv/{Prefix}/cas";
        Assert.Equal((200, "true"), Plain(await SendAsync("DELETE", key + "?cas=5")));
        Assert.Equal((200, "true"), Plain(await PutAsync(key + "?cas=0", "1")));
        Assert.Equal((200, "false"), Plain(await PutAsync(key + "?cas=0", "2")));
        Assert.Equal((200, "false"), Plain(await PutAsync(key + "?cas=1", "2")));
        var index = (await GetAsync(key)).Index;
        Assert.Equal((200, "true"), Plain(await PutAsync($"{key}?cas={index}", "2")));
        Assert.Equal((200, "false"), Plain(await SendAsync("DELETE", $"{key}?cas={index}")));
        Assert.Equal((200, "false"), Plain(await SendAsync("DELETE", key + "?cas=0")));
        Assert.Equal((200, "true"), Plain(await SendAsync("DELETE", $"{key}?cas={(await GetAsync(key)).Index}")));
    }

    [Theory]
    [InlineData("GET", "", "Missing key name", false)]
    [InlineData("PUT", "", "Missing key name", false)]
    [InlineData("DELETE", "", "Missing key name", false)]
    [InlineData("PUT", "k?flags=-1", "strconv.ParseUint: parsing \"-1\": invalid syntax", true)]
    [InlineData("PUT", "k?cas=abc", "strconv.ParseUint: parsing \"abc\": invalid syntax", true)]
    [InlineData("DELETE", "k?recurse&cas=1", "Conflicting flags: cas=1&recurse=", false)]
    [InlineData("PUT", "k?acquire=a&release=b", "Conflicting flags: acquire=a&release=b", false)]
    [InlineData("PUT", "k?acquire=bad", "failed session lookup: index error: UUID must be 36 characters", true)]
    [InlineData("PUT", "k?acquire=00000000-0000-0000-0000-000000000000", "invalid session \"00000000-0000-0000-0000-000000000000\"", true)]
    public async Task Keys_WrongCalls_AreRefusedInTheSameWords(string method, string rest, string text, bool byTheStore)
    {
        var answer = await SendAsync(method, "/v1/kv/" + rest, method == "PUT" ? "x" : null);
        Assert.Equal((byTheStore ? RefusedStatus : 400, text), Plain(answer));
    }

    [Fact]
    public async Task Keys_Watched_WakeForThemselves()
    {
        var key = $"/v1/kv/{Prefix}/watched";
        await PutAsync(key, "1");
        var index = (await GetAsync(key)).Index!.Value;
        var (answer, waited) = await WatchAsync(key, index, () => PutAsync(key, "2"));
        Assert.True(waited);
        Assert.True(answer.Index > index);

        // Neither another key nor the same value again.
        index = answer.Index.Value;
        (answer, waited) = await WatchAsync(
            key,
            index,
            async () =>
            {
                await PutAsync(key + "2", "x");
                await PutAsync(key, "2");
            },
            "2s");
        Assert.True(waited);
        Assert.Equal(index, answer.Index);

        (answer, waited) = await WatchAsync(key, index, () => SendAsync("DELETE", key));
        Assert.True(waited);
        Assert.Equal(404, answer.Status);
        Assert.True(answer.Index > index);
    }

    [Fact]
    public async Task Keys_NotThere_AreWatched()
    {
        var key = $"/v1/kv/{Prefix}/absent";
        await PutAsync($"/v1/kv/{Prefix}/first", "x");
        var index = (await GetAsync(key)).Index!.Value;
        var (answer, _) = await WatchAsync(key, index, () => PutAsync($"/v1/kv/{Prefix}/other", "x"), "2s");
        Assert.Equal(404, answer.Status);
        Assert.Equal(Differing(KnownDifferences.AbsentKeyIsWatchedAlone, true, false), answer.Index > index);
        index = answer.Index!.Value;
        (answer, _) = await WatchAsync(key, index, () => PutAsync(key, "x"));
        Assert.Equal(200, answer.Status);
        Assert.True(answer.Index > index);
    }

    [Theory]
    [InlineData("recurse")]
    [InlineData("keys")]
    public async Task Keys_PrefixWatched_WakesForWhatIsBelow(string how)
    {
        var path = $"/v1/kv/{Prefix}/p/?{how}";
        await PutAsync($"/v1/kv/{Prefix}/p/1", "x");
        var index = (await GetAsync(path)).Index!.Value;
        var (answer, waited) = await WatchAsync(path, index, () => PutAsync($"/v1/kv/{Prefix}/q/1", "x"), "2s");
        Assert.True(waited);
        Assert.Equal(index, answer.Index);
        (answer, waited) = await WatchAsync(path, index, () => PutAsync($"/v1/kv/{Prefix}/p/2", "x"));
        Assert.True(waited);
        Assert.Equal(2, answer.Json.GetArrayLength());
        index = answer.Index!.Value;
        (answer, waited) = await WatchAsync(path, index, () => SendAsync("DELETE", $"/v1/kv/{Prefix}/p/2"));
        Assert.True(waited);
        Assert.Equal(1, answer.Json.GetArrayLength());
        Assert.True(answer.Index > index);
    }

    private static (int, string) Plain(StoreAnswer answer) => (answer.Status, answer.Body.Trim());
}
