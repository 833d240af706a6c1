using MeshClient.Consul.Tests.Fakes;

namespace MeshClient.Consul.Tests.Contract;

/// <summary>The calls of our own server.</summary>
public sealed class ApiAgainstMeshServer(RunningMeshServer server) : ApiContract, IClassFixture<RunningMeshServer>
{
    protected override bool IsConsul => false;

    protected override ValueTask<Uri> GetAddressAsync() => ValueTask.FromResult(server.Address);
}
