namespace MeshClient.Server.Operations;

/// <summary>What a call means, for the description of the API.</summary>
/// <param name="Method">The method.</param>
/// <param name="Pattern">The path as it is mapped.</param>
/// <param name="Summary">One line.</param>
internal sealed record RouteDescription(string Method, string Pattern, string Summary)
{
    /// <summary>The names of the query parameters it looks at, apart from those every call takes, parted by spaces.</summary>
    public string Query { get; init; } = string.Empty;

    /// <summary>What the body is; empty: none.</summary>
    public string Body { get; init; } = string.Empty;

    /// <summary>What a good answer holds.</summary>
    public string Answer { get; init; } = "Done.";

    /// <summary>Whether it can wait for something newer than an index.</summary>
    public bool IsBlocking { get; init; }
}
