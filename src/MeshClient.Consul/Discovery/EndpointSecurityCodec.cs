using MeshClient.Core.Discovery;

namespace MeshClient.Consul.Discovery;

/// <summary>
/// Consul knows one fact about the protection of an instance: whether it is connect-native. An instance may serve its named
/// endpoints in another way, such as plain metrics beside a main endpoint in the mesh. Those that differ are written into one
/// metadata key as <c>name=security</c>, joined by commas (the main endpoint has the empty name), and taken out again on
/// reading. Nothing written there can make an endpoint of a plain instance look like one of the mesh, nor take the main
/// endpoint of a native instance out of it.
/// </summary>
internal static class EndpointSecurityCodec
{
    /// <summary>The metadata key.</summary>
    public const string MetaKey = "meshclient-endpoints";

    /// <summary>The text for an instance's endpoints; null when none differs from the instance's own protection.</summary>
    public static string? Write(IEnumerable<InstanceEndpoint> endpoints, bool native)
    {
        var differing = endpoints.Where(endpoint => endpoint.Security != Usual(native))
            .Select(endpoint => $"{endpoint.Name}={Word(endpoint.Security)}");
        var text = string.Join(',', differing);
        return text.Length == 0 ? null : text;
    }

    /// <summary>The protection of one endpoint.</summary>
    public static InstanceSecurity Read(string? text, string? endpoint, bool native)
    {
        var usual = Usual(native);
        if (text is null || (native && endpoint is null))
        {
            return usual;
        }

        foreach (var part in text.Split(','))
        {
            var mark = part.LastIndexOf('=');
            if (mark >= 0 && part.AsSpan(0, mark).SequenceEqual(endpoint ?? string.Empty))
            {
                return part[(mark + 1)..] switch
                {
                    "plaintext" => InstanceSecurity.Plaintext,
                    "tls" => InstanceSecurity.Tls,
                    _ => usual,
                };
            }
        }

        return usual;
    }

    private static InstanceSecurity Usual(bool native) => native ? InstanceSecurity.Mesh : InstanceSecurity.Plaintext;

    private static string Word(InstanceSecurity security) => security switch
    {
        InstanceSecurity.Plaintext => "plaintext",
        InstanceSecurity.Tls => "tls",
        _ => "mesh",
    };
}
