namespace MeshClient.Consul.Tests.Contract;

public abstract partial class StoreContract
{
    private const string Undecoded = "Bad request: Request decoding failed: ";

    [Fact]
    public async Task Config_WrittenReadListedAndDeleted_AnswersAlike()
    {
        await ConfigAsync(Own("""{"kind":"service-defaults","name":"{p}api","protocol":"http","mesh_gateway":{"mode":"local"}}"""));
        Assert.Equal(Own("""{"Kind":"service-defaults","Name":"{p}api","Protocol":"http","MeshGateway":{"Mode":"local"},"Expose":{},"CreateIndex":0,"ModifyIndex":0}"""), (await GetAsync($"/v1/config/service-defaults/{Prefix}api")).Compact);
        await ConfigAsync(Own("""{"Kind":"service-defaults","Name":"{p}other","Protocol":"http"}"""));
        await ConfigAsync(Own("""{"Kind":"service-resolver","Name":"{p}api","DefaultSubset":"v1","ConnectTimeout":15000000000,"Subsets":{"v2":{"Filter":"Service.Meta.v == 2","OnlyPassing":true},"v1":{"Filter":"Service.Meta.v == 1"}},"Failover":{"v2":{"Service":"{p}other"},"*":{"Datacenters":"dc2"}}}"""));
        Assert.Equal(
            Own("""{"ConnectTimeout":"15s","Kind":"service-resolver","Name":"{p}api","DefaultSubset":"v1","Subsets":{"v1":{"Filter":"Service.Meta.v == 1"},"v2":{"Filter":"Service.Meta.v == 2","OnlyPassing":true}},"Failover":{"*":{"Datacenters":["dc2"]},"v2":{"Service":"{p}other"}},"CreateIndex":0,"ModifyIndex":0}"""),
            (await GetAsync($"/v1/config/service-resolver/{Prefix}api")).Compact);
        await ConfigAsync(Own("""{"Kind":"service-splitter","Name":"{p}api","Splits":[{"Weight":99.999,"ServiceSubset":"v1"},{"Weight":0.001,"ServiceSubset":"v2"}]}"""));
        Assert.Equal(
            Own("""{"Kind":"service-splitter","Name":"{p}api","Splits":[{"Weight":100,"ServiceSubset":"v1"},{"Weight":0,"ServiceSubset":"v2"}],"CreateIndex":0,"ModifyIndex":0}"""),
            (await GetAsync($"/v1/config/service-splitter/{Prefix}api")).Compact);
        await ConfigAsync(Own("""{"Kind":"service-router","Name":"{p}api","Routes":[{"Match":{"HTTP":{"PathExact":"/x","Header":[{"Name":"h","Regex":"^a","Invert":true}],"QueryParam":[{"Name":"q","Present":true}]}},"Destination":{"NumRetries":"3","ServiceSubset":"v2","RequestTimeout":"90s","RetryOnStatusCodes":[503]}}]}"""));
        Assert.Equal(
            Own("""{"Kind":"service-router","Name":"{p}api","Routes":[{"Match":{"HTTP":{"PathExact":"/x","Header":[{"Name":"h","Regex":"^a","Invert":true}],"QueryParam":[{"Name":"q","Present":true}]}},"Destination":{"RequestTimeout":"1m30s","ServiceSubset":"v2","NumRetries":3,"RetryOnStatusCodes":[503]}}],"CreateIndex":0,"ModifyIndex":0}"""),
            (await GetAsync($"/v1/config/service-router/{Prefix}api")).Compact);

        // Whoever leads on to it has to go first.
        Assert.Equal((RefusedStatus, $"service \"{Prefix}api\" does not have a subset named \"v2\""), Plain(await SendAsync("DELETE", $"/v1/config/service-resolver/{Prefix}api")));
        foreach (var kind in (string[])["service-router", "service-splitter", "service-resolver", "service-defaults", "service-defaults"])
        {
            Assert.Equal((200, "{}"), Plain(await SendAsync("DELETE", $"/v1/config/{kind}/{Prefix}api")));
        }

        Assert.Equal((404, $"Config entry not found for \"service-router\" / \"{Prefix}api\""), Plain(await GetAsync($"/v1/config/service-router/{Prefix}api")));
    }

