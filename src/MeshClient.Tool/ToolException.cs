namespace MeshClient.Tool;

/// <summary>Ends the command with a sentence for the user and an exit code for scripts.</summary>
internal sealed class ToolException(int exitCode, string message, Exception? innerException = null) : Exception(message, innerException)
{
    /// <summary>One of <see cref="ExitCodes"/>.</summary>
    public int ExitCode { get; } = exitCode;
}
