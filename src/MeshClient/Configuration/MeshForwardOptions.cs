namespace MeshClient.Configuration;

/// <summary>
/// What a call takes along of the request it is made for. Only instances of the mesh are given it, over mutual TLS; none
/// outside it, and none that is called in plaintext. A header the app sets on the call itself is left as it is.
/// </summary>
public sealed class MeshForwardOptions
{
    /// <summary>
    /// Whether the user's token goes along: the header <c>Authorization</c> with a bearer token; other credentials never do.
    /// Default: false.
    /// </summary>
    public bool? Token { get; set; }

    /// <summary>
    /// The headers that go along, such as <c>x-tenant</c>; at most 32. <c>Authorization</c> is not for here, nor are headers of the
    /// connection, of the body or of the mesh itself. Null: those of the defaults; empty: none. Default: none.
    /// </summary>
    public IList<string>? Headers { get; set; }
}
