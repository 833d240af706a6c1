using MeshClient.Consul.Tests.Fakes;

namespace MeshClient.Consul.Tests.Contract;

/// <summary>The contract on our own server.</summary>
public sealed class AgainstMeshServer(RunningMeshServer server) : ControlPlaneContract, IClassFixture<RunningMeshServer>
{
    protected override bool SignsRequests => true;

    protected override ValueTask<Uri> GetAddressAsync() => ValueTask.FromResult(server.Address);
}
