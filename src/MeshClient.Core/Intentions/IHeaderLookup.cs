namespace MeshClient.Core.Intentions;

/// <summary>Reads a request's headers, wherever they are kept. Implemented by a struct, so that a look-up costs no memory.</summary>
public interface IHeaderLookup
{
    /// <summary>The value of a header, several values joined by a comma; null when it is not there.</summary>
    string? Find(string name);

    /// <summary>
    /// The value of one of the lines a header came in, as it stands there; null when there are not that many. Lines have an
    /// order and no gaps. A header that is there has one line at least.
    /// </summary>
    /// <param name="name">The header's name; compared without case.</param>
    /// <param name="index">Which line, from 0 on.</param>
    string? FindLine(string name, int index);
}
