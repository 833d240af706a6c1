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
}
