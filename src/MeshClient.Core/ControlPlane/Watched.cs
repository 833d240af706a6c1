namespace MeshClient.Core.ControlPlane;

/// <summary>
/// A value read from a control plane, with the mark that lets the next read wait for a newer one.
/// </summary>
/// <typeparam name="T">An immutable snapshot.</typeparam>
/// <param name="Value">The value.</param>
/// <param name="Index">
/// Opaque to everyone but the source: given back to it, it means "answer when you have something newer". Never 0.
/// </param>
public readonly record struct Watched<T>(T Value, ulong Index)
{
    /// <summary>
    /// Set when the control plane has not answered and the value is one from before. Whoever has no value yet may go by it until
    /// there is an answer; the read has failed all the same, and the next one begins at index 0. Default: null.
    /// </summary>
    public RememberedAnswer? Remembered { get; init; }
}

/// <summary>Why a value comes from memory, and how old it is.</summary>
/// <param name="Age">How long ago the control plane last confirmed it.</param>
/// <param name="Failure">Why the control plane did not answer now.</param>
public sealed record RememberedAnswer(TimeSpan Age, Exception Failure);
