namespace Quickstart.Story;

/// <summary>The steps of the story, each announced, checked and timed.</summary>
internal sealed partial class StoryTeller
{
    private async Task StartAllAsync()
    {
        var started = Announce("Starting web (1), orders (3) and payments (2), each a process of its own.");
        foreach (var service in (string[])["web", "orders", "payments"])
        {
            if (await _api.CountListedAsync(service) > 0)
            {
                throw new InvalidOperationException(
                    $"The registry has a service '{service}' already; the story would play with it. Use a Consul without one.");
            }
        }

        if (await _api.HasIntentionAsync("web", "orders") || await _api.HasIntentionAsync("orders", "payments"))
        {
            throw new InvalidOperationException(
                "The registry has intentions about web, orders or payments already; the story would change them. Use a Consul without them.");
        }

        _ownsIntentions = true;
        await _api.SetIntentionAsync("web", "orders", "allow");
        await _api.SetIntentionAsync("orders", "payments", "allow");
        for (var i = 0; i < OrdersInstances; i++)
        {
            Start("orders");
        }

        for (var i = 0; i < PaymentsInstances; i++)
        {
            Start("payments");
        }

        await UntilAsync(
            StartLimit,
            async () => await _api.CountHealthyAsync("orders") == OrdersInstances && await _api.CountHealthyAsync("payments") == PaymentsInstances);
        Start("web");
        var flowing = await UntilAsync(
            StartLimit, () => _board.Recent is { PerSecond: > 0 } now && now.Shares.Count == OrdersInstances + PaymentsInstances);
        Expect("Calls by name reach every instance over mutual TLS", flowing, $"{_board.Recent.Shares.Count} instances answer", started);
        var peers = string.Join("; ", _board.Recent.Peers);
        Expect(
            "Every caller proves who it is",
            _board.Recent.Peers.Count == 2 && _board.Recent.Peers.All(peer => peer.Contains("spiffe://", StringComparison.Ordinal)),
            peers,
            started);
        await SteadyAsync();
    }

    private async Task InstanceKilledAsync()
    {
        var victim = Processes("orders")[0];
        var before = _board.Totals;
        var started = Announce($"Killing orders/{victim.Id} hard, under load.");
        await victim.KillAsync();
        await SteadyAsync();
        ExpectNoFailure("An instance is killed hard: no call fails", before, started);
        var gone = _board.Recent.ShareOf($"orders/{victim.Id}") == 0;
        Expect("The killed instance gets no more calls", gone, "its share is 0 %", started);

        before = _board.Totals;
        started = Announce("Starting an instance in its place.");
        var replacement = Start("orders");
        var name = $"orders/{replacement.Id}";
        var taken = await UntilAsync(StartLimit, () => _board.Recent.ShareOf(name) > 0.05);
        Expect("It comes back: it takes load again", taken, $"{name} has {_board.Recent.ShareOf(name):P0}", started);
        ExpectNoFailure("Meanwhile no call fails", before, started);
    }

    private async Task IntentionDeniedAsync()
    {
        var before = _board.Totals;
        var started = Announce("Denying orders -> payments.");
        await _api.SetIntentionAsync("orders", "payments", "deny");
        var refused = await UntilAsync(TimeSpan.FromSeconds(5), () => _board.Totals.Denied > before.Denied);
        var took = _time.GetElapsedTime(started);
        // Web reports every quarter of a second, so what is seen here is later than what happened by up to that.
        Expect("An intention denies: refused within 1 s", refused && took < TimeSpan.FromSeconds(1.25), $"seen after {took.TotalMilliseconds:F0} ms", started);
        _board.ClearRecent();
        await SteadyAsync(wantSuccess: false);
        Expect("While denied, nothing gets through", _board.Recent is { PerSecond: 0, Denied: > 0 }, $"{_board.Recent.Denied} denied in the last seconds", started);

        started = Announce("Allowing it again.");
        await _api.SetIntentionAsync("orders", "payments", "allow");
        _board.ClearRecent();
        var back = await UntilAsync(TimeSpan.FromSeconds(5), () => _board.Recent.PerSecond > 0);
        Expect("Allowed again: calls get through", back, $"seen after {_time.GetElapsedTime(started).TotalMilliseconds:F0} ms", started);
        await SteadyAsync();
    }

    private async Task EveryLeafRenewedAsync()
    {
        var before = _board.Totals;
        Dictionary<int, int> identities;
        lock (_lock)
        {
            identities = new Dictionary<int, int>(_identities);
        }

        var started = Announce("Rotating the mesh's root: every process gets a new certificate, under load.");
        await _api.RotateRootAsync();
        var alive = Processes().Select(process => process.Id).ToArray();
        // A Consul agent spreads renewals over half a minute.
        var renewed = await UntilAsync(TimeSpan.FromSeconds(60), () =>
        {
            lock (_lock)
            {
                return alive.All(id => _identities.GetValueOrDefault(id) >= identities.GetValueOrDefault(id) + 2);
            }
        });
        await SteadyAsync();
        Expect("Every leaf is renewed", renewed, $"{alive.Length} processes have a new one", started);
        ExpectNoFailure("Renewal under load: no call fails", before, started);
    }

    private async Task RegistryRestartedAsync()
    {
        var before = _board.Totals;
        var started = Announce("Stopping the registry.");
        await _registry.StopAsync();
        await SteadyAsync();
        ExpectNoFailure("The registry is away: no call fails", before, started);

        before = _board.Totals;
        started = Announce("Starting the registry again: its data directory holds its certificate authority, its intentions and who is registered.");
        await _registry.RestartAsync();
        var known = await UntilAsync(
            StartLimit,
            async () => await _api.CountHealthyAsync("orders") == OrdersInstances && await _api.CountHealthyAsync("payments") == PaymentsInstances);
        await SteadyAsync();
        Expect("The registry is back: it knows every instance", known, "3 orders, 2 payments", started);
        ExpectNoFailure("Meanwhile no call fails", before, started);
    }
}
