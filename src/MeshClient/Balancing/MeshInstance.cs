using MeshClient.Core.Discovery;
using MeshClient.Core.Naming;
using MeshClient.Discovery;

namespace MeshClient.Balancing;

/// <summary>
/// One endpoint of an instance as a picker sees it. Equal to another when both are the same endpoint of the same instance; it stays
/// equal to itself for as long as the registry lists the instance.
/// </summary>
public readonly struct MeshInstance : IEquatable<MeshInstance>
{
    private readonly InstanceState _state;

    internal MeshInstance(InstanceState state) => _state = state;

    /// <summary>The instance's id.</summary>
    public InstanceId Id => Description.Id;

    /// <summary>What the registry last said of it: weight, health, zone, tags, metadata.</summary>
    public ServiceInstance Description => _state.Description;

    /// <summary>The address it would be called at.</summary>
    public InstanceEndpoint Endpoint => _state.Endpoint;

    /// <summary>How many calls of this process it has not answered to the end.</summary>
    public int InFlight => _state.Load.InFlight;

    /// <summary>
    /// What a call to it is expected to take to the head of its answer: the Peak-EWMA of this process's calls, with what failures
    /// count as. Null while nothing is known.
    /// </summary>
    /// <param name="time">The clock MeshClient uses; null: the system's.</param>
    public TimeSpan? Latency(TimeProvider? time = null)
    {
        time ??= TimeProvider.System;
        var average = _state.Load.Average(time.GetTimestamp());
        return average < 0 ? null : TimeSpan.FromSeconds(average / time.TimestampFrequency);
    }

    /// <inheritdoc/>
    public bool Equals(MeshInstance other) => ReferenceEquals(_state, other._state);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is MeshInstance other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => _state?.GetHashCode() ?? 0;

    /// <summary>Whether both are the same endpoint of the same instance.</summary>
    public static bool operator ==(MeshInstance left, MeshInstance right) => left.Equals(right);

    /// <summary>Whether they are different endpoints or instances.</summary>
    public static bool operator !=(MeshInstance left, MeshInstance right) => !left.Equals(right);
}
