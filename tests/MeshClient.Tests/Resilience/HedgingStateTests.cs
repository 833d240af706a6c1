using System.Net;
using MeshClient.Configuration;
using MeshClient.Discovery;
using MeshClient.Outbound;
using MeshClient.Resilience;
using MeshClient.Testing;
using MeshClient.Tests.Support;

namespace MeshClient.Tests.Resilience;

public sealed class HedgingStateTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void DelayAt_Fixed_IsThatFromTheStart() =>
        Assert.Equal(TimeSpan.FromMilliseconds(30), Make(new MeshHedgingOptions { Delay = TimeSpan.FromMilliseconds(30) }).DelayAt(_time.GetTimestamp()));

    [Fact]
    public async Task DelayAt_Learned_IsThePercentileRenewedEveryThreeSeconds()
    {
        var state = Make(new MeshHedgingOptions { Percentile = 90 });
        for (var i = 1; i <= 100; i++)
        {
            await RecordAsync(state, i);
        }

        Assert.Null(state.DelayAt(_time.GetTimestamp()));
        _time.Advance(MeshDefaults.HedgingRefresh);
        Assert.InRange(state.DelayAt(_time.GetTimestamp())!.Value.TotalMilliseconds, 90, 93);
        for (var i = 0; i < 1000; i++)
        {
            await RecordAsync(state, 10);
        }

        Assert.InRange(state.DelayAt(_time.GetTimestamp())!.Value.TotalMilliseconds, 90, 93);
        _time.Advance(MeshDefaults.HedgingRefresh);
        Assert.InRange(state.DelayAt(_time.GetTimestamp())!.Value.TotalMilliseconds, 10, 10.4);
        // A minute without calls, and nothing is known any more.
        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.Null(state.DelayAt(_time.GetTimestamp()));
    }

    [Theory]
    [InlineData(95, 19, false)]
    [InlineData(95, 20, true)]
    [InlineData(99, 99, false)]
    [InlineData(99, 100, true)]
    public async Task DelayAt_Learned_TakesEnoughCallsForItsPercentile(double percentile, int calls, bool isKnown)
    {
        var state = Make(new MeshHedgingOptions { Percentile = percentile });
        for (var i = 0; i < calls; i++)
        {
            await RecordAsync(state, 5);
        }

        _time.Advance(MeshDefaults.HedgingRefresh);
        Assert.Equal(isKnown, state.DelayAt(_time.GetTimestamp()) is not null);
    }

    [Fact]
    public async Task Record_FastFailures_TeachNothing()
    {
        var state = Make(new MeshHedgingOptions());
        for (var i = 0; i < 100; i++)
        {
            await RecordAsync(state, 40);
            await RecordAsync(state, 1, status: 503);
            await RecordAsync(state, 1, failure: new HttpRequestException("reset"));
        }

        _time.Advance(MeshDefaults.HedgingRefresh);
        Assert.InRange(state.DelayAt(_time.GetTimestamp())!.Value.TotalMilliseconds, 40, 42);
    }

    [Fact]
    public void Budget_Default_IsWhatThePercentileLeavesAndHasNoReserve()
    {
        var state = Make(new MeshHedgingOptions { Percentile = 95 });
        Assert.False(state.Budget.TryWithdraw(_time.GetTimestamp()));
        for (var i = 0; i < 100; i++)
        {
            state.Budget.Deposit(_time.GetTimestamp());
        }

        Assert.Equal(5, state.Budget.Balance(_time.GetTimestamp()), 6);
    }

    private HedgingState Make(MeshHedgingOptions options)
    {
        options.Enabled = true;
        return new HedgingState(HedgingSettings.For(options, null)!, _time);
    }

    private async Task RecordAsync(HedgingState state, double milliseconds, int status = 200, Exception? failure = null)
    {
        await using var service = TestInstances.State(_time, new MeshRandom(1));
        var destination = service.GetDestination(new DestinationName(service.Service, null, SchemePreference.Http));
        using var request = new HttpRequestMessage(HttpMethod.Get, "http://orders/");
        var attempt = new OutboundAttempt(new OutboundCall(request, destination, 1, null, CancellationToken.None), 1)
        {
            StartedAt = _time.GetTimestamp(),
            RespondedAt = _time.GetTimestamp() + (long)(milliseconds / 1000 * _time.TimestampFrequency),
            Failure = failure,
            Response = failure is null ? new HttpResponseMessage((HttpStatusCode)status) : null,
        };
        attempt.JudgeHead(_time);
        state.Record(attempt);
    }
}
