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

        if (!IsDatacenterName(options.Datacenter))
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

        foreach (var error in FindInAccessControl(options.AccessControl).Concat(FindInHttps(options.Https)).Concat(FindInDatacenters(options)))
        {
            yield return error;
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

    private static IEnumerable<string> FindInAccessControl(MeshServerAccessControlOptions? options)
    {
        if (options is null)
        {
            yield return "AccessControl is null: leave it out, or give it values.";
            yield break;
        }

        if (!Enum.IsDefined(options.DefaultPolicy))
        {
            yield return $"AccessControl:DefaultPolicy is '{options.DefaultPolicy}': it has to be Allow or Deny.";
        }

        if (options.InitialManagementToken is { } token && !Guid.TryParseExact(token, "D", out _))
        {
            // Not shown: it is a secret even when it is misspelt.
            yield return "AccessControl:InitialManagementToken has to be a UUID.";
        }

        if (options.LoginTokenLifetime != TimeSpan.Zero
            && (options.LoginTokenLifetime < TimeSpan.FromMinutes(1) || options.LoginTokenLifetime > TimeSpan.FromDays(365)))
        {
            yield return $"AccessControl:LoginTokenLifetime is {options.LoginTokenLifetime}: it has to be from 1 minute to 365 days, or 0 for ever.";
        }

        if (!options.Enabled && options.InitialManagementToken is not null)
        {
            yield return "AccessControl:InitialManagementToken is set, and AccessControl:Enabled is not: nobody would be asked for it.";
        }
    }

    private static IEnumerable<string> FindInHttps(MeshServerHttpsOptions? options)
    {
        if (options is null)
        {
            yield return "Https is null: leave it out, or give it values.";
            yield break;
        }

        if (options.ListenAddress is { } address
            && (!address.IsAbsoluteUri || address.Scheme != Uri.UriSchemeHttps || address.PathAndQuery != "/" || !TryGetIp(address, out _)))
        {
            yield return $"Https:ListenAddress is '{address}': it has to be https, an IP address or localhost, and a port, without a path.";
        }

        if (options.ListenAddress is null && (options.CertificatePath is not null || options.PrivateKeyPath is not null || options.ServerNames.Count > 0))
        {
            yield return "Https:ListenAddress is not set, and other settings of Https are: nothing would listen.";
        }

        if (options.PrivateKeyPath is not null && options.CertificatePath is null)
        {
            yield return "Https:PrivateKeyPath is set, and Https:CertificatePath is not.";
        }

        if (options.CertificatePath is not null && options.ServerNames.Count > 0)
        {
            yield return "Https:ServerNames is for certificates of the server's own authority, and Https:CertificatePath is set: set one of them.";
        }

        foreach (var path in (string?[])[options.CertificatePath, options.PrivateKeyPath])
        {
            if (path is not null && !File.Exists(path))
            {
                yield return $"Https: the file '{path}' does not exist.";
            }
        }

        foreach (var name in options.ServerNames)
        {
            if (Uri.CheckHostName(name) is not (UriHostNameType.Dns or UriHostNameType.IPv4 or UriHostNameType.IPv6))
            {
                yield return $"Https:ServerNames has '{name}', which is no host name and no IP address.";
            }
        }
    }

    private static IEnumerable<string> FindInDatacenters(MeshServerOptions options)
    {
        foreach (var (name, datacenter) in options.Datacenters)
        {
            if (!IsDatacenterName(name) || string.Equals(name, options.Datacenter, StringComparison.OrdinalIgnoreCase))
            {
                yield return $"Datacenters has '{name}': the name of another datacenter has 1 to 64 characters of a-z 0-9 - _.";
            }

            if (datacenter?.Address is not { IsAbsoluteUri: true, PathAndQuery: "/", UserInfo: "" } address || address.Scheme is not ("http" or "https"))
            {
                yield return $"Datacenters:{name}:Address is '{datacenter?.Address}': it has to be http or https, a host and a port, without a path.";
            }

            else if (address.Scheme == Uri.UriSchemeHttp && !address.IsLoopback && !datacenter.AllowPlaintext)
            {
                yield return $"Datacenters:{name}:Address is '{address}': callers' tokens would travel in plain text to another machine. Use https, or set AllowPlaintext.";
            }

            if (datacenter is not null && (datacenter.Timeout < TimeSpan.FromMilliseconds(100) || datacenter.Timeout > TimeSpan.FromMinutes(5)))
            {
                yield return $"Datacenters:{name}:Timeout is {datacenter.Timeout}: it has to be from 0.1 seconds to 5 minutes.";
            }

            if (datacenter?.TrustedCertificatesPath is { } path && !File.Exists(path))
            {
                yield return $"Datacenters:{name}:TrustedCertificatesPath: the file '{path}' does not exist.";
            }
        }
    }

    private static bool IsDatacenterName(string? name) =>
        name is { Length: > 0 and <= 64 } && name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-' or '_');

    // A misspelt key stops the app instead of being ignored. The binder can do that itself, but stops at the first.
    private IEnumerable<string> FindUnknownKeys() =>
        configuration is null ? [] : FindUnknownKeys(configuration.GetSection(MeshServerDefaults.SectionName), typeof(MeshServerOptions));

    private static IEnumerable<string> FindUnknownKeys(IConfigurationSection section, Type type)
    {
        var known = type.GetProperties().ToDictionary(property => property.Name, property => property.PropertyType, StringComparer.OrdinalIgnoreCase);
        foreach (var key in section.GetChildren())
        {
            if (!known.TryGetValue(key.Key, out var of))
            {
                yield return $"{key.Path} is not a known setting. Known here: {string.Join(", ", known.Keys.Order())}.";
                continue;
            }

            foreach (var error in FindInside(key, of))
            {
                yield return error;
            }
        }
    }

    // What has keys of its own is as unknown, unless it is a group of settings, a list, or a map of groups.
    private static IEnumerable<string> FindInside(IConfigurationSection key, Type type)
    {
        if (type.Namespace == typeof(MeshServerOptions).Namespace && type.IsClass)
        {
            return FindUnknownKeys(key, type);
        }

        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IDictionary<,>))
        {
            return key.GetChildren().SelectMany(entry => FindInside(entry, type.GetGenericArguments()[1]));
        }

        return type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IList<>)
            ? key.GetChildren().SelectMany(entry => FindInside(entry, type.GetGenericArguments()[0]))
            : key.GetChildren().Any() ? [$"{key.Path} is a single value and has no settings below it."] : [];
    }

    /// <summary>The IP address to listen on.</summary>
    public static bool TryGetIp(Uri address, out IPAddress ip)
    {
        ip = IPAddress.Loopback;
        return address.Host == "localhost" || IPAddress.TryParse(address.Host.Trim('[', ']'), out ip!);
    }
}
