namespace MeshClient.Tests.Support;

/// <summary>Waits for what other threads bring about, never longer than it should take.</summary>
internal static class Eventually
{
    /// <summary>The bound of a test that uses sockets, in milliseconds.</summary>
    public const int TestLimit = 60_000;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(5);

    /// <summary>Waits until something holds.</summary>
    /// <exception cref="TimeoutException">It did not.</exception>
    public static async Task HoldsAsync(Func<bool> condition, string what = "the condition")
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(Patience);
        while (!condition())
        {
            try
            {
                await Task.Delay(Look, TimeProvider.System, limit.Token);
            }
            catch (OperationCanceledException) when (!TestContext.Current.CancellationToken.IsCancellationRequested)
            {
                throw new TimeoutException($"It did not come about within {Patience}: {what}.");
            }
        }
    }

    /// <summary>Waits until something holds that takes calls to find out.</summary>
    /// <exception cref="TimeoutException">It did not.</exception>
    public static async Task HoldsAsync(Func<Task<bool>> condition, string what = "the condition")
    {
        var since = TimeProvider.System.GetTimestamp();
        while (!await condition())
        {
            if (TimeProvider.System.GetElapsedTime(since) > Patience)
            {
                throw new TimeoutException($"It did not come about within {Patience}: {what}.");
            }

            // What is waited for needs the processors as well.
            await Task.Delay(Look, TimeProvider.System, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>Waits for a task, but not for ever.</summary>
    public static Task<T> BoundedAsync<T>(this Task<T> task) => task.WaitAsync(Patience, TimeProvider.System, TestContext.Current.CancellationToken);

    /// <summary>Waits for a task, but not for ever.</summary>
    public static Task BoundedAsync(this Task task) => task.WaitAsync(Patience, TimeProvider.System, TestContext.Current.CancellationToken);
}