    [Theory]
    [InlineData("{", Undecoded + "unexpected EOF", true)]
    [InlineData("[]", Undecoded + "'' expected a map, got 'slice'", true)]
    [InlineData("null", Undecoded + "Payload does not contain a kind/Kind key at the top level", true)]
    [InlineData("""{"Kind":5}""", Undecoded + "Kind value in payload is not a string", true)]
    [InlineData("""{"Kind":"bogus","Name":"x"}""", Undecoded + "invalid config entry kind: bogus", true)]
    [InlineData("""{"Kind":"service-defaults","Name":"x","Zed":1}""", Undecoded + "1 error occurred:\n\t* invalid config key \"Zed\"\n\n", true)]
    [InlineData("""{"Kind":"service-defaults","Name":"x","Namespace":"n"}""", Undecoded + "1 error occurred:\n\t* invalid config key \"Namespace\", namespaces are a consul enterprise feature\n\n", true)]
    [InlineData("""{"Kind":"service-router","Name":"x","Routes":[{"Destination":{"RequestTimeout":"soon"}}]}""", Undecoded + "1 error(s) decoding:\n\n* error decoding 'Routes[0].Destination.RequestTimeout': time: invalid duration \"soon\"", true)]
    [InlineData("""{"Kind":"service-defaults","Name":"x","MeshGateway":[]}""", Undecoded + "1 error(s) decoding:\n\n* 'MeshGateway' expected a map, got 'slice'", true)]
    [InlineData("""{"Kind":"service-defaults","Name":"x","Protocol":{}}""", Undecoded + "1 error(s) decoding:\n\n* 'Protocol' expected type 'string', got unconvertible type 'map[string]interface {}'", true)]
    [InlineData("""{"Kind":"service-defaults"}""", "serviceName is required", false)]
    [InlineData("""{"Kind":"service-resolver"}""", "Name is required", false)]
    [InlineData("""{"Kind":"service-splitter","Name":"x","Splits":[{"Weight":90}]}""", "the sum of all split weights must be 100, not 90.000000", false)]
    [InlineData("""{"Kind":"service-splitter","Name":"x","Splits":[{"Weight":50},{"Weight":50,"Service":"x"}]}""", "split destination occurs more than once: service=\"x\", subset=\"\", namespace=\"\"", false)]
    [InlineData("""{"Kind":"service-splitter","Name":"nobody","Splits":[{"Weight":100}]}""", "discovery chain \"nobody\" uses a protocol \"tcp\" that does not permit advanced routing or splitting behavior", false)]
    [InlineData("""{"Kind":"service-router","Name":"x","Routes":[{"Match":{"HTTP":{"PathExact":"/a","PathPrefix":"/b"}}}]}""", "Route[0] should only contain at most one of PathExact, PathPrefix, or PathRegex", false)]
    [InlineData("""{"Kind":"service-router","Name":"x","Routes":[{"Match":{"HTTP":{"Header":[{"Name":"h","Exact":"1","Prefix":"a"}]}}}]}""", "Route[0] Header[0] should only contain one of Present, Exact, Prefix, Suffix, or Regex", false)]
    [InlineData("""{"Kind":"service-router","Name":"x","Routes":[{"Destination":{"PrefixRewrite":"/"}}]}""", "Route[0] cannot make use of PrefixRewrite without configuring either PathExact or PathPrefix", false)]
    [InlineData("""{"Kind":"service-resolver","Name":"x","DefaultSubset":"v1"}""", "DefaultSubset \"v1\" is not a valid subset", false)]
    [InlineData("""{"Kind":"service-resolver","Name":"x","Redirect":{}}""", "Redirect is empty", false)]
    [InlineData("""{"Kind":"service-resolver","Name":"x","Redirect":{"Service":"y"},"Failover":{"*":{"Service":"z"}}}""", "Redirect and Failover cannot both be set", false)]
    [InlineData("""{"Kind":"service-resolver","Name":"x","Failover":{"*":{}}}""", "Bad Failover[\"*\"] one of Service, ServiceSubset, Namespace, or Datacenters is required", false)]
    [InlineData("""{"Kind":"service-resolver","Name":"x","Subsets":{"V 1":{}}}""", "Subset \"V 1\" is invalid: must be 63 characters or fewer, begin or end with lower case alphanumeric characters, and contain lower case alphanumeric characters or '-' in between", false)]
    [InlineData("""{"Kind":"service-resolver","Name":"x","ConnectTimeout":"-1s"}""", "Bad ConnectTimeout '-1s', must be >= 0", false)]
    public async Task Config_OfSomethingWrong_IsRefusedInTheSameWords(string body, string text, bool isUndecoded)
    {
        var answer = await PutAsync("/v1/config", body);
        Assert.Equal((isUndecoded ? 400 : RefusedStatus, text.Trim()), (answer.Status, answer.Body.Trim()));
    }

    [Fact]
    public async Task Config_WithCas_AnswersAlike()
    {
        var body = Own("""{"Kind":"service-defaults","Name":"{p}cas","Protocol":"http"}""");
        Assert.Equal((200, "true"), Plain(await PutAsync("/v1/config?cas=0", body)));
        Assert.Equal((200, "false"), Plain(await PutAsync("/v1/config?cas=0", body)));
        var index = (await GetAsync($"/v1/config/service-defaults/{Prefix}cas")).Json.GetProperty("ModifyIndex").GetUInt64();
        Assert.Equal((200, "false"), Plain(await PutAsync("/v1/config?cas=1", body)));
        Assert.Equal((200, "true"), Plain(await PutAsync($"/v1/config?cas={index}", body)));
        Assert.Equal((RefusedStatus, "strconv.ParseUint: parsing \"x\": invalid syntax"), Plain(await PutAsync("/v1/config?cas=x", body)));
        Assert.Equal((200, Differing(KnownDifferences.ConfigIsDeletedWithCas, "{}", "false")), Plain(await SendAsync("DELETE", $"/v1/config/service-defaults/{Prefix}cas?cas=1")));
    }

