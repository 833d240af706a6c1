namespace MeshClient.Consul.Tests.Contract;

public abstract partial class StoreContract
{
    [Fact]
    public async Task Transactions_OfKeys_AnswerAlike()
    {
        var answer = await PutAsync("/v1/txn", Steps($$"""{"Verb":"set","Key":"{{Prefix}}/1","Value":"dmFs","Flags":7}""", $$"""{"Verb":"get","Key":"{{Prefix}}/1"}"""));
        Assert.Equal(
            $$$"""{"Results":[{"KV":{"LockIndex":0,"Key":"{{{Prefix}}}/1","Flags":7,"Value":null,"CreateIndex":0,"ModifyIndex":0}},{"KV":{"LockIndex":0,"Key":"{{{Prefix}}}/1","Flags":7,"Value":"dmFs","CreateIndex":0,"ModifyIndex":0}}],"Errors":null}""",
            answer.Compact);
        answer = await PutAsync("/v1/txn", Steps($$"""{"Verb":"get-tree","Key":"{{Prefix}}"}"""));
        Assert.Equal(
            $$$"""{"Results":[{"KV":{"LockIndex":0,"Key":"{{{Prefix}}}/1","Flags":7,"Value":"dmFs","CreateIndex":0,"ModifyIndex":0}}],"Errors":null,"Index":0,"LastContact":0,"KnownLeader":true,"ConsistencyLevel":""}""",
            answer.Compact);
        answer = await PutAsync("/v1/txn", Steps($$"""{"Verb":"delete","Key":"{{Prefix}}/9"}""", $$"""{"Verb":"delete-tree","Key":"{{Prefix}}"}"""));
        Assert.Equal("""{"Results":[],"Errors":null}""", answer.Compact);
        Assert.Equal("""{"Results":[],"Errors":null,"Index":0,"LastContact":0,"KnownLeader":true,"ConsistencyLevel":""}""", (await PutAsync("/v1/txn", "[]")).Compact);
    }

    [Theory]
    [InlineData("cas", "k", ",\"Index\":1", "failed to set key \"K\", index is stale")]
    [InlineData("cas", "k", ",\"Index\":0", "failed to set key \"K\", index is stale")]
    [InlineData("check-index", "k", ",\"Index\":1", null)]
    [InlineData("check-index", "none", ",\"Index\":1", "failed to check index, key \"K\" doesn't exist")]
    [InlineData("check-not-exists", "k", "", "key \"K\" exists")]
    [InlineData("check-session", "k", ",\"Session\":\"x\"", "failed session check for key \"K\", current session \"\" != \"x\"")]
    [InlineData("get", "none", "", "key \"K\" doesn't exist")]
    [InlineData("delete-cas", "k", ",\"Index\":1", "failed to delete key \"K\", index is stale")]
    [InlineData("unlock", "k", ",\"Session\":\"x\"", "failed to unlock key \"K\", lock isn't held, or is held by another session")]
    [InlineData("lock", "k", ",\"Session\":\"00000000-0000-0000-0000-000000000000\"", "invalid session \"00000000-0000-0000-0000-000000000000\"")]
    [InlineData("bogus", "k", "", "unknown KV verb \"bogus\"")]
    public async Task Transactions_WithAFailedStep_DoNothingAndSayTheSame(string verb, string key, string more, string? problem)
    {
        await PutAsync($"/v1/kv/{Prefix}/k", "v");
        var full = $"{Prefix}/{key}";
        var answer = await PutAsync("/v1/txn", Steps($$"""{"Verb":"set","Key":"{{Prefix}}/other","Value":"dg=="}""", $$"""{"Verb":"{{verb}}","Key":"{{full}}"{{more}} }"""));
        Assert.Equal(409, answer.Status);
        var error = answer.Json.GetProperty("Errors")[0];
        Assert.Equal(1, error.GetProperty("OpIndex").GetInt32());
        if (problem is not null)
        {
            Assert.Equal(problem.Replace("\"K\"", $"\"{full}\"", StringComparison.Ordinal), error.GetProperty("What").GetString());
        }

        Assert.Equal(404, (await GetAsync($"/v1/kv/{Prefix}/other")).Status);
    }

    [Fact]
    public async Task Transactions_TooLong_AreRefusedInTheSameWords()
    {
        var steps = string.Join(",", Enumerable.Repeat($$$"""{"KV":{"Verb":"set","Key":"{{{Prefix}}}","Value":"dg=="}}""", 65));
        Assert.Equal((413, "Transaction contains too many operations (65 > 64)"), Plain(await PutAsync("/v1/txn", $"[{steps}]")));
        Assert.Equal((400, "Failed to parse body: unexpected EOF"), Plain(await PutAsync("/v1/txn", "{")));
    }

    [Fact]
    public async Task Transactions_OfTheCatalog_AreForConsulOnly()
    {
        var answer = await PutAsync("/v1/txn", $$$"""[{"Node":{"Verb":"set","Node":{"Node":"{{{Prefix}}}","Address":"127.0.0.7"} } }]""");
        Assert.Equal(Differing(KnownDifferences.TransactionsAreOfKeys, 200, 400), answer.Status);
    }

    private static string Steps(params string[] steps) => $"[{string.Join(",", steps.Select(step => $$"""{"KV":{{step}} }"""))}]";
}
