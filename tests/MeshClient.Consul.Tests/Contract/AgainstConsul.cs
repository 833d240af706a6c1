using MeshClient.TestSupport;

namespace MeshClient.Consul.Tests.Contract;

/// <summary>The contract on the original.</summary>
public sealed class AgainstConsul(RealConsul consul) : ControlPlaneContract, IClassFixture<RealConsul>
{
    protected override bool SignsRequests => false;

    protected override ValueTask<Uri> GetAddressAsync() => ValueTask.FromResult(consul.Address);
}
