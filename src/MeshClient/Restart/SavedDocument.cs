namespace MeshClient.Restart;

/// <summary>What a state file holds.</summary>
internal sealed record SavedDocument
{
    /// <summary>The service it was written by; empty for an app without a name.</summary>
    public required string Service { get; init; }

    /// <summary>The trust domain that service was in; null when it had no roots yet.</summary>
    public string? TrustDomain { get; init; }

    public required DateTimeOffset WrittenAt { get; init; }

    public required SavedEntry[] Entries { get; init; }
}

/// <summary>One value of the control plane.</summary>
internal sealed record SavedEntry
{
    public required SavedKind Kind { get; init; }

    /// <summary>Whose it is: a service's name, or empty.</summary>
    public required string Subject { get; init; }

    /// <summary>When the control plane last said so.</summary>
    public required DateTimeOffset ConfirmedAt { get; init; }

    /// <summary>The value, as its codec wrote it.</summary>
    public required byte[] Content { get; init; }
}

/// <summary>What is kept.</summary>
internal enum SavedKind
{
    Instances,
    Intentions,
    TrustBundle,
    Leaf,
}

/// <summary>The roots of the mesh.</summary>
internal sealed record SavedBundle
{
    public required string TrustDomain { get; init; }

    /// <summary>Certificates in DER.</summary>
    public required byte[][] Roots { get; init; }

    /// <summary>Which of them signs, in DER; null when the control plane did not tell.</summary>
    public required byte[]? SigningRoot { get; init; }
}

/// <summary>The app's certificate.</summary>
internal sealed record SavedLeaf
{
    /// <summary>With its key, as PKCS#12 without a password: the file around it is what protects it.</summary>
    public required byte[] Certificate { get; init; }

    /// <summary>Certificates in DER.</summary>
    public required byte[][] Intermediates { get; init; }
}
