namespace MeshClient.AspNetCore.Tests.Support;

/// <summary>Waits for what happens in the background, within a bound.</summary>
internal static class Eventually
{
    public static readonly TimeSpan Bound = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(10);

    public static Task HoldsAsync(Func<bool> condition) => HoldsAsync(() => Task.FromResult(condition()));

    public static async Task HoldsAsync(Func<Task<bool>> condition)
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        bound.CancelAfter(Bound);
        while (!await condition())
        {
            await Task.Delay(Interval, TimeProvider.System, bound.Token);
        }
    }

    public static Task<T> Bounded<T>(this Task<T> task) => task.WaitAsync(Bound, TestContext.Current.CancellationToken);

    public static Task Bounded(this Task task) => task.WaitAsync(Bound, TestContext.Current.CancellationToken);
}
