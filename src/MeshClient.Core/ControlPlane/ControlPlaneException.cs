namespace MeshClient.Core.ControlPlane;

/// <summary>Why a call to the control plane failed.</summary>
public enum ControlPlaneFailure
{
    /// <summary>It could not be reached, or the connection broke, or it gave no answer in time. Worth repeating.</summary>
    Unreachable,

    /// <summary>It answered that it cannot serve now, such as having no leader or a rate limit. Worth repeating.</summary>
    Unavailable,

    /// <summary>It refused the token or the rights that go with it. Repeating will not help until somebody changes that.</summary>
    Forbidden,

    /// <summary>It refused the request itself. Repeating will not help.</summary>
    Rejected,

    /// <summary>It answered something that cannot be understood.</summary>
    Malformed,
}

/// <summary>A call to the control plane failed. The message names the call and never holds a token or a key.</summary>
public sealed class ControlPlaneException : Exception
{
    /// <summary>Makes one.</summary>
    /// <param name="failure">Why.</param>
    /// <param name="message">What was called and what came of it.</param>
    /// <param name="innerException">The cause, if any.</param>
    public ControlPlaneException(ControlPlaneFailure failure, string message, Exception? innerException = null)
        : base(message, innerException) => Failure = failure;

    /// <summary>Why the call failed.</summary>
    public ControlPlaneFailure Failure { get; }

    /// <summary>How long the control plane asked to be left alone; null when it did not say.</summary>
    public TimeSpan? RetryAfter { get; init; }
}
