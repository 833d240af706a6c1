using System.Diagnostics.CodeAnalysis;
using System.Runtime.ExceptionServices;
using MeshClient.Resilience;
using MeshClient.Transport;

namespace MeshClient.Outbound;

/// <summary>Turns what failed an attempt into what the app is told.</summary>
internal static class CallFailure
{
    /// <summary>What a call is failed with when this failed attempt is its last.</summary>
    public static Exception Describe(OutboundAttempt attempt)
    {
        var failure = attempt.Failure!;
        var call = attempt.Call;
        if (failure is MeshCallException)
        {
            return failure;
        }

        if (attempt.IsSuperseded)
        {
            return new OperationCanceledException("Another attempt of the same call was answered first.", failure);
        }

        if (call.Cancellation.IsCancellationRequested)
        {
            return failure is OperationCanceledException cancelled && cancelled.CancellationToken == call.Cancellation
                ? failure
                : new TaskCanceledException(
                    $"The call to '{call.Destination.Name.Service}' was cancelled by its caller.", failure, call.Cancellation);
        }

        if (attempt.AppFailure is { } own)
        {
            return own;
        }

        var settings = call.Destination.Service.Settings;
        var (reason, stage, what) = failure switch
        {
            OperationCanceledException when attempt.MissedDeadline => (
                MeshFailureReason.DeadlineExceeded, "Deadline", "the call's time was over before the instance answered"),
            OperationCanceledException => (
                MeshFailureReason.AttemptTimeout, "AttemptTimeout", $"no answer within {settings.AttemptTimeout} (AttemptTimeout)"),
            HttpRequestException { InnerException: PeerIdentityException refused } => (
                MeshFailureReason.PeerRefused, "Transport", refused.Message),
            _ when Repeatability.NeverLeft(attempt) => (
                MeshFailureReason.ConnectFailed, "Transport", $"no connection could be made: {Innermost(failure)}"),
            _ => (MeshFailureReason.TransportFailed, "Transport", Innermost(failure)),
        };
        var instance = attempt.Instance;
        var attempts = call.Attempts == 1 ? "1 attempt" : $"{call.Attempts} attempts";
        var described = new MeshCallException(
            reason,
            call.Destination.Name.Service.Value,
            stage,
            $"Call to '{call.Destination.Name.Service}' failed after {attempts}: {what}. Last instance: {instance.Description.Id} at "
            + $"{instance.Endpoint.Host}:{instance.Endpoint.Port}. Stage: {stage}.",
            failure is OperationCanceledException ? new TimeoutException(what, failure) : failure)
        {
            Instance = instance.Description.Id.Value,
            Attempts = call.Attempts,
        };
        return call.IsOutOfBudget
            ? new MeshCallException(
                MeshFailureReason.RetryBudgetExhausted,
                described.Service,
                "Retry",
                $"{described.Message} It was not tried again, because the retry budget of '{described.Service}' is spent: too many of its calls "
                + "have failed lately (RetryBudgetRatio, RetryBudgetPerSecond).",
                described)
            {
                Instance = described.Instance,
                Attempts = described.Attempts,
            }
            : described;
    }

    /// <summary>What reading an answer fails with that has not come to its end when the ambient deadline has passed.</summary>
    public static MeshCallException Unread(OutboundAttempt attempt, Exception failure)
    {
        var service = attempt.Call.Destination.Name.Service.Value;
        var instance = attempt.Instance;
        return new MeshCallException(
            MeshFailureReason.DeadlineExceeded,
            service,
            "Deadline",
            $"Call to '{service}' failed: the deadline of the request it belongs to passed while its answer was being read. Instance: "
            + $"{instance.Description.Id} at {instance.Endpoint.Host}:{instance.Endpoint.Port}.",
            new TimeoutException("The deadline has passed.", failure))
        {
            Instance = instance.Description.Id.Value,
            Attempts = attempt.Call.Attempts,
        };
    }

    /// <summary>Throws that, with the trace of where it came from if it is the app's own.</summary>
    [DoesNotReturn]
    public static HttpResponseMessage Throw(OutboundAttempt attempt)
    {
        var failure = Describe(attempt);
        ExceptionDispatchInfo.Throw(failure);
        throw failure;
    }

    private static string Innermost(Exception failure)
    {
        while (failure.InnerException is { } inner)
        {
            failure = inner;
        }

        return failure.Message.TrimEnd('.');
    }
}
