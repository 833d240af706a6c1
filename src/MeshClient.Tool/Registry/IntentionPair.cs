namespace MeshClient.Tool.Registry;

/// <summary>What an intention is about.</summary>
internal readonly record struct IntentionPair(string Source, string Destination)
{
    public override string ToString() => $"{Source} => {Destination}";
}