    [Fact]
    public async Task Config_ThatWouldBreakAChain_IsRefusedInTheSameWords()
    {
        await ConfigAsync(Own("""{"Kind":"service-defaults","Name":"{p}a","Protocol":"http"}"""));
        await ConfigAsync(Own("""{"Kind":"service-defaults","Name":"{p}b","Protocol":"http"}"""));
        await ConfigAsync(Own("""{"Kind":"service-router","Name":"{p}a","Routes":[{"Destination":{"Service":"{p}b"}}]}"""));
        Assert.Equal(
            (RefusedStatus, $"discovery chain \"{Prefix}a\" uses inconsistent protocols; service \"{Prefix}b\" has \"tcp\" which is not \"http\""),
            Plain(await SendAsync("DELETE", $"/v1/config/service-defaults/{Prefix}b")));
        Assert.Equal(
            (RefusedStatus, $"discovery chain \"{Prefix}a\" uses inconsistent protocols; service \"{Prefix}b\" has \"http\" which is not \"tcp\""),
            Plain(await PutAsync("/v1/config", Own("""{"Kind":"service-defaults","Name":"{p}a","Protocol":"tcp"}"""))));
        Assert.Equal(
            (RefusedStatus, $"service \"{Prefix}b\" does not have a subset named \"v9\""),
            Plain(await PutAsync("/v1/config", Own("""{"Kind":"service-router","Name":"{p}a","Routes":[{"Destination":{"Service":"{p}b","ServiceSubset":"v9"}}]}"""))));
        await ConfigAsync(Own("""{"Kind":"service-resolver","Name":"{p}b","Redirect":{"Service":"{p}a"}}"""));
        var loop = await PutAsync("/v1/config", Own("""{"Kind":"service-resolver","Name":"{p}a","Redirect":{"Service":"{p}b"}}"""));
        Assert.Equal(RefusedStatus, loop.Status);
        Assert.StartsWith("detected circular resolver redirect: [", loop.Body, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"Kind":"service-router","Name":"{p}r","Routes":[{"Match":{"HTTP":{"PathRegex":"("}}}]}""", "Route[0] PathRegex is not a linear-time regular expression: \"(\"")]
    [InlineData("""{"Kind":"service-resolver","Name":"{p}r","Subsets":{"v1":{"Filter":"Nope == 1"}}}""", "Filter for subset \"v1\" is not a valid expression: Selector \"Nope\" is not valid")]
    [InlineData("""{"Kind":"service-router","Name":"{p}r","Routes":[{"Destination":{"Namespace":"other"}}]}""", "Route[0] Destination.Namespace: only 'default' is supported")]
    [InlineData("""{"Kind":"service-splitter","Name":"{p}r","Splits":[{"Weight":-1},{"Weight":101,"ServiceSubset":"v"}]}""", "the weight of a split must be between 0 and 100, not -1")]
    public async Task Config_ThatNobodyCouldFollow_IsRefusedByOurs(string body, string text)
    {
        await ConfigAsync(Own("""{"Kind":"service-defaults","Name":"{p}r","Protocol":"http"}"""));
        await ConfigAsync(Own("""{"Kind":"service-resolver","Name":"{p}r","Subsets":{"v":{}}}"""));
        var answer = await PutAsync("/v1/config", Own(body));
        Assert.Equal(Differing(KnownDifferences.ConfigIsJudgedFurther, (200, "true"), (400, text)), (answer.Status, answer.Body.Trim()));
    }

    [Theory]
    [InlineData("""{"Kind":"service-resolver","Name":"{p}n","LoadBalancer":{"Policy":"maglev"}}""")]
    [InlineData("""{"Kind":"service-resolver","Name":"{p}n","RequestTimeout":"5s"}""")]
    [InlineData("""{"Kind":"service-defaults","Name":"{p}n","MaxInboundConnections":5}""")]
    [InlineData("""{"Kind":"service-intentions","Name":"{p}n","Sources":[{"Name":"a","Action":"allow"}]}""")]
    [InlineData("""{"Kind":"mesh"}""")]
    public async Task Config_OfNewerVersions_IsTakenByOurs(string body)
    {
        var answer = await PutAsync("/v1/config", Own(body));
        Assert.Equal(Differing(KnownDifferences.ConfigOfNewerVersionsIsTaken, 400, 200), answer.Status);
    }

    private async Task ConfigAsync(string body)
    {
        var answer = await PutAsync("/v1/config", body);
        Assert.True(answer.Status == 200 && answer.Body.Trim() == "true", $"{body}: {answer.Status} {answer.Body}");
    }

    /// <summary>A text with the names of this test in it.</summary>
    private string Own(string text) => text.Replace("{p}", Prefix, StringComparison.Ordinal);
}
