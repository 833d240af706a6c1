using System.Diagnostics;

namespace MeshClient.TestSupport;

/// <summary>
/// The command <c>openssl</c>. Where there is none, tests that run it are reported as skipped; with the environment variable
/// <c>MESHCLIENT_REQUIRE_PEERS=1</c>, or <c>MESHCLIENT_REQUIRE_CONSUL=1</c>, they fail.
/// </summary>
internal static class OpenSslCommand
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    /// <summary>Runs it to its end.</summary>
    /// <param name="input">What it reads; the input then stays open until it ends, as that of a person would.</param>
    /// <param name="arguments">The command's arguments.</param>
    public static async Task<OpenSslRun> RunAsync(string? input, params IEnumerable<string> arguments)
    {
        using var process = Start(arguments);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(Limit);
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(limit.Token);
            var errors = process.StandardError.ReadToEndAsync(limit.Token);
            await WriteAsync(process, input, limit.Token);
            await process.WaitForExitAsync(limit.Token);
            return new OpenSslRun(process.ExitCode, await output + await errors);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"openssl {string.Join(' ', arguments)} did not end.");
        }
    }

    /// <summary>Starts it, to be killed when it has served.</summary>
    public static Process Start(params IEnumerable<string> arguments)
    {
        var program = (Environment.GetEnvironmentVariable("PATH") ?? string.Empty).Split(Path.PathSeparator)
            .Where(folder => folder.Length > 0)
            .SelectMany(folder => new[] { Path.Combine(folder, "openssl"), Path.Combine(folder, "openssl.exe") })
            .FirstOrDefault(File.Exists);
        if (program is null && (IsSet("MESHCLIENT_REQUIRE_PEERS") || IsSet("MESHCLIENT_REQUIRE_CONSUL")))
        {
            Assert.Fail("openssl is required and not in the path.");
        }

        if (program is null)
        {
            Assert.Skip("openssl is not in the path.");
        }

        return Process.Start(new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
    }

    private static bool IsSet(string variable) => Environment.GetEnvironmentVariable(variable) == "1";

    private static async Task WriteAsync(Process process, string? input, CancellationToken cancellationToken)
    {
        try
        {
            await process.StandardInput.WriteAsync((input ?? string.Empty).AsMemory(), cancellationToken);
            await process.StandardInput.FlushAsync(cancellationToken);
        }
        catch (IOException)
        {
            // It has ended already; why, is in what it printed.
        }
    }
}

/// <summary>What a run came to.</summary>
internal sealed record OpenSslRun(int ExitCode, string Text);
