using MeshClient.Server.AccessControl;
using MeshClient.Server.Tests.Support;

namespace MeshClient.Server.Tests.AccessControl;

/// <summary>No call of the server is left out of access control.</summary>
public sealed class RouteAccessTests
{
    [Fact]
    public async Task Routes_All_SayWhatTheyDemand()
    {
        await using var server = await TestServer.StartAsync();
        var undecided = server.Routes.All
            .SelectMany(route => route.Value.Methods.Select(method => (Name: $"{method.Key} {route.Key}", method.Value.Access)))
            .Where(route => ReferenceEquals(route.Access, RouteAccess.Undecided))
            .Select(route => route.Name);
        Assert.Empty(undecided);
    }

    [Fact]
    public async Task Routes_OneThatAnswersWithoutHavingAsked_Fails()
    {
        await using var server = await TestServer.StartAsync();
        server.Routes.Map("GET", "/v1/test/forgot", RouteAccess.Asked, request => request.AnswerJsonAsync(writer => writer.WriteStringValue("secret")));
        server.Routes.Map("GET", "/v1/test/empty", RouteAccess.Asked, request => request.AnswerEmptyAsync());
        server.Routes.Map("GET", "/v1/test/text", RouteAccess.Asked, request => request.AnswerTextAsync(200, "secret"));
        foreach (var path in (string[])["/v1/test/forgot", "/v1/test/empty", "/v1/test/text"])
        {
            var answer = await server.GetAsync(path);
            Assert.Equal(500, (int)answer.Status);
            Assert.DoesNotContain("secret", answer.Body, StringComparison.Ordinal);
        }
    }

    /// <summary>Whoever has no rights learns nothing by any call, and changes nothing.</summary>
    [Fact]
    public async Task Routes_CalledWithoutRights_TellAndChangeNothing()
    {
        const string secret = "treasure";
        await using var server = await TestServer.StartGuardedAsync(options => options.NodeName = $"{secret}-node");
        await server.RegisterAsync(secret);
        await server.MustPutAsync("/v1/agent/check/register", $$"""{"ID":"{{secret}}-check","Name":"{{secret}}","TTL":"10s"}""");
        var intention = (await server.PostAsync("/v1/connect/intentions", $$"""{"SourceName":"{{secret}}-a","DestinationName":"{{secret}}","Action":"allow"}"""))
            .Json.GetProperty("ID").GetString();
        await server.PutAsync("/v1/acl/policy", $$"""{"Name":"{{secret}}","Rules":""}""");
        await server.GetAsync($"/v1/agent/connect/ca/leaf/{secret}");
        await server.PutAsync($"/v1/kv/{secret}", secret);
        await server.PutAsync("/v1/config", $$"""{"Kind":"service-defaults","Name":"{{secret}}","Protocol":"http"}""");
        server.Token = null;
        var index = server.State.Index;
        string[] rests = [string.Empty, secret, $"{secret}-node", intention!, "service-defaults", $"service-defaults/{secret}", "any", $"id/{secret}", $"name/{secret}", $"{secret}-check"];
        string[] queries =
        [
            "?recurse&enable=true", $"?by=destination&name={secret}", $"?source={secret}-a&destination={secret}", "?keys",
        ];
        string[] bodies =
        [
            "{}", $$"""{"Name":"{{secret}}","Port":1}""", $$"""{"Node":"{{secret}}-node","Address":"127.0.0.1"}""", $$"""{"SourceName":"a","DestinationName":"{{secret}}","Action":"allow"}""",
            $$"""{"Kind":"service-defaults","Name":"{{secret}}"}""", $$"""{"Target":"{{secret}}","ClientCertURI":"spiffe://x/ns/default/dc/dc1/svc/a"}""", """{"Provider":"consul","Config":{}}""", """{"Status":"passing"}""",
        ];
        string[] everybodys = ["/v1/acl/bootstrap"];
        foreach (var (pattern, route) in server.Routes.All.Where(route => !everybodys.Contains(route.Key)))
        {
            foreach (var (method, _) in route.Methods)
            {
                foreach (var path in pattern.EndsWith('/') ? rests.Select(rest => pattern + rest) : [pattern])
                {
                    foreach (var query in queries)
                    {
                        foreach (var body in method == "GET" ? (string?[])[null] : bodies)
                        {
                            if (IsEndless(path))
                            {
                                continue;
                            }

                            var answer = await server.SendAsync(method, path + query, body);
                            var rest = path[pattern.Length..];
                            var told = rest.Length == 0 ? answer.Body : answer.Body.Replace(rest, string.Empty, StringComparison.Ordinal);
                            Assert.False((int)answer.Status < 400 && told.Contains(secret, StringComparison.Ordinal), $"{method} {path}{query} {body}: {(int)answer.Status} {answer.Body}");
                            Assert.False((int)answer.Status >= 500 && !answer.Body.StartsWith("No path", StringComparison.Ordinal), $"{method} {path}{query} {body}: {(int)answer.Status} {answer.Body}");
                        }
                    }
                }
            }
        }

        Assert.Equal(index, server.State.Index);
        server.Token = TestServer.ManagementToken;
        Assert.Single((await server.GetAsync($"/v1/health/service/{secret}")).Json.EnumerateArray());
    }

    // A stream of what the server logs has no end to wait for.
    private static bool IsEndless(string path) => path is "/v1/agent/monitor" or "/v1/agent/metrics";
}
