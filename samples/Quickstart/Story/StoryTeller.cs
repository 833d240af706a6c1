using System.Globalization;
using System.Runtime.InteropServices;
using Quickstart.Services;

namespace Quickstart.Story;

/// <summary>Starts everything, tells the story, checks every claim, and leaves nothing behind.</summary>
internal sealed partial class StoryTeller : IAsyncDisposable
{
    private const int OrdersInstances = 3;
    private const int PaymentsInstances = 2;
    private const int IdentityEvent = 10;
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Settle = TimeSpan.FromSeconds(3);

    private readonly StoryOptions _options;
    private readonly TimeProvider _time = TimeProvider.System;
    private readonly LoadBoard _board = new();
    private readonly Narrator _narrator;
    private readonly Registry _registry;
    private readonly ControlPlaneApi _api;
    private readonly CancellationToken _stop;
    private readonly Lock _lock = new();
    private readonly List<ServiceProcess> _processes = [];
    private readonly Dictionary<int, int> _identities = [];
    private readonly Queue<string> _warnings = new();
    private readonly List<Expectation> _expectations = [];
    private bool _ownsIntentions;

    private StoryTeller(StoryOptions options, Registry registry, CancellationToken stop)
    {
        _options = options;
        _registry = registry;
        _stop = stop;
        _api = new ControlPlaneApi(registry.Address);
        _narrator = new Narrator(_board, options.Plain, _time);
    }

    public static async Task<int> RunAsync(StoryOptions options)
    {
        using var stop = new CancellationTokenSource();
        Console.CancelKeyPress += (_, pressed) =>
        {
            pressed.Cancel = true;
            stop.Cancel();
        };
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, signal =>
        {
            signal.Cancel = true;
            stop.Cancel();
        });
        await using var registry = await Registry.StartAsync(options.Consul);
        var story = new StoryTeller(options, registry, stop.Token);
        var told = false;
        try
        {
            await story.TellAsync();
            told = true;
            if (options.Watch)
            {
                story._narrator.Say("The story is over; still running. Ctrl-C ends it.");
                await Task.Delay(Timeout.InfiniteTimeSpan, story._time, stop.Token);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
        }
        catch (Exception e) when (e is HttpRequestException or InvalidOperationException or TimeoutException)
        {
            story._expectations.Add(new Expectation("The story could be told", false, e.Message, TimeSpan.Zero));
        }
        finally
        {
            await story.DisposeAsync();
        }

        return story.Summarise(told);
    }

    public async ValueTask DisposeAsync()
    {
        await _narrator.DisposeAsync();
        ServiceProcess[] processes;
        lock (_lock)
        {
            processes = [.. _processes];
        }

        // web first, so that the load ends before what it calls does.
        foreach (var process in processes.Where(process => process.Service == "web"))
        {
            await process.StopAsync();
        }

        await Task.WhenAll(processes.Select(process => process.StopAsync()));
        foreach (var process in processes)
        {
            process.Dispose();
        }

        if (_ownsIntentions && !_registry.IsEmbedded)
        {
            try
            {
                await _api.RemoveIntentionAsync("web", "orders");
                await _api.RemoveIntentionAsync("orders", "payments");
            }
            catch (HttpRequestException e)
            {
                Console.Error.WriteLine($"The intentions web -> orders and orders -> payments could not be removed: {e.Message}");
            }
        }

        _api.Dispose();
    }

    private async Task TellAsync()
    {
        _narrator.Say($"Registry and certificate authority at {_registry.Address} ({(_registry.IsEmbedded ? "embedded" : "Consul")}).");
        _narrator.Start();
        await StartAllAsync();
        await InstanceKilledAsync();
        await IntentionDeniedAsync();
        await EveryLeafRenewedAsync();
        if (_registry.IsEmbedded)
        {
            await RegistryRestartedAsync();
        }
        else
        {
            _narrator.Say("The registry is not ours to stop: that step is left out with --consul.");
        }
    }

    private int Summarise(bool told)
    {
        var totals = _board.Totals;
        Console.WriteLine();
        Console.WriteLine($"{totals.Succeeded} calls succeeded, {totals.Denied} were denied, {totals.Failed} failed.");
        foreach (var expectation in _expectations)
        {
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"  {(expectation.Held ? "held  " : "FAILED")}  {expectation.Claim} ({expectation.Detail}; {expectation.Took.TotalSeconds:F1} s)"));
        }

        if (_expectations.Any(expectation => !expectation.Held))
        {
            Console.WriteLine("The last warnings of the services:");
            lock (_lock)
            {
                foreach (var warning in _warnings)
                {
                    Console.WriteLine($"  {warning}");
                }
            }

            return 1;
        }

        Console.WriteLine(told ? "Every expectation held." : "Stopped before the end; every expectation so far held.");
        return 0;
    }

    private ServiceProcess Start(string service)
    {
        var process = ServiceProcess.Start(service, _registry.Address, _options.Rate, OnReport);
        lock (_lock)
        {
            _processes.Add(process);
        }

        return process;
    }

    private void OnReport(ServiceProcess process, Report report)
    {
        if (report.Load is { } load)
        {
            _board.Add(load);
        }

        if (report.Log is { } log)
        {
            lock (_lock)
            {
                if (report.EventId == IdentityEvent)
                {
                    _identities[process.Id] = _identities.GetValueOrDefault(process.Id) + 1;
                }

                if (report.Level >= LogLevel.Warning)
                {
                    _warnings.Enqueue($"{process.Service}/{process.Id}: {log}");
                    if (_warnings.Count > 20)
                    {
                        _warnings.Dequeue();
                    }
                }
            }
        }
    }

    private ServiceProcess[] Processes(string? service = null)
    {
        lock (_lock)
        {
            return [.. _processes.Where(process => !process.HasExited && (service is null || process.Service == service))];
        }
    }

    private long Announce(string step)
    {
        _narrator.Say($"-- {step}");
        return _time.GetTimestamp();
    }

    private void ExpectNoFailure(string claim, Totals before, long started)
    {
        var now = _board.Totals;
        var failed = now.Failed - before.Failed;
        Expect(
            claim,
            failed == 0 && now.Succeeded > before.Succeeded,
            $"{now.Succeeded - before.Succeeded} succeeded, {failed} failed{(failed > 0 ? $": {now.LastProblem}" : string.Empty)}",
            started);
    }

    private void Expect(string claim, bool held, string detail, long started)
    {
        var expectation = new Expectation(claim, held, detail, _time.GetElapsedTime(started));
        _expectations.Add(expectation);
        _narrator.Say($"   {(held ? "held:  " : "FAILED:")} {claim} ({detail})");
    }

    // Lets the load run for a while and the reports of that while come in.
    private async Task SteadyAsync(bool wantSuccess = true)
    {
        await Task.Delay(Settle, _time, _stop);
        _board.ClearRecent();
        await UntilAsync(StartLimit, () => wantSuccess ? _board.Recent.PerSecond > 0 : _board.Recent.Denied > 0);
        await Task.Delay(Poll * 25, _time, _stop);
    }

    private Task<bool> UntilAsync(TimeSpan limit, Func<bool> condition) => UntilAsync(limit, () => Task.FromResult(condition()));

    private async Task<bool> UntilAsync(TimeSpan limit, Func<Task<bool>> condition)
    {
        var started = _time.GetTimestamp();
        while (!await condition())
        {
            if (_time.GetElapsedTime(started) > limit)
            {
                return false;
            }

            await Task.Delay(Poll, _time, _stop);
        }

        return true;
    }
}
