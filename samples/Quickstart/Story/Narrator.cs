using System.Globalization;
using Spectre.Console;

namespace Quickstart.Story;

/// <summary>Says what happens: a live view where there is a terminal, plain lines elsewhere.</summary>
internal sealed class Narrator(LoadBoard board, bool plain, TimeProvider time) : IAsyncDisposable
{
    private const int KeptLines = 14;
    private static readonly TimeSpan PlainInterval = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LiveInterval = TimeSpan.FromMilliseconds(250);
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _lock = new();
    private readonly Queue<string> _lines = new();
    private Task _loop = Task.CompletedTask;

    public void Start() => _loop = plain ? PlainAsync() : LiveAsync();

    public void Say(string line)
    {
        if (plain)
        {
            Console.WriteLine(line);
            return;
        }

        lock (_lock)
        {
            _lines.Enqueue(line);
            while (_lines.Count > KeptLines)
            {
                _lines.Dequeue();
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loop;
        _stop.Dispose();
    }

    private async Task PlainAsync()
    {
        while (await PauseAsync(PlainInterval))
        {
            var now = board.Recent;
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"        {now.PerSecond:F0} calls/s, {now.Failed} failed, {now.Denied} denied, p50 {now.P50:F1} ms, p99 {now.P99:F1} ms, "
                + $"shares {string.Join(' ', now.Shares.Keys.Order(StringComparer.Ordinal).Select(key => $"{key}={now.ShareOf(key):P0}"))}"));
        }
    }

    private Task LiveAsync() => AnsiConsole.Live(Draw()).StartAsync(async context =>
    {
        while (await PauseAsync(LiveInterval))
        {
            context.UpdateTarget(Draw());
        }

        context.UpdateTarget(Draw());
    });

    private async Task<bool> PauseAsync(TimeSpan interval)
    {
        try
        {
            await Task.Delay(interval, time, _stop.Token);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    private Rows Draw()
    {
        var now = board.Recent;
        var totals = board.Totals;
        var table = new Table().Border(TableBorder.Rounded).Title("web -> orders -> payments, mutual TLS");
        table.AddColumns("calls/s", "p50 ms", "p99 ms", "succeeded", "denied", "failed");
        table.AddRow(
            now.PerSecond.ToString("F0", CultureInfo.InvariantCulture),
            now.P50.ToString("F1", CultureInfo.InvariantCulture),
            now.P99.ToString("F1", CultureInfo.InvariantCulture),
            totals.Succeeded.ToString(CultureInfo.InvariantCulture),
            totals.Denied.ToString(CultureInfo.InvariantCulture),
            totals.Failed.ToString(CultureInfo.InvariantCulture));
        var chart = new BarChart().Width(60).Label("share of calls by instance, %");
        foreach (var key in now.Shares.Keys.Order(StringComparer.Ordinal))
        {
            chart.AddItem(key, Math.Round(100 * now.ShareOf(key)), key.StartsWith("orders", StringComparison.Ordinal) ? Color.Aqua : Color.Orange1);
        }

        string[] lines;
        lock (_lock)
        {
            lines = [.. _lines];
        }

        return new Rows(
            table,
            // A chart without bars cannot be drawn.
            now.Shares.Count > 0 ? chart : new Markup("no calls answered"),
            new Markup(string.Join('\n', now.Peers.Select(Markup.Escape))),
            new Rule("story").LeftJustified(),
            new Markup(string.Join('\n', lines.Select(Markup.Escape))));
    }
}
