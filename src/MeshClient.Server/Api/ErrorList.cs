namespace MeshClient.Server.Api;

/// <summary>Several problems in one text, as Consul lists them.</summary>
internal static class ErrorList
{
    public static string Of(IReadOnlyCollection<string> problems) =>
        (problems.Count == 1 ? "1 error occurred:" : $"{problems.Count} errors occurred:")
        + string.Concat(problems.Select(problem => $"\n\t* {problem}")) + "\n\n";
}
