namespace MeshClient.Consul.Tests.Contract;

public abstract partial class StoreContract
{
    private const string Intentions = "/v1/connect/intentions";

    [Fact]
    public async Task Intention_FromItsMakingToItsEnd_AnswersAlike()
    {
        var body = Own("""{"SourceName":"{p}web","DestinationName":"{p}orders","Action":"allow","Description":"d","Meta":{"k":"v"}}""");
        var id = (await SendAsync("POST", Intentions, body)).Json.GetProperty("ID").GetString();
        Assert.Equal((RefusedStatus, $"duplicate intention found: ALLOW default/{Prefix}web => default/{Prefix}orders (ID: {id}, Precedence: 9)"), Plain(await SendAsync("POST", Intentions, body)));
        var read = (await GetAsync($"{Intentions}/{id}")).Json;
        Assert.Equal(
            ["ID", "Description", "SourceNS", "SourceName", "DestinationNS", "DestinationName", "SourceType", "Action", "DefaultAddr", "DefaultPort", "Meta", "Precedence", "CreatedAt", "UpdatedAt", "Hash", "CreateIndex", "ModifyIndex"],
            read.EnumerateObject().Select(property => property.Name));
        Assert.Equal(
            ("d", "default", $"{Prefix}web", "consul", "allow", 9),
            (read.GetProperty("Description").GetString(), read.GetProperty("SourceNS").GetString(), read.GetProperty("SourceName").GetString(),
                read.GetProperty("SourceType").GetString(), read.GetProperty("Action").GetString(), read.GetProperty("Precedence").GetInt32()));

        await SendAsync("POST", Intentions, Own("""{"SourceName":"*","DestinationName":"{p}orders","Action":"deny"}"""));
        Assert.Equal("""{"Allowed":true}""", (await GetAsync($"{Intentions}/check?source={Prefix}web&destination={Prefix}orders")).Compact);
        Assert.Equal("""{"Allowed":false}""", (await GetAsync($"{Intentions}/check?source=other&destination={Prefix}orders")).Compact);
        Assert.Equal([9, 8], (await GetAsync($"{Intentions}/match?by=destination&name=default/{Prefix}orders")).Json.GetProperty($"default/{Prefix}orders").EnumerateArray()
            .Select(intention => intention.GetProperty("Precedence").GetInt32()).Where(precedence => precedence > 6));
        Assert.Equal($"{Prefix}web", (await GetAsync($"{Intentions}?filter={Uri.EscapeDataString($"Action == allow and DestinationName == \"{Prefix}orders\"")}")).Json[0].GetProperty("SourceName").GetString());

        Assert.Equal(id, (await PutAsync($"{Intentions}/{id}", Own("""{"SourceName":"{p}web2","DestinationName":"{p}orders","Action":"deny"}"""))).Json.GetProperty("ID").GetString());
        Assert.Equal("{}", (await GetAsync($"{Intentions}/{id}")).Json.GetProperty("Meta").GetRawText());
        Assert.Equal((200, "true"), Plain(await SendAsync("DELETE", $"{Intentions}/{id}")));
        Assert.Equal((Differing(KnownDifferences.WrongInputIsTheCallers, 500, 404), $"Cannot delete non-existent intention: '{id}'"), Plain(await SendAsync("DELETE", $"{Intentions}/{id}")));
        Assert.Equal((404, "Intention not found"), Plain(await GetAsync($"{Intentions}/{id}")));
    }

    [Theory]
    [InlineData("""{"SourceName":"a","DestinationName":"b"}""", "1 error occurred:\n\t* Action must be set to 'allow' or 'deny'")]
    [InlineData("""{"Action":"deny"}""", "2 errors occurred:\n\t* SourceName must be set\n\t* DestinationName must be set")]
    [InlineData("""{"SourceName":"a*","DestinationName":"b","Action":"allow"}""", "1 error occurred:\n\t* SourceName: wildcard character '*' cannot be used with partial values")]
    [InlineData("""{"SourceName":"a","DestinationName":"b","Action":"allow","SourceType":"vm"}""", "1 error occurred:\n\t* SourceType must be set to 'consul'")]
    [InlineData("""{"SourceName":"a","Zed":1}""", "Failed to decode request body: json: unknown field \"Zed\"")]
    [InlineData("{", "Failed to decode request body: unexpected EOF")]
    public async Task Intention_OfSomethingWrong_IsRefusedInTheSameWords(string body, string text) =>
        Assert.Equal((RefusedStatus, text), Plain(await SendAsync("POST", Intentions, body)));

    [Fact]
    public async Task Intention_ReplacedBySomethingThatIsNone_IsRefusedInTheSameWords()
    {
        Assert.Equal((400, "Bad request: Request decode failed: json: unknown field \"Zed\""), Plain(await PutAsync($"{Intentions}/00000000-0000-0000-0000-000000000000", """{"Zed":1}""")));
        Assert.Equal(
            (Differing(KnownDifferences.WrongInputIsTheCallers, 500, 404), "Cannot modify non-existent intention: '00000000-0000-0000-0000-000000000000'"),
            Plain(await PutAsync($"{Intentions}/00000000-0000-0000-0000-000000000000", """{"SourceName":"q","DestinationName":"r","Action":"deny"}""")));
    }

    [Theory]
    [InlineData("check?source=x", "required query parameter 'destination' not set")]
    [InlineData("check?source=x&destination=y&source-type=vm", "unsupported SourceType: \"vm\"")]
    [InlineData("match?by=sideways&name=x", "'by' parameter must be one of 'source' or 'destination'")]
    [InlineData("match?by=source", "required query parameter 'name' not set")]
    public async Task Intention_AskedForWrongly_IsRefusedInTheSameWords(string query, string text) =>
        Assert.Equal((RefusedStatus, text), Plain(await GetAsync($"{Intentions}/{query}")));

    [Fact]
    public async Task Intention_OfNewerVersions_IsTakenByOurs()
    {
        var exact = $"{Intentions}/exact?source={Prefix}a&destination={Prefix}b";
        Assert.Equal(Differing(KnownDifferences.ExactIntentionsAreThere, 400, 200), (await PutAsync(exact, """{"Permissions":[{"Action":"allow","HTTP":{"PathPrefix":"/x"}}]}""")).Status);
        Assert.Equal(Differing(KnownDifferences.ExactIntentionsAreThere, 400, 200), (await GetAsync(exact)).Status);
        Assert.Equal(Differing(KnownDifferences.ExactIntentionsAreThere, 500, 200), (await SendAsync("DELETE", exact)).Status);
    }
}
