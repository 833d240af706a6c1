using MeshClient.AspNetCore.Listener;
using MeshClient.AspNetCore.Overload;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace MeshClient.AspNetCore.Inbound;

/// <summary>The way of a request into the app. The order is written here and nowhere else.</summary>
internal sealed class InboundPipeline
{
    public InboundPipeline(
        MeshTlsPolicy tls,
        LingeringClose lingering,
        RunningRequests running,
        AnswerCoalescing coalescing,
        TelemetryMiddleware telemetry,
        DeadlineMiddleware deadline,
        IntentionsMiddleware intentions,
        OverloadMiddleware overload,
        ForwardingMiddleware forwarding) =>
        Stages =
        [
            // Outermost, and per connection: nobody without a certificate of the mesh gets to send a request at all.
            InboundStage.ForConnection("Tls", tls.Use),

            // Below Tls because the last of TLS tells the caller that the connection has ended; above all that serves, which is done by then.
            InboundStage.ForConnection("Lingering", lingering.Use),

            // Below Tls because it keeps each connection's requests by the peer that has been proved there.
            InboundStage.ForConnection("Running", running.Use),

            // Innermost of the connection, because what is gathered is what the server itself writes; within Tls, because to encrypt
            // answers one by one is what it spares.
            InboundStage.ForConnection("Coalescing", coalescing.Use),

            // Above PeerIdentity and Intentions because denials have to be counted, and a request under way has to be waited
            // for on shutdown, whatever becomes of it.
            InboundStage.ForRequest("Telemetry", telemetry.Wrap),

            // Above Intentions because they decide about the caller; below Telemetry because it only fills what that set up.
            InboundStage.ForRequest("PeerIdentity", PeerIdentityMiddleware.Wrap),

            // Below PeerIdentity because only callers in the mesh are believed; above all that works, because nothing is to be done
            // for a caller that has given up.
            InboundStage.ForRequest("Deadline", deadline.Wrap),

            // Above Overload because who may not call at all is to hear that, for good, and must not use up what others may have;
            // deciding costs next to nothing. Everything the app does, its own middleware included, lies behind the decision.
            InboundStage.ForRequest("Intentions", intentions.Wrap),

            // Above the app with next to nothing between, because what it learns from is the app's own time, and what it counts the
            // app's own work.
            InboundStage.ForRequest("Overload", overload.Wrap),

            // Innermost, because only what is served makes calls that may take something of it along.
            InboundStage.ForRequest("Forwarding", forwarding.Wrap),
        ];

    /// <summary>The stages, outermost first.</summary>
    public IReadOnlyList<InboundStage> Stages { get; }

    /// <summary>Adds the stages of the connection to the mesh listener.</summary>
    public void AddTo(ListenOptions listener)
    {
        foreach (var stage in Stages)
        {
            stage.OnListener?.Invoke(listener);
        }
    }

    /// <summary>Adds the stages of the request to the app.</summary>
    public void AddTo(IApplicationBuilder app)
    {
        foreach (var stage in Stages)
        {
            if (stage.OnRequest is { } wrap)
            {
                app.Use(wrap);
            }
        }
    }
}
