using MeshClient.TestSupport;

namespace MeshClient.Consul.Tests.Contract;

/// <summary>The calls of the original.</summary>
public sealed class ApiAgainstConsul(RealConsul consul) : ApiContract, IClassFixture<RealConsul>
{
    protected override bool IsConsul => true;

    protected override ValueTask<Uri> GetAddressAsync() => ValueTask.FromResult(consul.Address);
}
