using System.Net;
using MeshClient.Discovery;

namespace MeshClient.Configuration;

/// <summary>Checks <see cref="MeshForwarderOptions"/>, and what goes for relays on either side.</summary>
internal static class ForwarderChecks
{
    private const int MostConnections = 100_000;

    public static void Check(OptionChecks checks, string service, MeshForwarderOptions options)
    {
        var key = $"Forwards:{service}";
        if (!Uri.TryCreate($"https://{service}", UriKind.Absolute, out var address) || !DestinationName.TryParse(address, out _))
        {
            checks.Add($"Mesh:{key} is not the name of a service, such as postgres.");
        }

        if (!ListenAddress.TryParse(options.Listen, out var listen))
        {
            checks.Add($"Mesh:{key}:Listen is '{options.Listen}'; it has to be address:port, such as 127.0.0.1:5432 or localhost:0.");
        }
        else if (!options.AllowRemote && (listen.Address is null || !IPAddress.IsLoopback(listen.Address)))
        {
            checks.Add(
                $"Mesh:{key}:Listen is '{options.Listen}', which other machines may reach, and whoever connects there acts with this process's identity. Listen at 127.0.0.1, or set Mesh:{key}:AllowRemote.");
        }

        CheckRelay(checks, key, options.MaxConnections, options.IdleTimeout);
    }

    /// <summary>Checks what goes for relays on either side.</summary>
    public static void CheckRelay(OptionChecks checks, string key, int maxConnections, TimeSpan? idleTimeout)
    {
        checks.Range($"{key}:MaxConnections", (double)maxConnections, 1, MostConnections);
        checks.Range($"{key}:IdleTimeout", idleTimeout, TimeSpan.FromSeconds(1), TimeSpan.FromDays(7));
    }
}
