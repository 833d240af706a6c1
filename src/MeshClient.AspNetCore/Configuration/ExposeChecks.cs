using System.Net;
using MeshClient.Configuration;

namespace MeshClient.AspNetCore.Configuration;

/// <summary>Checks <see cref="MeshExposeOptions"/>.</summary>
internal static class ExposeChecks
{
    private const string Key = "Expose";

    public static void Check(OptionChecks checks, MeshExposeOptions options)
    {
        if (options.Target is not null)
        {
            if (!ListenAddress.TryParse(options.Target, out var target) || target.Address is null || target.Port == 0)
            {
                checks.Add($"Mesh:Inbound:{Key}:Target is '{options.Target}'; it has to be address:port, such as 127.0.0.1:5432 or localhost:5432.");
            }
            else if (!options.AllowRemote && !IPAddress.IsLoopback(target.Address))
            {
                checks.Add(
                    $"Mesh:Inbound:{Key}:Target is '{options.Target}', which may be another machine, and what goes there is not protected. Run this process beside the program, or set Mesh:Inbound:{Key}:AllowRemote.");
            }
        }

        ForwarderChecks.CheckRelay(checks, Key, options.MaxConnections, options.IdleTimeout);
        checks.Range($"{Key}:ConnectTimeout", options.ConnectTimeout, TimeSpan.FromMilliseconds(10), TimeSpan.FromMinutes(5));
        checks.Range($"{Key}:CheckInterval", options.CheckInterval, TimeSpan.FromMilliseconds(100), TimeSpan.FromHours(1), zeroAllowed: true);
    }
}
