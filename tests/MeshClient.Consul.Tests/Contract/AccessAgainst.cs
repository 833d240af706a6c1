using MeshClient.Consul.Tests.Fakes;
using MeshClient.TestSupport;

namespace MeshClient.Consul.Tests.Contract;

/// <summary>Access control of the original.</summary>
public sealed class AccessAgainstConsul(GuardedConsul consul) : AccessContract, IClassFixture<GuardedConsul>
{
    protected override bool IsConsul => true;

    protected override ValueTask<Uri> GetAddressAsync() => ValueTask.FromResult(consul.Address);
}

/// <summary>Access control of our own server.</summary>
public sealed class AccessAgainstMeshServer(GuardedMeshServer server) : AccessContract, IClassFixture<GuardedMeshServer>
{
    protected override bool IsConsul => false;

    protected override ValueTask<Uri> GetAddressAsync() => ValueTask.FromResult(server.Address);
}
