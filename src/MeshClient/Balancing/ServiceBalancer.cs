using MeshClient.Configuration;
using MeshClient.Discovery;

namespace MeshClient.Balancing;

/// <summary>How one service is balanced: makes the picker of each new list of instances, and keeps what has to outlast a list.</summary>
internal sealed class ServiceBalancer
{
    private readonly BalancingSettings _settings;

    public ServiceBalancer(BalancingSettings settings, IInstancePicker? userPicker, TimeProvider time)
    {
        _settings = settings;
        UserPicker = userPicker;
        SlowStart = settings.SlowStart > TimeSpan.Zero && userPicker is null && !settings.IsHashed
            ? new SlowStart(settings.SlowStart, settings.SlowStartMinimum, settings.SlowStartAggression, time.TimestampFrequency)
            : null;
    }

    /// <summary>The app's own picker; null: a built-in policy.</summary>
    public IInstancePicker? UserPicker { get; }

    /// <summary>Holds back what has just come; null: nothing does.</summary>
    public SlowStart? SlowStart { get; }

    public InstancePicker Build(InstanceState[] instances)
    {
        if (UserPicker is not null)
        {
            return new UserPicker(UserPicker, instances);
        }

        var weights = Array.ConvertAll(instances, instance => (double)instance.Description.Weight);
        return _settings.Policy switch
        {
            BalancingPolicy.LeastRequest => new TwoChoicesPicker<InFlightCost>(instances, weights, SlowStart),
            _ => new TwoChoicesPicker<LatencyCost>(instances, weights, SlowStart),
        };
    }
}
