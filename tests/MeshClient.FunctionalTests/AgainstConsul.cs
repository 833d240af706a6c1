using MeshClient.TestSupport;

namespace MeshClient.FunctionalTests;

/// <summary>The main job on a real Consul.</summary>
public sealed class AgainstConsul(RealConsul consul) : MeshContract, IClassFixture<RealConsul>
{
    /// <inheritdoc/>
    protected override Uri Address => consul.Address;
}
