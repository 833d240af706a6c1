namespace MeshClient.AspNetCore.Inbound;

/// <summary>
/// Why a request is served. Found in <c>HttpContext.Features</c> of every request that enforcement let through.
/// </summary>
public interface IMeshPermitFeature
{
    /// <summary>
    /// The id of the intention that allowed it, with <c>#n</c> for its n-th permission; <c>default</c> when none matched;
    /// <c>exempt</c> for an endpoint that may be called without the mesh. Of a request that is served only in shadow mode, the
    /// rule that would refuse it.
    /// </summary>
    string Rule { get; }

    /// <summary>The same for people, in a sentence.</summary>
    string Reason { get; }

    /// <summary>Whether it is served only because the rule that would refuse it is tried and not in force.</summary>
    bool IsShadow { get; }
}
