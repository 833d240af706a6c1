using MeshClient.Core.Discovery;
using MeshClient.Discovery;
using MeshClient.Tests.Support;

namespace MeshClient.Tests.Discovery;

public sealed class EndpointSelectionTests
{
    /// <summary>
    /// Endpoints (m: mesh, t: TLS, p: plaintext), whether plaintext is allowed, scheme; the choice (-: none) and whether
    /// plaintext was refused.
    /// </summary>
    [Theory]
    [InlineData("m", false, "Http", "m", false)]
    [InlineData("m", false, "Https", "m", false)]
    [InlineData("m", true, "HttpThenHttps", "m", false)]
    [InlineData("ptm", true, "Http", "m", false)]
    [InlineData("pm", false, "Http", "m", false)]
    [InlineData("t", false, "Https", "t", false)]
    [InlineData("t", false, "HttpsThenHttp", "t", false)]
    [InlineData("t", false, "HttpThenHttps", "t", false)]
    [InlineData("t", false, "Http", "-", false)]
    [InlineData("p", true, "Http", "p", false)]
    [InlineData("p", true, "Https", "-", false)]
    [InlineData("p", true, "HttpsThenHttp", "p", false)]
    [InlineData("p", true, "HttpThenHttps", "p", false)]
    [InlineData("p", false, "Http", "-", true)]
    [InlineData("p", false, "Https", "-", false)]
    [InlineData("p", false, "HttpsThenHttp", "-", true)]
    [InlineData("p", false, "HttpThenHttps", "-", true)]
    [InlineData("tp", true, "Http", "p", false)]
    [InlineData("tp", true, "Https", "t", false)]
    [InlineData("pt", true, "HttpsThenHttp", "t", false)]
    [InlineData("tp", true, "HttpThenHttps", "p", false)]
    [InlineData("tp", false, "HttpThenHttps", "t", true)]
    [InlineData("tp", false, "HttpsThenHttp", "t", true)]
    [InlineData("tp", false, "Http", "-", true)]
    public void Choose_Endpoints_ByScheme(string endpoints, bool allowed, string scheme, string choice, bool refused)
    {
        var instance = TestInstances.Describe(endpoints: [.. endpoints.Select((kind, i) => new InstanceEndpoint(null, "h", i + 1, Security(kind)))]);
        var name = new DestinationName(TestInstances.Service, null, Enum.Parse<SchemePreference>(scheme));
        var chosen = EndpointSelection.Choose(instance, name, allowed, out var plaintextRefused);
        Assert.Equal(choice == "-" ? null : Security(choice[0]), chosen?.Security);
        Assert.Equal(refused, plaintextRefused);
        // What whoever wrote the address has allowed is the same as what the app allows.
        chosen = EndpointSelection.Choose(instance with { PlaintextAllowed = allowed }, name, false, out _);
        Assert.Equal(choice == "-" ? null : Security(choice[0]), chosen?.Security);
    }

    [Theory]
    [InlineData(null, 1)]
    [InlineData("admin", 2)]
    [InlineData("ADMIN", 2)]
    [InlineData("other", 0)]
    public void Choose_Name_MustFit(string? endpoint, int port)
    {
        var instance = TestInstances.Describe(endpoints:
        [
            new InstanceEndpoint(null, "h", 1, InstanceSecurity.Mesh),
            new InstanceEndpoint("admin", "h", 2, InstanceSecurity.Mesh),
            new InstanceEndpoint("admin", "h", 3, InstanceSecurity.Mesh),
        ]);
        var chosen = EndpointSelection.Choose(
            instance, new DestinationName(TestInstances.Service, endpoint, SchemePreference.Https), true, out _);
        Assert.Equal(port, chosen?.Port ?? 0);
    }

    private static InstanceSecurity Security(char kind) => kind switch
    {
        'm' => InstanceSecurity.Mesh,
        't' => InstanceSecurity.Tls,
        _ => InstanceSecurity.Plaintext,
    };
}
