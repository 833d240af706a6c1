namespace MeshClient.Core.Intentions;

/// <summary>
/// The tokens a request has to carry, as the <c>JWT</c> part of a service-intentions entry or of one of its permissions says it.
/// It holds when the request carries a verified token of one of the providers with all the claims asked of it. Without a
/// provider it never holds.
/// </summary>
/// <remarks>
/// An intention's own requirement comes before its action or permissions: a request that does not meet it is denied. An allowing
/// permission matches only what meets its requirement as well. A denying permission matches whatever might meet it: it is passed
/// over only when the request carries a verified token of one of the providers and none of the tokens has a claim that is asked
/// for; a request cannot get round a denial by leaving its token out.
/// The names are those of Consul's reference of the entry; there, a sidecar asks for one of the claims, here all have to hold.
/// </remarks>
/// <param name="Providers">The providers, of which one is enough.</param>
public sealed record JwtRequirement(EquatableArray<JwtProviderRequirement> Providers);

/// <summary>What is asked of a token.</summary>
/// <param name="Name">The provider's name: of the <c>jwt-provider</c> entry in the registry, and of the scheme in the app.</param>
/// <param name="VerifyClaims">The claims it has to have, all of them; none: any token of the provider will do.</param>
public sealed record JwtProviderRequirement(string Name, EquatableArray<JwtClaimRequirement> VerifyClaims);

/// <summary>A claim a token has to have.</summary>
/// <param name="Path">Where the claim is in the token, outermost name first: <c>["perms", "role"]</c>.</param>
/// <param name="Value">What it is, compared exactly.</param>
public sealed record JwtClaimRequirement(EquatableArray<string> Path, string Value);
