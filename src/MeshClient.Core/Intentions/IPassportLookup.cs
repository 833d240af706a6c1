namespace MeshClient.Core.Intentions;

/// <summary>
/// Reads the tokens that a request carries and that have been verified, whoever verified them. Implemented by a struct, so that
/// a look-up costs no memory. Names are compared with case.
/// </summary>
public interface IPassportLookup
{
    /// <summary>Whether the request carries a token of a provider, and it has been verified.</summary>
    /// <param name="provider">The provider's name.</param>
    bool HasToken(string provider);

    /// <summary>
    /// Whether the verified token of a provider has a claim with a value; of a claim with several values, one has to be it.
    /// False without such a token.
    /// </summary>
    /// <param name="provider">The provider's name.</param>
    /// <param name="path">Where the claim is in the token, outermost name first.</param>
    /// <param name="value">The value, compared exactly.</param>
    bool HasClaim(string provider, EquatableArray<string> path, string value);
}

/// <summary>No token at all.</summary>
public readonly struct NoPassport : IPassportLookup
{
    /// <inheritdoc/>
    public bool HasToken(string provider) => false;

    /// <inheritdoc/>
    public bool HasClaim(string provider, EquatableArray<string> path, string value) => false;
}
