namespace MeshClient.Server.KeyValues;

/// <summary>A key with its value.</summary>
/// <param name="Key">The whole key.</param>
/// <param name="Value">Never changed once it is here.</param>
/// <param name="Flags">A number of the writer's own.</param>
/// <param name="LockIndex">How often a session has taken it as a lock.</param>
/// <param name="Session">The session that holds it as a lock; empty when none does.</param>
/// <param name="CreateIndex">The index it was made with.</param>
/// <param name="ModifyIndex">The index of its latest change.</param>
internal sealed record KeyEntry(
    string Key, byte[] Value, ulong Flags, ulong LockIndex, string Session, ulong CreateIndex, ulong ModifyIndex)
{
    /// <summary>Whether another one differs in nothing but its indexes.</summary>
    public bool SaysTheSame(KeyEntry other) =>
        Flags == other.Flags && LockIndex == other.LockIndex && Session == other.Session && Value.AsSpan().SequenceEqual(other.Value);

    public override string ToString() => $"key {Key}";
}
