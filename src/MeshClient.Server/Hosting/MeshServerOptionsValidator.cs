using System.Net;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace MeshClient.Server.Hosting;

/// <summary>Checks the options and names every error at once.</summary>
internal sealed class MeshServerOptionsValidator(IConfiguration? configuration = null) : IValidateOptions<MeshServerOptions>
{
    private static readonly TimeSpan MinLeafLifetime = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan MaxLeafLifetime = TimeSpan.FromHours(8760);
    private static readonly TimeSpan MaxRotationSpread = TimeSpan.FromMinutes(5);

    public ValidateOptionsResult Validate(string? name, MeshServerOptions options)
    {
        var errors = FindUnknownKeys().Concat(Find(options)).ToList();
        return errors.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(errors);
    }

    public static IEnumerable<string> Find(MeshServerOptions options)
    {
        if (options.ListenAddress is { } address)
        {
            if (!address.IsAbsoluteUri || address.Scheme != Uri.UriSchemeHttp || address.PathAndQuery != "/" || !TryGetIp(address, out _))
            {
                yield return $"ListenAddress is '{address}': it has to be http, an IP address or localhost, and a port, without a path.";
            }
            else if (TryGetIp(address, out var ip) && !IPAddress.IsLoopback(ip) && !options.AllowPlaintextBeyondLoopback)
            {
                yield return $"ListenAddress is '{address}': private keys would travel in plain text to other machines. "
                    + "Listen on a loopback address, map the endpoints into an app with HTTPS by MapMeshServer().RequireAuthorization(), or set AllowPlaintextBeyondLoopback.";
            }
        }

        if (options.Datacenter is not { Length: > 0 and <= 64 }
            || !options.Datacenter.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-' or '_'))
        {
            yield return $"Datacenter is '{options.Datacenter}': it has 1 to 64 characters of a-z 0-9 - _.";
        }

        if (options.NodeName is not { Length: > 0 and <= 128 } || options.NodeName.Any(c => char.IsControl(c) || char.IsWhiteSpace(c)))
        {
            yield return $"NodeName is '{options.NodeName}': it has 1 to 128 characters and no white space.";
        }

        if (!IPAddress.TryParse(options.NodeAddress, out _))
        {
            yield return $"NodeAddress is '{options.NodeAddress}': it has to be an IP address.";
        }

        if (!Enum.IsDefined(options.DefaultIntentionPolicy))
        {
            yield return $"DefaultIntentionPolicy is '{options.DefaultIntentionPolicy}': it has to be Allow or Deny.";
        }

        if (options.DataDirectory is { } path && (path.Trim().Length == 0 || File.Exists(path)))
        {
            yield return $"DataDirectory is '{path}': it has to be a directory, or the name of one to be made.";
        }

        if (options.LeafCertificateLifetime is { } lifetime && (lifetime < MinLeafLifetime || lifetime > MaxLeafLifetime))
        {
            yield return $"LeafCertificateLifetime is {lifetime}: it has to be from {MinLeafLifetime} to {MaxLeafLifetime}.";
        }

        if (options.RotationSpread < TimeSpan.Zero || options.RotationSpread > MaxRotationSpread)
        {
            yield return $"RotationSpread is {options.RotationSpread}: it has to be from 0 to {MaxRotationSpread}.";
        }

        if (options.MaxLeavesPerSecond < 0)
        {
            yield return $"MaxLeavesPerSecond is {options.MaxLeavesPerSecond}: it cannot be negative; 0 is no limit.";
        }

        if (options.SelfPreservationThreshold is not (> 0 and < 1))
        {
            yield return $"SelfPreservationThreshold is {options.SelfPreservationThreshold}: it has to be above 0 and below 1.";
        }

        if (options.MaxConnectionsPerClient < 0)
        {
            yield return $"MaxConnectionsPerClient is {options.MaxConnectionsPerClient}: it cannot be negative; 0 is no limit.";
        }
    }

    // A misspelt key stops the app instead of being ignored. The binder can do that itself, but stops at the first.
    private IEnumerable<string> FindUnknownKeys()
    {
        var known = typeof(MeshServerOptions).GetProperties().Select(property => property.Name).ToList();
        foreach (var key in configuration?.GetSection(MeshServerDefaults.SectionName).GetChildren() ?? [])
        {
            // Every option is a single value, so what has keys of its own is as unknown.
            if (!known.Contains(key.Key, StringComparer.OrdinalIgnoreCase) || key.GetChildren().Any())
            {
                yield return $"{key.Path} is not a known setting. Known here: {string.Join(", ", known.Order())}.";
            }
        }
    }

    /// <summary>The IP address to listen on.</summary>
    public static bool TryGetIp(Uri address, out IPAddress ip)
    {
        ip = IPAddress.Loopback;
        return address.Host == "localhost" || IPAddress.TryParse(address.Host.Trim('[', ']'), out ip!);
    }
}
