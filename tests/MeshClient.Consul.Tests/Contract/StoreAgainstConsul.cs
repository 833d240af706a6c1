using MeshClient.TestSupport;

namespace MeshClient.Consul.Tests.Contract;

/// <summary>The conversations with the original.</summary>
public sealed class StoreAgainstConsul(RealConsul consul) : StoreContract, IClassFixture<RealConsul>
{
    protected override bool IsConsul => true;

    protected override ValueTask<Uri> GetAddressAsync() => ValueTask.FromResult(consul.Address);
}
