using MeshClient.AspNetCore.Inbound;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Testing;

namespace MeshClient.AspNetCore.Tests.Inbound;

/// <summary>How long a connection is waited for that the server does not end.</summary>
public sealed class ClosedConnectionTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly CancellationTokenSource _closed = new();
    private readonly TaskCompletionSource _serving = new();
    private bool _isIdle = true;

    public void Dispose() => _closed.Dispose();

    [Fact]
    public async Task WaitAsync_Open_IsWaitedForWhateverTimePasses()
    {
        var waiting = Wait();
        _time.Advance(TimeSpan.FromDays(1));
        Assert.False(waiting.IsCompleted);

        _serving.SetResult();
        Assert.True(await waiting.Bounded());
        Assert.Equal(0, _time.ActiveTimers);
    }

    [Fact]
    public async Task WaitAsync_ClosedAndIdle_IsLetGoAfterTheGrace()
    {
        var waiting = Wait();
        await CloseAsync();
        _time.Advance(ClosedConnection.Grace - TimeSpan.FromSeconds(1));
        Assert.False(waiting.IsCompleted);

        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.False(await waiting.Bounded());

        // Too late to be heard.
        _serving.SetException(new IOException("The server's own."));
    }

    [Fact]
    public async Task WaitAsync_ClosedWithARequest_IsWaitedForUntilThereIsNone()
    {
        _isIdle = false;
        var waiting = Wait();
        await CloseAsync();
        for (var i = 0; i < 3; i++)
        {
            _time.Advance(ClosedConnection.Grace);
            await Eventually.HoldsAsync(() => _time.ActiveTimers == 1);
            Assert.False(waiting.IsCompleted);
        }

        _isIdle = true;
        _time.Advance(ClosedConnection.Grace);
        Assert.False(await waiting.Bounded());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task WaitAsync_ServingFails_IsHeard(bool isClosed)
    {
        var waiting = Wait();
        if (isClosed)
        {
            await CloseAsync();
        }

        _serving.SetException(new IOException("The server's own."));

        await Assert.ThrowsAsync<IOException>(() => waiting.Bounded());
    }

    private Task<bool> Wait() => ClosedConnection.WaitAsync(_serving.Task, () => _isIdle, _time, _closed.Token);

    private async Task CloseAsync()
    {
        await _closed.CancelAsync();
        await Eventually.HoldsAsync(() => _time.ActiveTimers == 1);
    }
}
