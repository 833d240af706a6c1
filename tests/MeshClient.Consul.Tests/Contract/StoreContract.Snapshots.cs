using System.Formats.Tar;
using System.IO.Compression;

namespace MeshClient.Consul.Tests.Contract;

public abstract partial class StoreContract
{
    [Fact]
    public async Task Snapshots_Saved_AreArchivesOfTheSameForm()
    {
        using var response = await _http!.GetAsync("/v1/snapshot", Cancellation);
        Assert.Equal((200, "application/x-gzip"), ((int)response.StatusCode, response.Content.Headers.ContentType!.ToString()));
        Assert.True(response.Headers.Contains("X-Consul-Index"));
        using var tar = new TarReader(new GZipStream(new MemoryStream(await response.Content.ReadAsByteArrayAsync(Cancellation)), CompressionMode.Decompress));
        var parts = new Dictionary<string, string>();
        while (await tar.GetNextEntryAsync(copyData: true, Cancellation) is { } entry)
        {
            using var reader = new StreamReader(entry.DataStream!, System.Text.Encoding.Latin1);
            parts.Add(entry.Name, await reader.ReadToEndAsync(Cancellation));
        }

        Assert.Equal(["SHA256SUMS", "meta.json", "state.bin"], parts.Keys.Order(StringComparer.Ordinal));
        using var meta = System.Text.Json.JsonDocument.Parse(parts["meta.json"]);
        Assert.Equal(1, meta.RootElement.GetProperty("Version").GetInt32());
        Assert.NotEqual(0UL, meta.RootElement.GetProperty("Index").GetUInt64());
        Assert.Equal(
            Differing(KnownDifferences.SnapshotsAreOnesOwn, false, true), parts["state.bin"].StartsWith("MESHDATA", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Snapshots_Restored_BringBackWhatWas()
    {
        await PutAsync($"/v1/kv/{Prefix}/before", "x");
        var archive = await _http!.GetByteArrayAsync("/v1/snapshot", Cancellation);
        await PutAsync($"/v1/kv/{Prefix}/after", "x");
        using var content = new ByteArrayContent(archive);
        using var answer = await _http.PutAsync("/v1/snapshot", content, Cancellation);
        Assert.Equal((200, ""), ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync(Cancellation)));
        await UntilAsync(async () => (await GetAsync($"/v1/kv/{Prefix}/after")).Status == 404);
        Assert.Equal(200, (await GetAsync($"/v1/kv/{Prefix}/before")).Status);
    }

    [Fact]
    public async Task Snapshots_Garbage_IsRefused()
    {
        var answer = await PutAsync("/v1/snapshot", "garbage");
        Assert.Equal(RefusedStatus, answer.Status);
        Assert.StartsWith(
            Differing(KnownDifferences.BadArchivesAreExplained, "failed to decompress snapshot", "The snapshot cannot be restored, nothing has changed"),
            answer.Body,
            StringComparison.Ordinal);
        Assert.Equal((405, "method POST not allowed"), Plain(await SendAsync("POST", "/v1/snapshot")));
        Assert.Equal((500, "No path to datacenter"), Plain(await GetAsync("/v1/snapshot?dc=dc9")));
    }
}
