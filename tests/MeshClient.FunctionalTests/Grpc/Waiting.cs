namespace MeshClient.FunctionalTests.Grpc;

/// <summary>No wait of a test is without an end.</summary>
internal static class Waiting
{
    // Many times what anything takes on a loaded machine.
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    public static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static Task Bounded(this Task task) => task.WaitAsync(Limit, TimeProvider.System, Cancellation);

    public static Task<T> Bounded<T>(this Task<T> task) => task.WaitAsync(Limit, TimeProvider.System, Cancellation);
}
