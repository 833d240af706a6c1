using System.Diagnostics.Metrics;
using MeshClient.Configuration;
using MeshClient.Discovery;
using MeshClient.Outbound;
using MeshClient.Overload;
using MeshClient.Telemetry;
using MeshClient.Testing;
using MeshClient.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace MeshClient.Tests.Overload;

/// <summary>
/// Random histories of calls that come, end, are given up and run out of time, in virtual time: each has the fate a simple model says,
/// at its moment, and nothing is left in flight or waiting.
/// </summary>
public sealed class AdmissionStageProperties : IDisposable
{
    private const int Limit = 2;
    private const int Queue = 3;
    private static readonly TimeSpan QueueTimeout = TimeSpan.FromSeconds(1);

    private readonly ServiceProvider _meters = new ServiceCollection().AddMetrics().BuildServiceProvider();

    private enum Fate
    {
        Made,
        TooMany,
        QueueFull,
        WaitedTooLong,
        TimeOver,
        GivenUp,
    }

    public void Dispose() => _meters.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task AnyHistory_EveryCallHasTheFateOfTheModel(int seed)
    {
        var random = new Random(seed);
        for (var history = 0; history < 40; history++)
        {
            var run = new Run(_meters.GetRequiredService<IMeterFactory>());
            for (var step = 0; step < 120; step++)
            {
                await run.StepAsync(random.Next(10), random.Next(100), 1 + random.Next(1500));
            }

            await run.EndAsync();
        }
    }

    private sealed class Run
    {
        private readonly FakeTimeProvider _time = new();
        private readonly ServiceState _service;
        private readonly AdmissionStage _stage;
        private readonly List<Entry> _running = [];
        private readonly List<Entry> _waiting = [];

        public Run(IMeterFactory meters)
        {
            var random = new MeshRandom(1);
            var options = new MeshOptions
            {
                Defaults = { MaxConcurrency = Limit, Overload = { QueueLength = Queue, QueueTimeout = QueueTimeout } },
            };
            _service = TestInstances.State(_time, random, options);
            _stage = new AdmissionStage(_time, random, new ShedTelemetry(new MeshTelemetry(meters, _time), _time, NullLogger<ShedTelemetry>.Instance));
        }

        public async Task StepAsync(int kind, int which, int milliseconds)
        {
            switch (kind)
            {
                case <= 4:
                    await ArriveAsync(kind == 0 ? TimeSpan.FromMilliseconds(milliseconds) : null);
                    break;
                case <= 6 when _running.Count > 0:
                    await EndAsync(_running[which % _running.Count]);
                    break;
                case 7 when _waiting.Count > 0:
                    var impatient = _waiting[which % _waiting.Count];
                    _waiting.Remove(impatient);
                    await impatient.Cancellation.CancelAsync();
                    await impatient.HasAsync(Fate.GivenUp);
                    break;
                case 8:
                    await PassAsync(TimeSpan.FromMilliseconds(milliseconds));
                    break;
            }

            Assert.Equal((_running.Count, _waiting.Count), (_service.Overload.Limiter.InFlight, _service.Overload.Limiter.Waiting));
            Assert.DoesNotContain(_waiting, entry => entry.Entering.IsCompleted);
        }

        public async Task EndAsync()
        {
            await PassAsync(QueueTimeout);
            Assert.Empty(_waiting);
            while (_running.Count > 0)
            {
                await EndAsync(_running[0]);
            }

            Assert.Equal((0, 0, 0), (_service.Overload.Limiter.InFlight, _service.Overload.Limiter.Waiting, _time.ActiveTimers));
        }

        private async Task ArriveAsync(TimeSpan? left)
        {
            var entry = new Entry(_service, _time, left, _stage);
            if (_running.Count < Limit)
            {
                Assert.Empty(_waiting);
                _running.Add(entry);
                await entry.HasAsync(Fate.Made);
                return;
            }

            if (_waiting.Count == Queue)
            {
                var oldest = _waiting[0];
                _waiting.RemoveAt(0);
                await oldest.HasAsync(Fate.QueueFull);
            }

            _waiting.Add(entry);
        }

        private async Task EndAsync(Entry entry)
        {
            _running.Remove(entry);
            _stage.Ended(entry.Call);
            if (_waiting.Count > 0)
            {
                var newest = _waiting[^1];
                _waiting.Remove(newest);
                _running.Add(newest);
                await newest.HasAsync(Fate.Made);
            }
        }

        private async Task PassAsync(TimeSpan time)
        {
            _time.Advance(time);
            foreach (var late in _waiting.Where(entry => entry.Until <= _time.GetTimestamp()).ToList())
            {
                _waiting.Remove(late);
                await late.HasAsync(late.EndsWithCall ? Fate.TimeOver : Fate.WaitedTooLong);
            }
        }
    }

    private sealed class Entry
    {
        public Entry(ServiceState service, FakeTimeProvider time, TimeSpan? left, AdmissionStage stage)
        {
            var now = time.GetTimestamp();
            Call = new OutboundCall(
                new HttpRequestMessage(HttpMethod.Get, "http://orders/"), new Destination(default, service), now, rejection: null, Cancellation.Token);
            if (left is { } some)
            {
                Call.DeadlineAt = now + Ticks(some);
            }

            EndsWithCall = left <= QueueTimeout;
            Until = now + Ticks(EndsWithCall ? left!.Value : QueueTimeout);
            Entering = EnterAsync();

            long Ticks(TimeSpan span) => (long)(span.TotalSeconds * time.TimestampFrequency);

            async Task<Fate> EnterAsync()
            {
                try
                {
                    await stage.EnterAsync(Call);
                    return Fate.Made;
                }
                catch (OperationCanceledException)
                {
                    return Fate.GivenUp;
                }
                catch (MeshCallException e)
                {
                    return e.Reason == MeshFailureReason.DeadlineExceeded ? Fate.TimeOver
                        : e.Message.Contains("QueueTimeout", StringComparison.Ordinal) ? Fate.WaitedTooLong
                        : e.Message.Contains("QueueLength", StringComparison.Ordinal) ? Fate.QueueFull
                        : Fate.TooMany;
                }
            }
        }

        public CancellationTokenSource Cancellation { get; } = new();

        public OutboundCall Call { get; }

        public Task<Fate> Entering { get; }

        public bool EndsWithCall { get; }

        public long Until { get; }

        public async Task HasAsync(Fate fate) => Assert.Equal(fate, await Entering.BoundedAsync());
    }
}
