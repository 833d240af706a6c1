using MeshClient.Server.Operations;
using MeshClient.Server.Tests.Support;

namespace MeshClient.Server.Tests.Operations;

/// <summary>The description of the API says what is served, all of it and nothing else.</summary>
public sealed class OpenApiTests
{
    [Fact]
    public async Task Document_HoldsEveryRouteAndMethod()
    {
        await using var server = await TestServer.StartAsync();
        var document = (await server.GetAsync("/v1/openapi.json")).Json;
        Assert.Equal("3.1.0", document.GetProperty("openapi").GetString());
        var described = document.GetProperty("paths").EnumerateObject()
            .SelectMany(path => path.Value.EnumerateObject().Select(method => $"{method.Name.ToUpperInvariant()} {path.Name}"));
        var mapped = server.Routes.All.Values.SelectMany(route => route.Methods.Keys.Select(method => $"{method} {RouteDescriptions.PathOf(route.Pattern)}"));
        Assert.Equal(mapped.Order(StringComparer.Ordinal), described.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Descriptions_ThereIsOneForEveryRoute()
    {
        await using var server = await TestServer.StartAsync();
        var undescribed = server.Routes.All.Values
            .SelectMany(route => route.Methods.Keys.Select(method => (Method: method, route.Pattern)))
            .Where(route => RouteDescriptions.Find(route.Method, route.Pattern) is null)
            .ToList();
        Assert.Empty(undescribed);
    }

    [Fact]
    public async Task Document_OfAnOperation_NamesItsParametersAndItsAccess()
    {
        await using var server = await TestServer.StartAsync();
        var operation = (await server.GetAsync("/v1/openapi.json")).Json.GetProperty("paths").GetProperty("/v1/health/service/{service}").GetProperty("get");
        var parameters = operation.GetProperty("parameters").EnumerateArray()
            .Select(parameter => parameter.TryGetProperty("$ref", out var reference) ? reference.GetString() : parameter.GetProperty("name").GetString());
        Assert.Contains("service", parameters);
        Assert.Contains("passing", parameters);
        Assert.Contains("#/components/parameters/index", parameters);
        Assert.Equal("filtered by the handler", operation.GetProperty("x-access").GetString());
    }
}
