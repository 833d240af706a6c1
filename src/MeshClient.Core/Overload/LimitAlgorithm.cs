namespace MeshClient.Core.Overload;

/// <summary>
/// How a limit of calls in flight is learned from what becomes of the calls. Formulas and numbers are those of Netflix's
/// concurrency-limits (github.com/Netflix/concurrency-limits).
/// </summary>
public enum LimitAlgorithm
{
    /// <summary>
    /// Compares what calls take now with what they have taken over the last minutes: grows while both are alike, shrinks when
    /// calls have become slower. Needs no knowledge of the service, so it is the default.
    /// </summary>
    Gradient2,

    /// <summary>
    /// Adds one while all goes well, takes away a part (a tenth) when calls are dropped or take longer than a limit (5 s). For services
    /// that refuse or time out before they slow down.
    /// </summary>
    Aimd,

    /// <summary>
    /// Estimates from the shortest time seen how many calls wait in a queue on the other side, and keeps that queue short. For
    /// services whose calls take much the same time.
    /// </summary>
    Vegas,
}
