using System.Text.Json;
using MeshClient.Server.Api.Json;
using MeshClient.Server.CertificateAuthority;

namespace MeshClient.Server.Api.CertificateAuthority;

/// <summary>A new configuration of the authority as it was written.</summary>
internal sealed class CaConfigurationInput
{
    public string Provider { get; set; } = string.Empty;

    public string? LeafLifetime { get; set; }

    public string? RotationPeriod { get; set; }

    public string? IntermediateLifetime { get; set; }

    public string? PrivateKeyType { get; set; }

    public int? PrivateKeyBits { get; set; }

    public double? MaxSignedPerSecond { get; set; }

    public int? MaxSignedConcurrently { get; set; }

    public bool WithoutCrossSigning { get; set; }

    public string PrivateKey { get; set; } = string.Empty;

    public string RootCertificate { get; set; } = string.Empty;
}

/// <summary>Reads the configuration of the authority.</summary>
internal static class CaConfigurationDecoder
{
    public static CaConfigurationInput Decode(JsonElement element)
    {
        var input = new CaConfigurationInput();
        foreach (var field in JsonField.In(element))
        {
            switch (field.Key)
            {
                case "provider": input.Provider = field.Text(); break;
                case "config": DecodeConfig(field, input); break;
                case "state" or "createindex" or "modifyindex": break;
                case "forcewithoutcrosssigning": input.WithoutCrossSigning = field.Flag(); break;
                default: throw field.Unknown();
            }
        }

        return input;
    }

    /// <summary>Judges a configuration; what it leaves out stays as it is.</summary>
    public static CaConfiguration ToConfiguration(CaConfigurationInput input, CaConfiguration present)
    {
        if (input.Provider != "consul")
        {
            throw RequestRefusedException.Invalid($"could not initialize provider: unknown CA provider \"{input.Provider}\"");
        }

        if ((input.PrivateKey.Length > 0) != (input.RootCertificate.Length > 0))
        {
            throw RequestRefusedException.Invalid("error configuring provider: PrivateKey and RootCert have to be given together");
        }

        if (input.PrivateKeyType is not (null or "ec" or "rsa"))
        {
            throw RequestRefusedException.Invalid("error configuring provider: private key type must be either 'ec' or 'rsa'");
        }

        // The bits of one kind of key mean nothing to another; roots are of type ec unless another type was said.
        var type = input.PrivateKeyType ?? present.PrivateKeyType;
        var bits = input.PrivateKeyBits ?? ((type ?? "ec") == (present.PrivateKeyType ?? "ec") ? present.PrivateKeyBits : null);
        var next = present with { PrivateKeyType = type, PrivateKeyBits = bits };
        if (input.LeafLifetime is { } leaf)
        {
            next = next with { LeafLifetime = LeafLifetimeOf(leaf, present), LeafLifetimeText = leaf };
        }

        if (input.RotationPeriod is { } rotation)
        {
            DurationOf("RotationPeriod", rotation);
            next = next with { RotationPeriodText = rotation };
        }

        if (input.IntermediateLifetime is { } intermediate)
        {
            DurationOf("IntermediateCertTTL", intermediate);
            next = next with { IntermediateLifetimeText = intermediate };
        }

        return next with
        {
            MaxSignedPerSecond = NotNegative("CSRMaxPerSecond", input.MaxSignedPerSecond) ?? present.MaxSignedPerSecond,
            MaxSignedConcurrently = (int?)NotNegative("CSRMaxConcurrent", input.MaxSignedConcurrently) ?? present.MaxSignedConcurrently,
        };
    }

    private static double? NotNegative(string name, double? value) => value < 0
        ? throw RequestRefusedException.Invalid($"error configuring provider: {name} cannot be negative; 0 is no limit")
        : value;

    private static TimeSpan LeafLifetimeOf(string text, CaConfiguration present)
    {
        var lifetime = DurationOf("LeafCertTTL", text);
        if (text == present.LeafLifetimeText)
        {
            // Set in code to something shorter, and given back unchanged.
            return lifetime;
        }

        if (lifetime < CaConfiguration.MinLeafLifetime)
        {
            throw RequestRefusedException.Invalid("error configuring provider: leaf cert TTL must be greater or equal than 1h0m0s");
        }

        return lifetime <= CaConfiguration.MaxLeafLifetime
            ? lifetime
            : throw RequestRefusedException.Invalid("error configuring provider: leaf cert TTL must be less than 8760h0m0s");
    }

    private static TimeSpan DurationOf(string name, string text) =>
        GoDuration.TryParse(text, out var duration, out var problem)
            ? duration.ToTimeSpan()
            : throw RequestRefusedException.Invalid(
                $"error configuring provider: error decoding config: 1 error(s) decoding:\n\n* error decoding '{name}': {problem}");

    // Consul ignores keys it does not know in here; the map belongs to the provider.
    private static void DecodeConfig(JsonField config, CaConfigurationInput input)
    {
        foreach (var field in config.Fields())
        {
            switch (field.Key)
            {
                case "leafcertttl": input.LeafLifetime = TextOrNull(field); break;
                case "rotationperiod": input.RotationPeriod = TextOrNull(field); break;
                case "intermediatecertttl": input.IntermediateLifetime = TextOrNull(field); break;
                case "privatekeytype": input.PrivateKeyType = TextOrNull(field); break;
                case "privatekeybits": input.PrivateKeyBits = field.Number() is var bits and not 0 ? bits : null; break;
                case "csrmaxpersecond": input.MaxSignedPerSecond = field.Real(); break;
                case "csrmaxconcurrent": input.MaxSignedConcurrently = field.Number(); break;
                case "privatekey": input.PrivateKey = field.Text(); break;
                case "rootcert": input.RootCertificate = field.Text(); break;
                default: break;
            }
        }
    }

    private static string? TextOrNull(JsonField field) => field.Text() is { Length: > 0 } text ? text : null;
}
