namespace MeshClient.Core.Intentions;

/// <summary>A requirement for tokens, compared with what a request carries.</summary>
/// <param name="requirement">What is asked for.</param>
internal sealed class CompiledRequirement(JwtRequirement requirement)
{
    public static CompiledRequirement? Of(JwtRequirement? requirement) =>
        requirement is null ? null : new CompiledRequirement(requirement);

    public static bool IsTooLarge(JwtRequirement? requirement) =>
        requirement is not null
        && (requirement.Providers.Count > IntentionLimits.Tokens
            || requirement.Providers.Any(provider => provider.VerifyClaims.Count > IntentionLimits.Tokens));

    /// <summary>Whether it is met.</summary>
    public bool Holds<TPassport>(in TPassport passport)
        where TPassport : IPassportLookup
    {
        foreach (var provider in requirement.Providers)
        {
            if (passport.HasToken(provider.Name) && HasAllClaims(passport, provider))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Whether it might be meant to hold for this request: anything but tokens that show it is about others.</summary>
    public bool MayHold<TPassport>(in TPassport passport)
        where TPassport : IPassportLookup
    {
        var isAboutOthers = false;
        foreach (var provider in requirement.Providers)
        {
            if (!passport.HasToken(provider.Name))
            {
                continue;
            }

            if (provider.VerifyClaims.Count == 0 || HasAnyClaim(passport, provider))
            {
                return true;
            }

            isAboutOthers = true;
        }

        return !isAboutOthers;
    }

    /// <summary>What is asked for, in words, without the values.</summary>
    public override string ToString() => requirement.Providers.Count == 0
        ? "a token of no provider"
        : $"a token of {string.Join(" or ", requirement.Providers.Select(Describe))}";

    private static string Describe(JwtProviderRequirement provider) => provider.VerifyClaims.Count == 0
        ? provider.Name
        : $"{provider.Name} with {string.Join(" and ", provider.VerifyClaims.Select(claim => string.Join('.', claim.Path)))}";

    private static bool HasAllClaims<TPassport>(in TPassport passport, JwtProviderRequirement provider)
        where TPassport : IPassportLookup
    {
        foreach (var claim in provider.VerifyClaims)
        {
            if (!passport.HasClaim(provider.Name, claim.Path, claim.Value))
            {
                return false;
            }
        }

        return true;
    }

    private static bool HasAnyClaim<TPassport>(in TPassport passport, JwtProviderRequirement provider)
        where TPassport : IPassportLookup
    {
        foreach (var claim in provider.VerifyClaims)
        {
            if (passport.HasClaim(provider.Name, claim.Path, claim.Value))
            {
                return true;
            }
        }

        return false;
    }
}
