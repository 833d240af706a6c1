using MeshClient.Configuration;

namespace MeshClient.Tests.Configuration;

/// <summary>Changes variables of the process, so nothing runs beside it.</summary>
[CollectionDefinition(nameof(EnvironmentMeshOptionsTests), DisableParallelization = true)]
[Collection(nameof(EnvironmentMeshOptionsTests))]
public sealed class EnvironmentMeshOptionsTests : IDisposable
{
    private readonly string? _address = Environment.GetEnvironmentVariable("CONSUL_HTTP_ADDR");
    private readonly string? _token = Environment.GetEnvironmentVariable("CONSUL_HTTP_TOKEN");

    [Theory]
    [InlineData(null, null, null)]
    [InlineData(null, "", null)]
    [InlineData(null, "10.0.0.1:8500", "10.0.0.1:8500")]
    [InlineData("", "10.0.0.1:8500", "10.0.0.1:8500")]
    [InlineData("http://own:1", "10.0.0.1:8500", "http://own:1")]
    public void PostConfigure_Address_FromTheEnvironmentWhenNobodySaidOtherwise(string? set, string? variable, string? expected)
    {
        Environment.SetEnvironmentVariable("CONSUL_HTTP_ADDR", variable);
        Environment.SetEnvironmentVariable("CONSUL_HTTP_TOKEN", variable);
        var options = new MeshOptions { ControlPlane = { Address = set, Token = set } };
        new EnvironmentMeshOptions().PostConfigure(null, options);
        Assert.Equal((expected, expected), (options.ControlPlane.Address, options.ControlPlane.Token));
    }

    public void Dispose()
    {
        Environment.SetEnvironmentVariable("CONSUL_HTTP_ADDR", _address);
        Environment.SetEnvironmentVariable("CONSUL_HTTP_TOKEN", _token);
    }
}
