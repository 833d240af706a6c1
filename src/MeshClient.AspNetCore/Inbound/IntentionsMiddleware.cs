using MeshClient.AspNetCore.Denials;
using MeshClient.AspNetCore.Endpoints;
using MeshClient.AspNetCore.Intentions;
using MeshClient.AspNetCore.Passports;
using MeshClient.AspNetCore.Peers;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace MeshClient.AspNetCore.Inbound;

/// <summary>
/// Decides about each request from what is known here and now: no call to the control plane, and a changed intention holds
/// for the next request on an open connection.
/// </summary>
/// <remarks>
/// What is matched is what the app sees: see <see cref="MeshClient.Core.Intentions.RequestPath"/>. What the app makes of it later
/// is not known yet: with <c>UsePathBase("/app")</c> both <c>/admin</c> and <c>/app/admin</c> lead to the endpoint <c>/admin</c>,
/// and a denial holds only for the paths it names.
/// A request without a peer never reaches an app's middleware unless the path is exempt or routing, asked beforehand,
/// leads to an exempt endpoint. Then it may only be answered by such an endpoint: the app's own routing confirms it
/// (<see cref="ExemptEndpointMatcherPolicy"/>), and an answer that begins unconfirmed is torn down.
/// </remarks>
internal sealed class IntentionsMiddleware(
    InboundIntentions intentions, ExemptEndpoints exempt, PassportOffice passports, DenialWriter denials, DenialReporter reporter)
{
    public RequestDelegate Wrap(RequestDelegate next) => context =>
    {
        var request = context.Features.GetRequiredFeature<InboundRequest>();
        return request.Peer is { } peer ? WithPeer(context, request, peer, next) : WithoutPeerAsync(context, request, next);
    };

    private Task WithPeer(HttpContext context, InboundRequest request, MeshPeer peer, RequestDelegate next)
    {
        var method = Method(context.Request);
        var path = PathOf(context.Request);
        while (intentions.EvaluatorFor(peer) is { } evaluator)
        {
            var verdict = RequestDecision.Make(
                evaluator, peer.Source, method, path, new HeaderLookup(context.Request.Headers), new PassportLookup(request, mayAsk: true));
            if (request.Passports is { IsWanting: true } wanted)
            {
                return WithPassportsAsync(context, request, peer, wanted, next);
            }

            if (!verdict.IsPermitted)
            {
                return RefuseAsync(context, request, verdict);
            }

            request.Permit(context.Features, verdict);
            if (request.Slot < 0)
            {
                request.Origin.Enter(request, new RunningRequest(request, context, method, path));
            }

            // What is running is looked at when the intentions change. Should they have changed before it was there to be looked
            // at, the change is seen here.
            if (ReferenceEquals(evaluator, intentions.EvaluatorFor(peer)))
            {
                if (verdict.IsShadow)
                {
                    reporter.Request(context, peer, verdict);
                }

                return next(context);
            }
        }

        return RefuseAsync(context, request, InboundRules.WithoutIntentions);
    }

    private async Task WithPassportsAsync(
        HttpContext context, InboundRequest request, MeshPeer peer, PassportSet wanted, RequestDelegate next)
    {
        Task decided;
        request.Origin.Hold();
        try
        {
            await passports.VerifyAsync(context, wanted).ConfigureAwait(false);
            // Again from the start, for the intentions may have changed meanwhile. Each time one provider more is known at least.
            decided = WithPeer(context, request, peer, next);
        }
        finally
        {
            request.Origin.Release();
        }

        await decided.ConfigureAwait(false);
    }

    private Task RefuseAsync(HttpContext context, InboundRequest request, InboundVerdict verdict)
    {
        request.Verdict = verdict;
        return denials.WriteAsync(context, request);
    }

    // Routing takes methods without case, so a rule on GET has to hold for "get" too.
    private static string Method(HttpRequest request)
    {
        var method = HttpMethods.GetCanonicalizedValue(request.Method);
        foreach (var c in method)
        {
            if (char.IsAsciiLetterLower(c))
            {
                return method.ToUpperInvariant();
            }
        }

        return method;
    }

    private static string PathOf(HttpRequest request) =>
        request.PathBase.HasValue ? (request.PathBase + request.Path).Value! : request.Path.Value ?? string.Empty;

    private async Task WithoutPeerAsync(HttpContext context, InboundRequest request, RequestDelegate next)
    {
        if (exempt.ContainsPath(PathOf(context.Request)))
        {
            request.Permit(context.Features, InboundRules.PermittedExempt);
            await next(context).ConfigureAwait(false);
            return;
        }

        switch (await exempt.FindAsync(context, request).ConfigureAwait(false))
        {
            case ExemptMatch.Answered:
                return;
            case ExemptMatch.None:
                request.Verdict = InboundRules.WithoutPeer;
                await denials.WriteAsync(context, request).ConfigureAwait(false);
                return;
        }

        request.Verdict = InboundRules.OnlyExempt;
        context.Response.OnStarting(RefuseUnconfirmed, request);
        await next(context).ConfigureAwait(false);
        if (request.Verdict.Outcome == InboundOutcome.OnlyExempt && !context.Response.HasStarted)
        {
            request.Verdict = InboundRules.WithoutPeer;
            await denials.WriteAsync(context, request).ConfigureAwait(false);
        }
    }

    private static Task RefuseUnconfirmed(object state) =>
        ((InboundRequest)state).Verdict.Outcome == InboundOutcome.OnlyExempt
            ? throw new InvalidOperationException(
                "A request without a peer was about to be answered by something other than an endpoint that allows it.")
            : Task.CompletedTask;
}
