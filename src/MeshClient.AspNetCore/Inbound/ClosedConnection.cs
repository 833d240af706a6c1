namespace MeshClient.AspNetCore.Inbound;

/// <summary>Lets go of a connection that is closed and that the server does not end.</summary>
/// <remarks>
/// Kestrel ends an HTTP/2 connection when it has heard of the end of each of its streams, and it does not hear of those whose end
/// found its queue of output full, as after thousands that were opened and reset at once
/// ("exceeded the output operations maximum queue size", Http2FrameWriter.Schedule). Such a connection would stay until the process
/// ends, and hold up its shutdown. Nothing refers to what is left of it once its middleware has returned.
/// </remarks>
internal static class ClosedConnection
{
    /// <summary>10 s: twice what Kestrel gives a stream to drain.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromSeconds(10);

    /// <summary>Waits for the end of a connection, and no longer than <see cref="Grace"/> once it is closed and has no request.</summary>
    /// <param name="serving">What serves it.</param>
    /// <param name="isIdle">Whether it has no request that is being served or waits to be decided on.</param>
    /// <param name="time">The clock.</param>
    /// <param name="closed">Fires when it is closed.</param>
    /// <returns>Whether it has ended.</returns>
    public static async Task<bool> WaitAsync(Task serving, Func<bool> isIdle, TimeProvider time, CancellationToken closed)
    {
        var isClosed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var registration = closed.UnsafeRegister(static state => ((TaskCompletionSource)state!).TrySetResult(), isClosed);
        await using (registration.ConfigureAwait(false))
        {
            await Task.WhenAny(serving, isClosed.Task).ConfigureAwait(false);
        }

        while (!serving.IsCompleted)
        {
            await serving.WaitAsync(Grace, time, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!serving.IsCompleted && isIdle())
            {
                // Whatever comes of it now, nobody is there to hear.
                _ = serving.ContinueWith(
                    static task => _ = task.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
                return false;
            }
        }

        await serving.ConfigureAwait(false);
        return true;
    }
}
