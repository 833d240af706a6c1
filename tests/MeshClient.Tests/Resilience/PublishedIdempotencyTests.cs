using System.Collections.Immutable;
using MeshClient.Core;
using MeshClient.Core.Discovery;
using MeshClient.Resilience;
using MeshClient.Testing;
using MeshClient.Tests.Support;
using Microsoft.Extensions.Logging;

namespace MeshClient.Tests.Resilience;

public sealed class PublishedIdempotencyTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly LogCollector _logs = new();
    private readonly ILoggerFactory _loggers;
    private readonly PublishedIdempotency _published;

    public PublishedIdempotencyTests()
    {
        _loggers = LoggerFactory.Create(logging => logging.AddProvider(_logs));
        _published = new PublishedIdempotency(TestInstances.Service, new IdempotencyLog(_time, _loggers.CreateLogger<IdempotencyLog>()));
    }

    public void Dispose() => _loggers.Dispose();

    [Fact]
    public void OfAll_InstancesThatSayTheSame_IsOneWordWhateverElseTheySay()
    {
        var instances = TakeIn([.. Enumerable.Range(0, 100).Select(i => Says(i, "POST /a", ("number", $"{i}")))]);
        Assert.Equal(1, Assert.Single(_published.OfAll(instances.Select(State))).Count);
        Assert.Same(_published.Of(instances[0]), _published.Of(instances[99]));
    }

    [Fact]
    public void OfAll_OneSaysNothing_IsNothing()
    {
        var instances = TakeIn(Says(1, "POST /a"), Says(2, null), Says(3, "POST /a"));
        Assert.Empty(_published.OfAll(instances.Select(State)));
        Assert.Empty(_published.OfAll(TakeIn(Says(1, "POST /a"), Says(2, "nonsense")).Select(State)));
        Assert.Empty(_published.OfAll([]));
    }

    [Fact]
    public void OfAll_TwoVersions_AreTwoWords() =>
        Assert.Equal(2, _published.OfAll(TakeIn(Says(1, "POST /a"), Says(2, "POST /a|POST /b"), Says(3, "POST /a")).Select(State)).Length);

    [Fact]
    public void TakeIn_ListWithoutAnInstance_ForgetsWhatOnlyItSaid()
    {
        var gone = TakeIn(Says(1, "POST /a"), Says(2, "POST /b"))[1];
        TakeIn(Says(1, "POST /a"));
        Assert.Equal(0, _published.Of(gone).Count);
    }

    [Fact]
    public void TakeIn_AllDiffer_MarksNothingPastTheBoundAndSaysSoOnce()
    {
        var instances = TakeIn([.. Enumerable.Range(0, 200).Select(i => Says(i, $"POST /a|POST /b{i}"))]);
        Assert.Equal(PublishedIdempotency.MaxVersions, instances.Count(instance => _published.Of(instance).Count > 0));
        Assert.Empty(_published.OfAll(instances.Select(State)));
        Assert.Contains("differ", Assert.Single(_logs.Lines).Text, StringComparison.Ordinal);
    }

    [Fact]
    public void TakeIn_NonsenseAgainAndAgain_IsLoggedOnceInTenSeconds()
    {
        for (var i = 0; i < 50; i++)
        {
            TakeIn(Says(1, $"nonsense {i}"));
        }

        var line = Assert.Single(_logs.Lines);
        Assert.Equal(LogLevel.Warning, line.Level);
        Assert.Contains("orders-1", line.Text, StringComparison.Ordinal);
        Assert.Contains("'nonsense 0'", line.Text, StringComparison.Ordinal);
        _time.Advance(TimeSpan.FromSeconds(10));
        TakeIn(Says(1, "nonsense once more"));
        Assert.Contains(" 49 ", _logs.Lines[1].Text, StringComparison.Ordinal);
    }

    [Fact]
    public void TakeIn_TheSameListAgain_ReadsNothingAgain()
    {
        var first = _published.Of(TakeIn(Says(1, "POST /a|nonsense"))[0]);
        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.Same(first, _published.Of(TakeIn(Says(1, "POST /a|nonsense"))[0]));
        Assert.Single(_logs.Lines);
    }

    private ServiceInstance[] TakeIn(params ServiceInstance[] instances)
    {
        _published.TakeIn(new ServiceSnapshot(TestInstances.Service, EquatableArray.From<ServiceInstance>(instances)));
        return instances;
    }

    private MeshClient.Discovery.InstanceState State(ServiceInstance instance) => TestInstances.Make(instance, _time);

    private static ServiceInstance Says(int number, string? endpoints, params (string Key, string Value)[] others)
    {
        var meta = others.ToImmutableSortedDictionary(pair => pair.Key, pair => pair.Value, StringComparer.Ordinal);
        return TestInstances.Describe($"orders-{number}", 1001 + number) with
        {
            Meta = endpoints is null ? meta : meta.Add(IdempotentEndpoints.MetaKey, endpoints),
        };
    }
}
