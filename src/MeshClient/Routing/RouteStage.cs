using MeshClient.Outbound;

namespace MeshClient.Routing;

/// <summary>
/// Decides which target a call goes to. There are no routes yet, so each call goes to the service it names; routes, splits,
/// mirrors and faults belong here, and nowhere else.
/// </summary>
internal sealed class RouteStage() : CallStage("Route");
