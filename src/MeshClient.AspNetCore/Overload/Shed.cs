namespace MeshClient.AspNetCore.Overload;

/// <summary>Why a request is refused for overload.</summary>
internal enum ShedReason
{
    /// <summary>Too many are being served.</summary>
    Concurrency,

    /// <summary>Too many came in a second.</summary>
    Rate,
}

/// <summary>A request that is refused for overload.</summary>
/// <param name="Reason">Why.</param>
/// <param name="Setting">The setting that refused it.</param>
/// <param name="RetryAfter">When it would be served; null: not known.</param>
/// <param name="Share">The share it belongs to; null where there are none.</param>
internal readonly record struct Shed(ShedReason Reason, string Setting, TimeSpan? RetryAfter, Share? Share);
