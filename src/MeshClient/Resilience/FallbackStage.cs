using MeshClient.Outbound;
using MeshClient.Telemetry;

namespace MeshClient.Resilience;

/// <summary>Lets the app answer in place of a call that failed, where it has said how.</summary>
internal sealed class FallbackStage(MeshTelemetry telemetry, TimeProvider time) : CallStage("Fallback", StagePhases.None)
{
    /// <summary>Waits for a call, and for what takes its place if it fails.</summary>
    /// <exception cref="MeshCallException">It failed, and nothing takes its place.</exception>
    /// <exception cref="OperationCanceledException">The app gave up.</exception>
    public async Task<HttpResponseMessage> ApplyAsync(MeshFallback fallback, OutboundCall call, Task<HttpResponseMessage> sending)
    {
        HttpResponseMessage? response = null;
        try
        {
            response = await sending.ConfigureAwait(false);
            if (call.Attempt is not { Outcome.IsInstanceFailure: true } && !IsRefusal(call))
            {
                return response;
            }
        }
        catch (Exception failure) when (!call.Cancellation.IsCancellationRequested && call.Attempt?.AppFailure is null)
        {
            return await AskAsync(fallback, call, null, failure).ConfigureAwait(false) ?? throw Rethrown(failure);
        }

        HttpResponseMessage? other;
        try
        {
            other = await AskAsync(fallback, call, response, null).ConfigureAwait(false);
        }
        catch
        {
            // Nobody else can: until then the call counts as in flight.
            response.Dispose();
            throw;
        }

        if (other is null)
        {
            return response;
        }

        if (!ReferenceEquals(other, response))
        {
            response.Dispose();
        }

        return other;
    }

    // An instance that sheds, or wants fewer calls, has not served the call either.
    private static bool IsRefusal(OutboundCall call) => call.Attempt is { Outcome.IsOverload: true };

    private async ValueTask<HttpResponseMessage?> AskAsync(
        MeshFallback fallback, OutboundCall call, HttpResponseMessage? response, Exception? failure)
    {
        var limit = call.Destination.Service.Settings.FallbackTimeout;
        using var over = new CancellationTokenSource(limit > TimeSpan.Zero ? limit : Timeout.InfiniteTimeSpan, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(call.Cancellation, over.Token);
        var asking = fallback(new MeshFallbackArguments(call.Request, response, failure, either.Token)).AsTask();
        HttpResponseMessage? other;
        try
        {
            other = await asking.WaitAsync(either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (either.IsCancellationRequested)
        {
            _ = DisposeLateAsync(asking, response);
            throw call.Cancellation.IsCancellationRequested
                ? new TaskCanceledException($"The call to '{call.Destination.Name.Service}' was cancelled by its caller.", e, call.Cancellation)
                : Late(call, limit, failure);
        }

        if (other is not null)
        {
            telemetry.Fallbacks.Add(1, new KeyValuePair<string, object?>(MeshTelemetry.ServiceTag, call.Destination.Name.Service.Value));
            other.RequestMessage ??= call.Request;
        }

        return other;
    }

    // Whoever hangs may come to an end after all, when nobody waits for it any more.
    private static async Task DisposeLateAsync(Task<HttpResponseMessage?> asking, HttpResponseMessage? response)
    {
        await ((Task)asking).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (asking is { IsCompletedSuccessfully: true, Result: { } late } && !ReferenceEquals(late, response))
        {
            late.Dispose();
        }
    }

    private MeshCallException Late(OutboundCall call, TimeSpan limit, Exception? failure)
    {
        var service = call.Destination.Name.Service.Value;
        var why = failure?.Message ?? $"It was answered {(int)call.Attempt!.Response!.StatusCode}.";
        return new MeshCallException(
            MeshFailureReason.FallbackTimeout,
            service,
            Descriptor.Name,
            $"Call to '{service}' failed, and the fallback the app has set for it gave no answer within {limit} (FallbackTimeout). {why}",
            failure)
        {
            Instance = call.Attempt?.Instance?.Description.Id.Value,
            Attempts = call.Attempts,
        };
    }

    private static Exception Rethrown(Exception failure)
    {
        System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
        return failure;
    }
}
