using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Endpoints;
using MeshClient.AspNetCore.Inbound;
using MeshClient.Configuration;
using MeshClient.Core.Overload;
using MeshClient.Outbound;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;

namespace MeshClient.AspNetCore.Overload;

/// <summary>
/// Refuses what is more than this app can serve: by the rate of requests, then by how many are being served, with shares of
/// them per caller and priority. Where nothing is limited, it is not there.
/// </summary>
internal sealed class OverloadMiddleware : IDisposable
{
    private readonly CallerRates _rates;
    private readonly AdaptiveLimit? _adaptive;
    private readonly int _most;
    private readonly ExemptEndpoints _exempt;
    private readonly ShedWriter _writer;
    private readonly TimeProvider _time;

    public OverloadMiddleware(
        IOptions<MeshInboundOptions> options, ExemptEndpoints exempt, ShedWriter writer, OverloadMetrics metrics, MeshRandom random, TimeProvider time)
    {
        var overload = options.Value.Overload;
        _exempt = exempt;
        _writer = writer;
        _time = time;
        _rates = new CallerRates(overload, time);
        _most = overload.MaxConcurrency ?? int.MaxValue;
        if (OverloadSettings.AdaptiveFor(null, overload.Adaptive) is { } adaptive)
        {
            _adaptive = new AdaptiveLimit(adaptive, time.TimestampFrequency, random.NextDouble);
        }

        if (_adaptive is not null || overload.MaxConcurrency is not null)
        {
            Limiter = new InboundLimiter(Math.Min(_most, _adaptive?.Current ?? _most));
            Shares = overload.Shares.Count > 0 ? new ShareTable(overload.Shares) : null;
            metrics.Observe(Limiter, Shares);
        }
    }

    /// <summary>What counts the requests being served; null where their number is not limited.</summary>
    public InboundLimiter? Limiter { get; }

    /// <summary>The shares of that limit; null where there are none.</summary>
    public ShareTable? Shares { get; }

    public RequestDelegate Wrap(RequestDelegate next) =>
        Limiter is null && !_rates.HasAny ? next : context => InvokeAsync(context, next);

    public void Dispose() => _rates.Dispose();

    private Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        var request = context.Features.GetRequiredFeature<InboundRequest>();
        if (request.Peer is not { } peer || _exempt.ContainsPath(context.Request.Path.Value ?? string.Empty))
        {
            // Without a peer it got this far only because the endpoint may be called without the mesh.
            return next(context);
        }

        if (!_rates.TryTake(peer, out var setting, out var retryAfter))
        {
            return RefuseAsync(context, request, next, new Shed(ShedReason.Rate, setting, retryAfter, null));
        }

        if (Limiter is not { } limiter)
        {
            return next(context);
        }

        var share = Shares?.Find(peer, context.Request.Headers);
        return limiter.TryEnter(share)
            ? ServeAsync(context, next, limiter, share)
            : RefuseAsync(context, request, next, new Shed(
                ShedReason.Concurrency,
                _adaptive is null ? nameof(MeshInboundOverloadOptions.MaxConcurrency) : nameof(MeshInboundOverloadOptions.Adaptive),
                null,
                share));
    }

    private async Task ServeAsync(HttpContext context, RequestDelegate next, InboundLimiter limiter, Share? share)
    {
        ServedRequest? served = null;
        if (_adaptive is not null)
        {
            served = new ServedRequest(_time);
            context.Response.OnStarting(ServedRequest.Respond, served);
        }

        var failed = true;
        try
        {
            await next(context).ConfigureAwait(false);
            failed = IsFailure(context);
        }
        finally
        {
            var inFlight = limiter.Leave(share);
            if (served is not null)
            {
                Learn(limiter, served, inFlight, failed, context.RequestAborted.IsCancellationRequested);
            }
        }
    }

    private static bool IsFailure(HttpContext context) =>
        context.Response.StatusCode is StatusCodes.Status429TooManyRequests or >= StatusCodes.Status500InternalServerError
        || (GrpcContentType.IsOfAnyForm(context.Response.ContentType) && GrpcStatusOf(context) is "2" or "4" or "8" or "13" or "14" or "15");

    // gRPC tells in its trailers, or in the head of an answer that has nothing else, as most failures have.
    private static string? GrpcStatusOf(HttpContext context) =>
        context.Response.Headers.TryGetValue(OutcomeClassifier.GrpcStatusHeader, out var head)
            ? head.ToString()
            : context.Features.Get<IHttpResponseTrailersFeature>()?.Trailers[OutcomeClassifier.GrpcStatusHeader].ToString();

    // An answer that says "broken" or "too many" says nothing of how loaded the app is: it may have been quick for that very
    // reason. That a deadline passed counts as its time and no more, or a caller in a hurry could hold the limit down for all.
    private void Learn(InboundLimiter limiter, ServedRequest served, int inFlight, bool failed, bool aborted)
    {
        var now = _time.GetTimestamp();
        var latency = (served.RespondedAt ?? now) - served.StartedAt;
        if (aborted && served.RespondedAt is null
            ? _adaptive!.GivenUp(now, latency, inFlight)
            : !failed && _adaptive!.Completed(now, latency, inFlight))
        {
            limiter.Limit = Math.Min(_most, _adaptive.Current);
        }
    }

    // Only here is it worth while to find out where the request would have gone.
    private async Task RefuseAsync(HttpContext context, InboundRequest request, RequestDelegate next, Shed shed)
    {
        var verdict = request.Verdict;
        var match = await _exempt.FindAsync(context, request).ConfigureAwait(false);
        if (match == ExemptMatch.Answered)
        {
            return;
        }

        request.Permit(context.Features, verdict);
        await (match == ExemptMatch.Found ? next(context) : _writer.WriteAsync(context, request, shed)).ConfigureAwait(false);
    }
}
