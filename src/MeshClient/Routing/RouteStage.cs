using MeshClient.Outbound;

namespace MeshClient.Routing;

/// <summary>
/// Decides which target a call goes to. There are no routes yet, so each call goes to the service it names, and fails if that
/// could not be made out; routes, splits, mirrors and faults belong here, and nowhere else.
/// </summary>
internal sealed class RouteStage() : CallStage("Route", StagePhases.Enter)
{
    public override ValueTask EnterAsync(OutboundCall call) =>
        call.Rejection is null ? ValueTask.CompletedTask : throw call.Rejection;
}
