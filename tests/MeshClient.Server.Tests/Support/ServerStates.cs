using MeshClient.Server.Catalog;
using MeshClient.Server.State;

namespace MeshClient.Server.Tests.Support;

/// <summary>States without a server around them.</summary>
internal static class ServerStates
{
    public static ServerState Empty() => ServerState.CreateEmpty(
        1, new NodeRecord("11111111-2222-3333-4444-555555555555", "n1", "127.0.0.1", "dc1", 1, 1), DateTimeOffset.UnixEpoch);
}
