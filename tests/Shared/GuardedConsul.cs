namespace MeshClient.TestSupport;

/// <summary>A real Consul agent that demands tokens and denies what no rule allows.</summary>
public sealed class GuardedConsul : RealConsul
{
    /// <summary>The token that may do everything.</summary>
    public const string Token = "3c0a9f1e-6f3d-4b51-9a57-0d6a3f5b7e21";

    /// <inheritdoc/>
    protected override string ManagementToken => Token;
}
