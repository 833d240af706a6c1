namespace MeshClient.Balancing;

/// <summary>
/// Chooses the instance of each attempt, in place of the built-in policies. Register one as a singleton to have it balance every
/// service, or as a keyed singleton with a service's name as the key to have it balance that one; it wins over
/// <c>Balancing:Policy</c>. Called from many threads at once.
/// </summary>
/// <remarks>
/// Ejection, retries at other instances, the counting of calls in flight and latencies go on as with the built-in policies, so a
/// picker has to keep only what it wants to know beyond that.
/// </remarks>
public interface IInstancePicker
{
    /// <summary>Chooses. Must not block: it runs on the way of every call.</summary>
    /// <param name="context">The call, and those that may be chosen; at least one.</param>
    /// <returns>
    /// The index of one of <see cref="PickContext.Candidates"/>. Any other number, or an exception, fails the attempt.
    /// </returns>
    int Pick(in PickContext context);

    /// <summary>An attempt is about to be sent to an instance that was chosen. Default: nothing.</summary>
    /// <param name="instance">The instance.</param>
    void Started(MeshInstance instance)
    {
    }

    /// <summary>
    /// An attempt has come to its end: its answer has been read or thrown away, or it failed. Called once for each
    /// <see cref="Started"/>. What it throws is passed over, since the app has its answer. Default: nothing.
    /// </summary>
    /// <param name="instance">The instance.</param>
    /// <param name="outcome">What came of it.</param>
    void Completed(MeshInstance instance, in PickOutcome outcome)
    {
    }
}
