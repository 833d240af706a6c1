namespace MeshClient.Core.ControlPlane;

/// <summary>
/// A value read from a control plane, with the mark that lets the next read wait for a newer one.
/// </summary>
/// <typeparam name="T">An immutable snapshot.</typeparam>
/// <param name="Value">The value.</param>
/// <param name="Index">
/// Opaque to everyone but the source: given back to it, it means "answer when you have something newer". Never 0.
/// </param>
public readonly record struct Watched<T>(T Value, ulong Index);
