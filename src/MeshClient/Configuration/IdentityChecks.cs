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
        if (files.Any(static file => !string.IsNullOrEmpty(file)) && files.Any(string.IsNullOrEmpty))
        {
            checks.Add("Mesh:Identity:CertificateFile, PrivateKeyFile and RootsFile go together: set all three, or none.");
        }

        if (options.CertificateFile is not null && options.SigningRequests == SigningRequestUse.Always)
        {
            checks.Add("Mesh:Identity:SigningRequests is Always, and CertificateFile is set; a certificate out of a file is not requested.");
        }
    }
}
