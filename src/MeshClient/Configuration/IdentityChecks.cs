using MeshClient.Core.Naming;
using MeshClient.Identity;

namespace MeshClient.Configuration;

/// <summary>Checks <see cref="MeshIdentityOptions"/>.</summary>
internal static class IdentityChecks
{
    public static void Check(OptionChecks checks, MeshIdentityOptions options)
    {
        checks.Range("Identity:ExpiryGrace", options.ExpiryGrace, TimeSpan.Zero, TimeSpan.FromHours(1));
        checks.Range("Identity:ClockAllowance", options.ClockAllowance, TimeSpan.Zero, TimeSpan.FromMinutes(5));
        if (options.ClockAllowance > options.ExpiryGrace)
        {
            checks.Add(
                $"Mesh:Identity:ClockAllowance is {options.ClockAllowance}, longer than ExpiryGrace {options.ExpiryGrace}; a connection would be made that has to be closed at once.");
        }

        checks.OneOf("Identity:SigningRequests", options.SigningRequests);
        checks.OneOf("Identity:KeyType", options.KeyType);
        checks.Range("Identity:FileInterval", options.FileInterval, TimeSpan.FromMilliseconds(100), TimeSpan.FromHours(1));
        string?[] files = [options.CertificateFile, options.PrivateKeyFile, options.RootsFile];
        if (files.Any(static file => file is not null) && files.Any(string.IsNullOrEmpty))
        {
            checks.Add("Mesh:Identity:CertificateFile, PrivateKeyFile and RootsFile go together: set all three, or none.");
        }

        if (options.CertificateFile is not null && options.SigningRequests == SigningRequestUse.Always)
        {
            checks.Add("Mesh:Identity:SigningRequests is Always, and CertificateFile is set; a certificate out of a file is not requested.");
        }

        var own = FindOwnTrustDomain(options);
        foreach (var (domain, one) in options.TrustDomains)
        {
            CheckTrustDomain(checks, domain, one.RootsFile);
            if (string.Equals(domain, own, StringComparison.OrdinalIgnoreCase))
            {
                checks.Add(NamesOwnTrustDomain(domain));
            }
        }
    }

    /// <summary>What is said where the settings have this process's own trust domain among the others.</summary>
    public static string NamesOwnTrustDomain(string domain) =>
        $"Mesh:Identity:TrustDomains:{domain} is this process's own trust domain. Its roots come from where the certificate comes from, the control plane or Mesh:Identity:RootsFile, and from nowhere else: take the section out.";

    /// <summary>
    /// The trust domain of this process where it is known beforehand, of a certificate in a file; null where it is not. What the file
    /// lacks is told when it is read.
    /// </summary>
    public static string? FindOwnTrustDomain(MeshIdentityOptions options)
    {
        try
        {
            return string.IsNullOrEmpty(options.CertificateFile) ? null : FileTrustBundleSource.ReadTrustDomain(options.CertificateFile);
        }
        catch (Exception e) when (FileLeafSource.IsUnusable(e))
        {
            return null;
        }
    }

    private static void CheckTrustDomain(OptionChecks checks, string domain, string? rootsFile)
    {
        var key = $"Mesh:Identity:TrustDomains:{domain}";
        if (!SpiffeId.TryParse($"spiffe://{domain}", out var id) || id.Path.Length > 0)
        {
            checks.Add($"{key} is not a trust domain: letters, digits, - _ and . are allowed.");
        }
        else if (string.IsNullOrEmpty(rootsFile))
        {
            checks.Add($"{key}:RootsFile is missing; members of a trust domain are known by its roots.");
        }
        else
        {
            try
            {
                using var bundle = FileTrustBundleSource.Load(id.TrustDomain, FileLeafSource.ReadFile(rootsFile));
            }
            catch (Exception e) when (FileLeafSource.IsUnusable(e))
            {
                checks.Add($"{key}:RootsFile is '{rootsFile}', which cannot be used: {e.Message}");
            }
        }
    }
}
