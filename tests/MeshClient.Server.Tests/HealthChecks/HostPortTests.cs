using MeshClient.Server.HealthChecks;

namespace MeshClient.Server.Tests.HealthChecks;

public sealed class HostPortTests
{
    [Theory]
    [InlineData("127.0.0.1:80", "127.0.0.1", 80)]
    [InlineData("[::1]:8500", "::1", 8500)]
    [InlineData("db.local:65535", "db.local", 65535)]
    public void TryParse_OfHostAndPort_FindsBoth(string text, string host, int port)
    {
        Assert.True(HostPort.TryParse(text, out var address));
        Assert.Equal(new HostPort(host, port), address);
    }

    [Theory]
    [InlineData("")]
    [InlineData(":80")]
    [InlineData("host")]
    [InlineData("host:")]
    [InlineData("host:0")]
    [InlineData("host:65536")]
    [InlineData("host:-1")]
    [InlineData("host: 1")]
    [InlineData("::1:80")]
    [InlineData("a b:80")]
    [InlineData("http://host:80")]
    public void TryParse_OfSomethingElse_Fails(string text) => Assert.False(HostPort.TryParse(text, out _));
}
