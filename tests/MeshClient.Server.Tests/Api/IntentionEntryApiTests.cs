using System.Net;
using MeshClient.Server.Tests.Support;

namespace MeshClient.Server.Tests.Api;

/// <summary>service-intentions entries: the same table as connect/intentions, seen by destination.</summary>
public sealed class IntentionEntryApiTests
{
    private const string Collection = "/v1/connect/intentions";
    private const string Provider = """{"Kind":"jwt-provider","Name":"okta","JSONWebKeySet":{"Local":{"JWKS":"e30="}}}""";

    [Fact]
    public async Task Put_OfAnEntry_IsSeenByEveryIntentionCall()
    {
        await using var server = await TestServer.StartAsync();
        await PutAsync(server, """{"Kind":"service-intentions","Name":"orders","Meta":{"k":"v"},"Sources":[{"Name":"*","Action":"deny"},{"Name":"web","Action":"allow","Description":"d"},{"Name":"ops","Permissions":[{"Action":"allow","HTTP":{"PathPrefix":"/v1","Methods":["get"],"Header":[{"Name":"x","Present":true}]}}]}]}""");
        var entry = await server.GetAsync("/v1/config/service-intentions/orders");
        Assert.Equal(
            $$$"""{"Kind":"service-intentions","Name":"orders","Sources":[{"Name":"ops","Permissions":[{"Action":"allow","HTTP":{"PathPrefix":"/v1","Header":[{"Name":"x","Present":true}],"Methods":["GET"]}}],"Precedence":9,"Type":"consul"},{"Name":"web","Action":"allow","Precedence":9,"Type":"consul","Description":"d"},{"Name":"*","Action":"deny","Precedence":8,"Type":"consul"}],"Meta":{"k":"v"},"CreateIndex":{{{entry.Index}}},"ModifyIndex":{{{entry.Index}}}}""",
            entry.Body);
        Assert.Equal("""{"Allowed":true}""", (await server.GetAsync($"{Collection}/check?source=web&destination=orders")).Body);
        Assert.Equal("""{"Allowed":false}""", (await server.GetAsync($"{Collection}/check?source=ops&destination=orders")).Body);
        Assert.Equal("""{"Allowed":false}""", (await server.GetAsync($"{Collection}/check?source=else&destination=orders")).Body);
        Assert.Equal(3, (await server.GetAsync($"{Collection}/match?by=destination&name=orders")).Json.GetProperty("orders").GetArrayLength());
        Assert.Equal("d", (await server.GetAsync($"{Collection}/exact?source=web&destination=orders")).Json.GetProperty("Description").GetString());
        Assert.Equal(3, (await server.GetAsync(Collection)).Json.GetArrayLength());
    }

    [Fact]
    public async Task Put_OfAnEntryAgain_KeepsIdsAndRemovesWhoIsNotNamed()
    {
        await using var server = await TestServer.StartAsync();
        var created = await server.PostAsync(Collection, """{"SourceName":"web","DestinationName":"orders","Action":"deny"}""");
        var id = created.Json.GetProperty("ID").GetString();
        await server.MustPutAsync($"{Collection}/exact?source=old&destination=orders", """{"Action":"allow"}""");
        await PutAsync(server, """{"Kind":"service-intentions","Name":"orders","Sources":[{"Name":"web","Action":"allow"}]}""");
        var left = Assert.Single((await server.GetAsync(Collection)).Json.EnumerateArray());
        Assert.Equal((id, "allow"), (left.GetProperty("ID").GetString(), left.GetProperty("Action").GetString()));

        await server.SendAsync("DELETE", $"{Collection}/{id}");
        Assert.Equal(HttpStatusCode.NotFound, (await server.GetAsync("/v1/config/service-intentions/orders")).Status);
        Assert.Equal("[]", (await server.GetAsync("/v1/config/service-intentions")).Body);
    }

    [Fact]
    public async Task Entry_MovesItsIndexWithEveryIntentionAndTakesCas()
    {
        await using var server = await TestServer.StartAsync();
        const string Body = """{"Kind":"service-intentions","Name":"orders","Sources":[{"Name":"web","Action":"allow"}]}""";
        await PutAsync(server, Body, "?cas=0");
        Assert.Equal("false", (await server.PutAsync("/v1/config?cas=0", Body)).Body);
        var first = (await server.GetAsync("/v1/config/service-intentions/orders")).Json;
        await server.MustPutAsync($"{Collection}/exact?source=ops&destination=orders", """{"Action":"deny"}""");
        var second = (await server.GetAsync("/v1/config/service-intentions/orders")).Json;
        Assert.Equal(first.GetProperty("CreateIndex").GetUInt64(), second.GetProperty("CreateIndex").GetUInt64());
        Assert.True(second.GetProperty("ModifyIndex").GetUInt64() > first.GetProperty("ModifyIndex").GetUInt64());
        Assert.Equal("false", (await server.SendAsync("DELETE", $"/v1/config/service-intentions/orders?cas={first.GetProperty("ModifyIndex")}")).Body);
        Assert.Equal("true", (await server.SendAsync("DELETE", $"/v1/config/service-intentions/orders?cas={second.GetProperty("ModifyIndex")}")).Body);
        Assert.Equal("[]", (await server.GetAsync(Collection)).Body);
    }

