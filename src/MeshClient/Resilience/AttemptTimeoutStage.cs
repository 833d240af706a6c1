using System.Net;
using MeshClient.Core;
using MeshClient.Dialing;
using MeshClient.Outbound;

namespace MeshClient.Resilience;

/// <summary>
/// Cancels an attempt that takes too long to answer: after the attempt's own limit or what is left of the call's time,
/// whichever is less. Streaming is not limited by these: time begins to count when the request has been sent, and ends with the head
/// of the answer. From there on only the ambient deadline counts, of which an answer that nobody waits for any more is no use.
/// </summary>
internal sealed class AttemptTimeoutStage(TimeProvider time) : AttemptStage("AttemptTimeout", StageScope.Attempt)
{
    private readonly TimerPool _timers = new(time);
    private readonly double _timestampsPerTick = (double)time.TimestampFrequency / TimeSpan.TicksPerSecond;
    private readonly long _longest = (long)TimerLimits.Longest.TotalSeconds * time.TimestampFrequency;

    public override void Enter(OutboundAttempt attempt)
    {
        var call = attempt.Call;
        var timer = _timers.Rent();
        attempt.Timer = timer;
        if (call.Cancellation.CanBeCanceled)
        {
            timer.Follow(call.Cancellation);
        }

        if (call.AmbientDeadlineAt != long.MaxValue)
        {
            DeadlineForwarding.Write(attempt, time.GetElapsedTime(attempt.StartedAt, call.AmbientDeadlineAt));
        }

        if (call.IsUpload)
        {
            StartUpload(attempt, timer);
        }
        else
        {
            StartTimer(attempt, timer, attempt.StartedAt);
        }
    }

    public override void Responded(OutboundAttempt attempt)
    {
        DeadlineForwarding.Restore(attempt);
        if (attempt.Request.Content is UploadContent upload)
        {
            upload.Close();
            attempt.BodyBegun = upload.HasBegun;
            attempt.SentAt = upload.SentAt;
        }

        // A body that is still being sent goes on listening to the app's cancellation through the same source.
        var isSending = attempt.Response is not null && attempt.Request.Content is not null;
        if (attempt.Call.AmbientDeadlineAt != long.MaxValue && TryLimitBody(attempt, isSending))
        {
            return;
        }

        if (isSending)
        {
            attempt.Timer?.Unlimit();
        }
        else
        {
            GiveBack(attempt);
        }
    }

    public override void Ended(OutboundAttempt attempt)
    {
        GiveBack(attempt);
        // Only where it was changed: by the time an answer has been read, the app may have disposed its request, which then
        // takes no content.
        if (attempt.Request.Content is UploadContent upload)
        {
            attempt.Request.Content = upload.Inner;
        }
    }

    private bool TryLimitBody(OutboundAttempt attempt, bool isSending)
    {
        // What goes both ways from here on is no answer; by HTTP/2 a WebSocket too is opened by CONNECT (RFC 8441).
        if (attempt.Request.Method == HttpMethod.Connect
            || attempt is not { Timer: { } timer, Response: { StatusCode: not HttpStatusCode.SwitchingProtocols, Content: not DialedContent } })
        {
            return false;
        }

        if (!isSending)
        {
            timer.Unfollow();
        }

        // Its moment, or the app's, came together with the answer: it can limit nothing any more, but the deadline holds all the same.
        if (!timer.Unlimit() || timer.IsCancellationRequested)
        {
            if (attempt.TakeTimer() is not { } spent)
            {
                return false;
            }

            spent.Spend();
            timer = _timers.Rent();
            attempt.Timer = timer;
        }

        attempt.IsBodyLimited = true;
        timer.CancelAfter(attempt.RespondedAt, Left(attempt.Call.AmbientDeadlineAt, attempt.RespondedAt));
        return true;
    }

    // Apart, because what the content calls back holds on to all this, and would be made for every attempt.
    private void StartUpload(OutboundAttempt attempt, AttemptTimer timer)
    {
        var call = attempt.Call;
        // The deadline of the request this call belongs to does not wait for the body.
        if (call.DeadlineAt != long.MaxValue)
        {
            attempt.EndsWithCall = true;
            timer.CancelAfter(attempt.StartedAt, Left(call.DeadlineAt, attempt.StartedAt));
        }

        var limit = call.Destination.Service.Settings.CallTimeout;
        attempt.Request.Content = new UploadContent(attempt.Request.Content!, () =>
        {
            var now = time.GetTimestamp();
            if (limit > TimeSpan.Zero)
            {
                call.DeadlineAt = Math.Min(call.DeadlineAt, now + (long)(limit.TotalSeconds * time.TimestampFrequency));
            }

            StartTimer(attempt, timer, now);
            return now;
        });
    }

    private void StartTimer(OutboundAttempt attempt, AttemptTimer timer, long now)
    {
        var call = attempt.Call;
        var limit = call.Destination.Service.Settings.AttemptTimeout;
        // In timestamps throughout: every attempt comes past here.
        var dueAt = limit > TimeSpan.Zero ? now + (long)Math.Min(limit.Ticks * _timestampsPerTick, _longest) : long.MaxValue;
        attempt.EndsWithCall = call.DeadlineAt != long.MaxValue && call.DeadlineAt <= dueAt;
        if (attempt.EndsWithCall)
        {
            dueAt = Math.Clamp(call.DeadlineAt, now + 1, now + _longest);
        }

        if (dueAt != long.MaxValue)
        {
            timer.CancelAt(now, dueAt);
        }
    }

    // At least a tick, since a timer of zero would be one that never fires.
    private TimeSpan Left(long until, long now)
    {
        var left = time.GetElapsedTime(now, until);
        return left <= TimeSpan.Zero ? TimeSpan.FromTicks(1) : left < TimerLimits.Longest ? left : TimerLimits.Longest;
    }

    private void GiveBack(OutboundAttempt attempt)
    {
        if (attempt.TakeTimer() is not { } timer)
        {
            return;
        }

        // First, because the app must not cancel a source that serves another attempt.
        timer.Unfollow();

        if (attempt.Request.Content is null && !attempt.Call.IsHedged)
        {
            _timers.Return(timer);
        }
        else
        {
            // Something may still be registered with it, so nobody else may get it.
            timer.Dispose();
        }
    }
}
