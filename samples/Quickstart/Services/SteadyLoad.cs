using System.Net;

namespace Quickstart.Services;

/// <summary>
/// Calls orders at a fixed rate, whatever the calls take (an open loop, so a stall is not hidden by waiting for it), and reports
/// four times a second.
/// </summary>
internal sealed class SteadyLoad(OrdersClient orders, IConfiguration configuration, TimeProvider time) : BackgroundService
{
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan ReportEvery = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(20);

    private readonly Lock _lock = new();
    private List<double> _latencies = [];
    private Dictionary<string, int> _shares = [];
    private HashSet<string> _peers = [];
    private int _denied;
    private int _failed;
    private string? _problem;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var rate = configuration.GetValue("rate", 200);
        var started = time.GetTimestamp();
        var reported = started;
        long sent = 0;
        using var ticker = new PeriodicTimer(Tick, time);
        while (await ticker.WaitForNextTickAsync(stoppingToken))
        {
            for (var due = (long)(time.GetElapsedTime(started).TotalSeconds * rate); sent < due; sent++)
            {
                _ = CallAsync((int)(sent % 100_000), stoppingToken);
            }

            if (time.GetElapsedTime(reported) >= ReportEvery)
            {
                reported = time.GetTimestamp();
                Report.Write(new Report { Load = Collect() });
            }
        }
    }

    private async Task CallAsync(int id, CancellationToken stoppingToken)
    {
        var started = time.GetTimestamp();
        try
        {
            using var limit = new CancellationTokenSource(CallTimeout, time);
            using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, stoppingToken);
            using var response = await orders.GetAsync(id, both.Token);
            if (response.StatusCode == HttpStatusCode.Forbidden)
            {
                Count(() => _denied++);
                return;
            }

            response.EnsureSuccessStatusCode();
            var order = (await response.Content.ReadFromJsonAsync<Order>(both.Token))!;
            Count(() =>
            {
                _latencies.Add(time.GetElapsedTime(started).TotalMilliseconds);
                Add($"orders/{order.Process}");
                Add($"payments/{order.Charge!.Process}");
                _peers.Add($"orders is called by {order.Peer}");
                _peers.Add($"payments is called by {order.Charge.Peer}");
            });
        }
        catch (Exception) when (stoppingToken.IsCancellationRequested)
        {
        }
        catch (Exception e)
        {
            Count(() =>
            {
                _failed++;
                _problem ??= e.Message;
            });
        }
    }

    private void Count(Action count)
    {
        lock (_lock)
        {
            count();
        }
    }

    private void Add(string instance) => _shares[instance] = _shares.GetValueOrDefault(instance) + 1;

    private LoadFigures Collect()
    {
        lock (_lock)
        {
            _latencies.Sort();
            var figures = new LoadFigures
            {
                Succeeded = _latencies.Count,
                Denied = _denied,
                Failed = _failed,
                Latencies = [.. _latencies],
                Shares = _shares,
                Peers = [.. _peers.Order(StringComparer.Ordinal)],
                Problem = _problem,
            };
            (_latencies, _shares, _peers, _denied, _failed, _problem) = ([], [], [], 0, 0, null);
            return figures;
        }
    }
}
