using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace MeshClient.Tool.CommandLine;

/// <summary>Reads what a user names as input: a file, or <c>-</c> for standard input.</summary>
internal static class InputFile
{
    public const string StandardInput = "-";

    private static readonly JsonDocumentOptions Lenient = new() { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip };

    /// <exception cref="ToolException">It cannot be read.</exception>
    public static byte[] ReadBytes(string path)
    {
        try
        {
            if (path != StandardInput)
            {
                return File.ReadAllBytes(path);
            }

            using var input = Console.OpenStandardInput();
            using var copy = new MemoryStream();
            input.CopyTo(copy);
            return copy.ToArray();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ToolException(ExitCodes.Usage, $"'{path}' cannot be read: {e.Message}", e);
        }
    }

    /// <exception cref="ToolException">It cannot be read.</exception>
    public static string ReadText(string path) => Encoding.UTF8.GetString(ReadBytes(path));

    /// <summary>Reads a JSON object; comments and trailing commas are let pass.</summary>
    /// <exception cref="ToolException">It cannot be read, or is no JSON object.</exception>
    public static JsonObject ReadObject(string path)
    {
        try
        {
            return JsonNode.Parse(ReadBytes(path), documentOptions: Lenient) as JsonObject
                ?? throw new ToolException(ExitCodes.Usage, $"'{path}' is not a JSON object.");
        }
        catch (JsonException e)
        {
            throw new ToolException(ExitCodes.Usage, $"'{path}' is not JSON: {e.Message}", e);
        }
    }
}
