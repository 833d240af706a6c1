namespace MeshClient.Overload;

/// <summary>Gives a request its priority.</summary>
public static class MeshPriorityExtensions
{
    /// <summary>
    /// The header a priority is sent in: <c>mesh-priority</c>, with <c>low</c>, <c>normal</c> or <c>high</c>. A gRPC client
    /// sets it as metadata of the call. A service heeds it only from callers of the mesh, and only where it has shares per priority. It is the caller's
    /// own word.
    /// </summary>
    public const string HeaderName = "mesh-priority";

    private const string Low = "low";
    private const string Normal = "normal";
    private const string High = "high";

    /// <summary>
    /// Sets how much the request matters. Put into the request's headers at once rather than into its options, which are made
    /// only when somebody asks for them: to look into them would cost every call of every app.
    /// </summary>
    /// <param name="request">The request.</param>
    /// <param name="priority">Its priority; replaces one set before.</param>
    /// <returns>The request.</returns>
    public static HttpRequestMessage SetMeshPriority(this HttpRequestMessage request, MeshPriority priority)
    {
        ArgumentNullException.ThrowIfNull(request);
        request.Headers.Remove(HeaderName);
        request.Headers.Add(HeaderName, priority switch
        {
            MeshPriority.Low => Low,
            MeshPriority.Normal => Normal,
            MeshPriority.High => High,
            _ => throw new ArgumentOutOfRangeException(nameof(priority), priority, "Not a priority."),
        });
        return request;
    }

    /// <summary>Reads the header's value; anything unknown is normal.</summary>
    internal static MeshPriority Parse(string? value) =>
        High.Equals(value, StringComparison.OrdinalIgnoreCase) ? MeshPriority.High
        : Low.Equals(value, StringComparison.OrdinalIgnoreCase) ? MeshPriority.Low
        : MeshPriority.Normal;
}
