using Microsoft.Extensions.Options;

namespace MeshClient.Configuration;

/// <summary>Fills what neither code nor configuration said from the environment variables every Consul tool reads.</summary>
internal sealed class EnvironmentMeshOptions : IPostConfigureOptions<MeshOptions>
{
    private const string AddressVariable = "CONSUL_HTTP_ADDR";
    private const string TokenVariable = "CONSUL_HTTP_TOKEN";
    private const string CaFileVariable = "CONSUL_CACERT";

    public void PostConfigure(string? name, MeshOptions options)
    {
        options.ControlPlane.Address = FirstSet(options.ControlPlane.Address, AddressVariable);
        options.ControlPlane.Token = FirstSet(options.ControlPlane.Token, TokenVariable);
        options.ControlPlane.CaFile = FirstSet(options.ControlPlane.CaFile, CaFileVariable);
    }

    private static string? FirstSet(string? value, string variable) =>
        !string.IsNullOrWhiteSpace(value) ? value
        : Environment.GetEnvironmentVariable(variable) is { } text && !string.IsNullOrWhiteSpace(text) ? text
        : null;
}
