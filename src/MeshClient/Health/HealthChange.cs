namespace MeshClient.Health;

/// <summary>What has changed about an instance, to be told.</summary>
/// <param name="Kind">What.</param>
/// <param name="Reason">Why; of a return, why it had been out.</param>
/// <param name="Length">For how long it is out, at least; zero where nobody knows.</param>
internal readonly record struct HealthChange(HealthChangeKind Kind, EjectionReason Reason = default, TimeSpan Length = default);

/// <summary>The kinds of <see cref="HealthChange"/>.</summary>
internal enum HealthChangeKind
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>It was in and is out.</summary>
    WentOut,

    /// <summary>It was out and stays out for longer.</summary>
    StaysOut,

    /// <summary>It is in again.</summary>
    CameBack,
}
