namespace MeshClient.Core.Intentions;

/// <summary>Reads a request's headers, wherever they are kept. Implemented by a struct, so that a look-up costs no memory.</summary>
public interface IHeaderLookup
{
    /// <summary>The value of a header, several values joined by a comma; null when it is not there.</summary>
    string? Find(string name);
}
