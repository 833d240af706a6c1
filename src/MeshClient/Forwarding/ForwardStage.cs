using MeshClient.Configuration;
using MeshClient.Outbound;
using MeshClient.Resilience;

namespace MeshClient.Forwarding;

/// <summary>
/// Finds out what a call takes along of the request it is made for. Here, and not at the attempts, because those may run in a flow
/// that is not the caller's.
/// </summary>
internal sealed class ForwardStage() : CallStage("Forward", StagePhases.Enter)
{
    // A bit for each in a number: see HeaderForwarding.
    private const int MaxHeaders = 64;

    private static readonly ForwardSettings Nothing = new([]);

    public override ValueTask EnterAsync(OutboundCall call)
    {
        if (RequestHeaders.Current is { } inbound
            && (OwnWish(call) ?? call.Destination.Service.Settings.Forward) is { } wanted)
        {
            call.Forwarded = HeadersIn(inbound, wanted);
        }

        return ValueTask.CompletedTask;
    }

    private static ForwardSettings? OwnWish(OutboundCall call) =>
        call.Request.Options.TryGetValue(MeshRequestOptions.Forward, out var own) && own is not null
            ? ForwardSettings.For(own, null) ?? Nothing
            : null;

    private static ForwardableHeader[]? HeadersIn(RequestHeaders inbound, ForwardSettings wanted)
    {
        List<ForwardableHeader>? found = null;
        foreach (var name in wanted.Headers)
        {
            if (found?.Count != MaxHeaders && inbound.TryFind(name, out var values))
            {
                (found ??= []).Add(new ForwardableHeader(name, values));
            }
        }

        return found?.ToArray();
    }
}