    [Fact]
    public async Task Put_OfTheSameEntry_MovesNoIndex()
    {
        await using var server = await TestServer.StartAsync();
        const string Body = """{"Kind":"service-intentions","Name":"orders","Meta":{"a":"b"},"Sources":[{"Name":"web","Action":"allow"}]}""";
        await PutAsync(server, Body);
        var before = await server.GetAsync("/v1/config/service-intentions/orders");
        await PutAsync(server, Body);
        var after = await server.GetAsync("/v1/config/service-intentions/orders");
        Assert.Equal((before.Index, before.Body), (after.Index, after.Body));
    }

    [Fact]
    public async Task Watch_OfAnEntry_WakesForAnIntentionWrittenOtherwise()
    {
        await using var server = await TestServer.StartAsync();
        await PutAsync(server, """{"Kind":"service-intentions","Name":"orders","Sources":[{"Name":"web","Action":"allow"}]}""");
        var watch = await server.ParkAsync("/v1/config/service-intentions/orders", (await server.GetAsync("/v1/config/service-intentions/orders")).Index);
        await server.MustPutAsync($"{Collection}/exact?source=web&destination=orders", """{"Action":"deny"}""");
        Assert.Equal("deny", (await watch).Json.GetProperty("Sources")[0].GetProperty("Action").GetString());
    }

    [Fact]
    public async Task EntryWithJwt_AllowsNothingAndIsGivenBack()
    {
        await using var server = await TestServer.StartAsync();
        await PutAsync(server, Provider);
        await PutAsync(server, """{"Kind":"service-intentions","Name":"orders","JWT":{"Providers":[{"Name":"okta","VerifyClaims":[{"Path":["perms","role"],"Value":"admin"}]}]},"Sources":[{"Name":"web","Action":"allow"}]}""");
        Assert.Contains("""],"JWT":{"Providers":[{"Name":"okta","VerifyClaims":[{"Path":["perms","role"],"Value":"admin"}]}]},"CreateIndex":""", (await server.GetAsync("/v1/config/service-intentions/orders")).Body, StringComparison.Ordinal);
        Assert.Equal("""{"Allowed":false}""", (await server.GetAsync($"{Collection}/check?source=web&destination=orders")).Body);
        var answer = await server.SendAsync("DELETE", "/v1/config/jwt-provider/okta");
        Assert.Equal((HttpStatusCode.BadRequest, "the JWT provider \"okta\" that the intention default/web => default/orders refers to does not exist"), (answer.Status, answer.Body));
    }

    [Theory]
    [InlineData("""{"Kind":"service-intentions","Name":"orders","Sources":[{"Name":"web","Permissions":[{"Action":"allow","JWT":{"Providers":[{"Name":"nobody"}]}}]}]}""", "the JWT provider \"nobody\" that the intention default/web => default/orders refers to does not exist")]
    [InlineData("""{"Kind":"service-intentions","Name":"plain","Sources":[{"Name":"web","Permissions":[{"Action":"allow","HTTP":{"PathPrefix":"/"}}]}]}""", "service \"plain\" has protocol \"tcp\", which is incompatible with L7 intentions permissions")]
    [InlineData("""{"Kind":"service-intentions","Name":"*","Sources":[{"Name":"web","Permissions":[{"Action":"allow","HTTP":{"PathPrefix":"/"}}]}]}""", "1 error occurred:\n\t* Permissions cannot be specified on intentions with a wildcarded DestinationName\n\n")]
    [InlineData("""{"Kind":"service-intentions","Name":"orders","Sources":[{"Name":"web","Action":"allow","Peer":"p"}]}""", "1 error occurred:\n\t* SourcePeer and SourceSamenessGroup are not supported\n\n")]
    public async Task Put_OfWhatDoesNotFit_IsRefused(string body, string text)
    {
        await using var server = await TestServer.StartAsync();
        await PutAsync(server, """{"Kind":"service-defaults","Name":"plain","Protocol":"tcp"}""");
        var answer = await server.PutAsync("/v1/config", body);
        Assert.Equal((HttpStatusCode.BadRequest, text), (answer.Status, answer.Body));
        Assert.Equal("[]", (await server.GetAsync(Collection)).Body);
    }

    [Fact]
    public async Task Protocol_ThatPermissionsCannotLiveWith_IsRefused()
    {
        await using var server = await TestServer.StartAsync();
        await server.MustPutAsync($"{Collection}/exact?source=web&destination=orders", """{"Permissions":[{"Action":"allow","HTTP":{"PathPrefix":"/"}}]}""");
        var answer = await server.PutAsync("/v1/config", """{"Kind":"service-defaults","Name":"orders","Protocol":"tcp"}""");
        Assert.Equal((HttpStatusCode.BadRequest, "service \"orders\" has protocol \"tcp\", which is incompatible with L7 intentions permissions"), (answer.Status, answer.Body));
        await PutAsync(server, """{"Kind":"service-defaults","Name":"orders","Protocol":"http"}""");
        await PutAsync(server, """{"Kind":"proxy-defaults","Config":{"protocol":"tcp"}}""");
        Assert.Equal(HttpStatusCode.BadRequest, (await server.SendAsync("DELETE", "/v1/config/service-defaults/orders")).Status);
    }

    private static async Task PutAsync(TestServer server, string body, string query = "")
    {
        var answer = await server.PutAsync($"/v1/config{query}", body);
        Assert.True(answer is { Status: HttpStatusCode.OK, Body: "true" }, $"{body}: {(int)answer.Status} {answer.Body}");
    }
}
