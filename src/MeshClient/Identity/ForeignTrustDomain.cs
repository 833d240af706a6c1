using MeshClient.Configuration;
using MeshClient.Core.ControlPlane;

namespace MeshClient.Identity;

/// <summary>Another trust domain, the members of which are believed when their own roots vouch for them.</summary>
/// <param name="Name">The trust domain, in lower case.</param>
/// <param name="Roots">Where its roots come from.</param>
internal sealed record ForeignTrustDomain(string Name, ITrustBundleSource Roots)
{
    public static IReadOnlyList<ForeignTrustDomain> All(MeshIdentityOptions options, TimeProvider time) =>
        [.. options.TrustDomains.Select(pair => Of(pair.Key.ToLowerInvariant(), pair.Value.RootsFile!, options.FileInterval, time))];

    private static ForeignTrustDomain Of(string name, string file, TimeSpan interval, TimeProvider time) =>
        new(name, new FileTrustBundleSource(file, () => name, interval, time));
}
