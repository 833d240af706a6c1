namespace MeshClient.Testing;

/// <summary>Who signs a leaf that a <see cref="LeafBlueprint"/> describes.</summary>
public enum LeafSigner
{
    /// <summary>The authority's active root. After a rotation the cross-signed root is sent along, as Consul does.</summary>
    ActiveRoot,

    /// <summary>An intermediate that the active root has signed and that is sent along.</summary>
    Intermediate,

    /// <summary>An intermediate that is not sent along, so that no path to the root can be found.</summary>
    MissingIntermediate,

    /// <summary>A root with the name and trust domain of the active one, but another key.</summary>
    SameNamedStranger,

    /// <summary>The leaf itself.</summary>
    Itself,
}
