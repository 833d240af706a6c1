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
    }
}
