using MeshClient.Core.Discovery;

namespace MeshClient.Discovery;

/// <summary>Which endpoint of an instance a call may use, if any.</summary>
internal static class EndpointSelection
{
    /// <summary>Chooses among the endpoints of one instance.</summary>
    /// <param name="instance">The instance.</param>
    /// <param name="name">What the call asks for.</param>
    /// <param name="plaintextAllowed">Whether the app allows plaintext to this service.</param>
    /// <param name="plaintextRefused">Whether there was a plaintext endpoint that would have done.</param>
    public static InstanceEndpoint? Choose(
        ServiceInstance instance, in DestinationName name, bool plaintextAllowed, out bool plaintextRefused)
    {
        plaintextRefused = false;
        InstanceEndpoint? tls = null;
        InstanceEndpoint? plaintext = null;
        foreach (var endpoint in instance.Endpoints)
        {
            if (!string.Equals(endpoint.Name, name.Endpoint, StringComparison.OrdinalIgnoreCase))
            {
                continue;
            }

            switch (endpoint.Security)
            {
                case InstanceSecurity.Mesh:
                    return endpoint;
                case InstanceSecurity.Tls:
                    tls ??= endpoint;
                    break;
                default:
                    plaintext ??= endpoint;
                    break;
            }
        }

        if (plaintext is not null && name.Scheme != SchemePreference.Https && !plaintextAllowed && !instance.PlaintextAllowed)
        {
            plaintext = null;
            plaintextRefused = true;
        }

        return name.Scheme switch
        {
            SchemePreference.Http => plaintext,
            SchemePreference.Https => tls,
            SchemePreference.HttpsThenHttp => tls ?? plaintext,
            _ => plaintext ?? tls,
        };
    }
}
