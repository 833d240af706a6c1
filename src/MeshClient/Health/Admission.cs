namespace MeshClient.Health;

/// <summary>On what terms a call is sent to an instance.</summary>
internal enum Admission : byte
{
    /// <summary>Not at all, unless every other instance is out too.</summary>
    Refused,

    /// <summary>Like any other.</summary>
    Ordinary,

    /// <summary>To find out whether the instance may come back.</summary>
    Probe,

    /// <summary>Although the instance is out: too few are in to be choosy.</summary>
    Panic,
}
