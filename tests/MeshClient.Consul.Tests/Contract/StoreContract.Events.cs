using System.Globalization;

namespace MeshClient.Consul.Tests.Contract;

public abstract partial class StoreContract
{
    [Fact]
    public async Task Events_FiredAndListed_AnswerAlike()
    {
        // Listed only where it is for: no such service is registered.
        await PutAsync($"/v1/event/fire/{Prefix}?service=nobody-{Prefix}", "elsewhere");
        await PutAsync("/v1/agent/service/register", $$"""{"Name":"{{Prefix}}-web","Port":1}""");
        var fired = (await PutAsync($"/v1/event/fire/{Prefix}?service={Prefix}-w.b", "payload1")).Json;
        var id = fired.GetProperty("ID").GetString()!;
        Assert.Equal(("cGF5bG9hZDE=", $"{Prefix}-w.b", 0, 1), (fired.GetProperty("Payload").GetString(), fired.GetProperty("ServiceFilter").GetString(), fired.GetProperty("LTime").GetInt32(), fired.GetProperty("Version").GetInt32()));
        var listed = await ListedAsync();
        Assert.Equal(id, listed.Json[0].GetProperty("ID").GetString());
        Assert.True(listed.Json[0].GetProperty("LTime").GetInt32() > 0);

        // The index is made of the id of the last one.
        var half = Convert.FromHexString(id.Replace("-", "", StringComparison.Ordinal));
        var index = System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(half) ^ System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(half.AsSpan(8));
        Assert.Equal(index, listed.Index);

        var (woken, waited) = await WatchAsync($"/v1/event/list?name={Prefix}", index, () => PutAsync($"/v1/event/fire/{Prefix}"));
        Assert.True(waited, index.ToString(CultureInfo.InvariantCulture));
        Assert.Equal("null", woken.Json[1].GetProperty("Payload").GetRawText());

        async Task<StoreAnswer> ListedAsync()
        {
            // An agent lists an event once its gossip has come back to it.
            StoreAnswer? answer = null;
            await UntilAsync(async () => (answer = await GetAsync($"/v1/event/list?name={Prefix}")).Json.GetArrayLength() == 1);
            return answer!;
        }
    }

    [Fact]
    public async Task Events_WrongOnes_AreRefused()
    {
        Assert.Equal((400, "Missing name"), Plain(await PutAsync("/v1/event/fire/")));
        Assert.Equal((RefusedStatus, "Cannot provide tag filter without service filter"), Plain(await PutAsync($"/v1/event/fire/{Prefix}?tag=v1", "x")));
        var answer = await PutAsync($"/v1/event/fire/{Prefix}?node=%5B");
        Assert.Equal(RefusedStatus, answer.Status);
        Assert.StartsWith("Invalid node filter: error parsing regexp: " + Differing(KnownDifferences.FilterErrorsAreShort, "missing closing ]", "`[`"), answer.Body, StringComparison.Ordinal);
        answer = await PutAsync($"/v1/event/fire/{Prefix}", new string('x', 600));
        Assert.Equal(RefusedStatus, answer.Status);
        Assert.Contains("user event exceeds configured limit of 512 bytes before encoding", answer.Body, StringComparison.Ordinal);
        Assert.Equal(Differing(KnownDifferences.EventsAreTooLargeInOneSentence, '1', 'u'), answer.Body[0]);
    }
}
