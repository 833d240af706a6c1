using MeshClient.Configuration;
using MeshClient.Discovery;

namespace MeshClient.Balancing;

/// <summary>How one service is balanced: makes the picker of each new list of instances, and keeps what has to outlast a list.</summary>
/// <remarks>
/// Pickers are put together from the outside in: the zone, the part of the fleet in it, the policy over what is left. Each hands on
/// when it has no good instance, so an instance that is neither ejected nor tried is always found.
/// </remarks>
internal sealed class ServiceBalancer
{
    private readonly BalancingSettings _settings;
    private readonly CallerFleet _fleet;
    private readonly string? _zone;
    private readonly MeshRandom _random;
    private readonly long _frequency;
    private readonly HashKey? _hashKey;

    /// <param name="settings">What is in force for the service.</param>
    /// <param name="userPicker">The app's own picker; null: none.</param>
    /// <param name="fleet">The copies of this app.</param>
    /// <param name="zone">This process's own zone; null: none.</param>
    /// <param name="time">The clock.</param>
    /// <param name="random">Where chance comes from.</param>
    public ServiceBalancer(
        BalancingSettings settings, IInstancePicker? userPicker, CallerFleet fleet, string? zone, TimeProvider time, MeshRandom random)
    {
        _settings = settings;
        _fleet = fleet;
        _zone = zone;
        _random = random;
        _frequency = time.TimestampFrequency;
        UserPicker = userPicker;
        if (userPicker is not null)
        {
            return;
        }

        if (settings.IsHashed)
        {
            _ = HashKey.TryParse(settings.HashKey, out _hashKey);
        }
        else if (settings.SlowStart > TimeSpan.Zero)
        {
            SlowStart = new SlowStart(settings.SlowStart, settings.SlowStartMinimum, settings.SlowStartAggression, _frequency);
        }

        FollowsFleet = !settings.IsHashed && (settings.Aperture > 0 || settings.Zone == ZonePreference.Fair);
        if (FollowsFleet)
        {
            fleet.Start();
        }
    }

    /// <summary>The app's own picker; null: a built-in policy.</summary>
    public IInstancePicker? UserPicker { get; }

    /// <summary>Holds back what has just come; null: nothing does.</summary>
    public SlowStart? SlowStart { get; }

    /// <summary>Whether the load instances report is looked at.</summary>
    public bool ReadsLoadReports => UserPicker is null && _settings.Policy == BalancingPolicy.ReportedLoad;

    /// <summary>Whether the picker depends on the copies of this app, and has to be made anew when those change.</summary>
    public bool FollowsFleet { get; }

    /// <summary>The copies of this app have changed.</summary>
    public event Action FleetChanged
    {
        add => _fleet.Changed += value;
        remove => _fleet.Changed -= value;
    }

    /// <summary>Makes the picker of a list.</summary>
    /// <param name="instances">Those that may be called.</param>
    /// <param name="listedPerZone">How many the registry lists in each zone, those that may not be called included.</param>
    public InstancePicker Build(InstanceState[] instances, IReadOnlyDictionary<string, int> listedPerZone) =>
        UserPicker is not null ? new UserPicker(UserPicker, instances)
        : _settings.IsHashed ? ByPolicy(instances, [])
        : TryByZone(instances, listedPerZone) ?? ByAperture(instances, null);

    private ZonePicker? TryByZone(InstanceState[] instances, IReadOnlyDictionary<string, int> listedPerZone)
    {
        var isFair = _settings.Zone == ZonePreference.Fair;
        if (_settings.Zone == ZonePreference.Off || _zone is null || (isFair && instances.Length < MeshDefaults.MinZonedInstances))
        {
            return null;
        }

        var groups = instances.GroupBy(ZoneOf, StringComparer.Ordinal).OrderBy(group => group.Key, StringComparer.Ordinal).ToList();
        var local = groups.FindIndex(group => group.Key == _zone);
        var callers = isFair ? _fleet.SharesOf([.. groups.Select(group => group.Key)]) : [];
        if (local < 0 || groups.Count == 1 || (isFair && callers.Length == 0))
        {
            return null;
        }

        return new ZonePicker(
            [.. groups.Select(group => new ZonePicker.Zone(
                [.. group],
                ByAperture([.. group], group.Key == _zone ? _zone : null),
                Math.Max(listedPerZone.GetValueOrDefault(group.Key), group.Count())))],
            local,
            callers,
            _frequency);
    }

    private InstancePicker ByAperture(InstanceState[] instances, string? zone)
    {
        var size = Math.Max(_settings.Aperture, MeshDefaults.MinAperture);
        if (_settings.Aperture == 0 || instances.Length <= size)
        {
            return ByPolicy(instances, []);
        }

        // In an order all callers share.
        var sorted = instances.OrderBy(instance => instance.Description.Id.Value, StringComparer.Ordinal).ToArray();
        var cut = _fleet.Place(zone) is { } place
            ? Aperture.ByRank(place.Rank, place.Count, sorted.Length, size)
            : Aperture.ByRendezvous(_fleet.Seed, Array.ConvertAll(sorted, instance => instance.Description.Id.Value), size);
        return new AperturePicker(
            ByPolicy([.. cut.Select(one => sorted[one.Index])], [.. cut.Select(one => one.Part)]), instances);
    }

    private InstancePicker ByPolicy(InstanceState[] instances, double[] parts)
    {
        var weights = new double[instances.Length];
        for (var i = 0; i < weights.Length; i++)
        {
            weights[i] = Math.Max(1, instances[i].Description.Weight) * (parts.Length == 0 ? 1 : parts[i]);
        }

        return _settings.Policy switch
        {
            BalancingPolicy.LeastRequest => new TwoChoicesPicker<InFlightCost>(instances, weights, SlowStart),
            BalancingPolicy.RoundRobin => parts.Length == 0
                ? new RoundRobinPicker(instances, SlowStart, _random)
                : new SchedulePicker(instances, Whole(parts), SlowStart, _random),
            BalancingPolicy.WeightedRoundRobin => new SchedulePicker(instances, Whole(weights), SlowStart, _random),
            BalancingPolicy.Random => new RandomPicker(instances, weights, SlowStart),
            BalancingPolicy.RingHash => new RingHashPicker(instances, weights, _hashKey!, Bound(instances, weights), _settings.RingPoints),
            BalancingPolicy.Maglev => new MaglevPicker(instances, weights, _hashKey!, Bound(instances, weights)),
            BalancingPolicy.ReportedLoad => new ReportedLoadPicker(
                instances, weights, parts, SlowStart, _settings.ReportBlackout, _frequency, _random),
            _ => new TwoChoicesPicker<LatencyCost>(instances, weights, SlowStart),
        };
    }

    private LoadBound? Bound(InstanceState[] instances, double[] weights) =>
        _settings.BoundedLoad > 0 ? new LoadBound(_settings.BoundedLoad, instances, weights) : null;

    // To a hundredth of the lightest where parts of instances are in play, as they are where they are whole already.
    private static int[] Whole(double[] weights)
    {
        var areWhole = Array.TrueForAll(weights, double.IsInteger);
        return Array.ConvertAll(weights, weight => areWhole ? (int)weight : Math.Max(1, (int)Math.Round(weight * 100)));
    }

    private static string ZoneOf(InstanceState instance) => instance.Description.Zone ?? string.Empty;
}
