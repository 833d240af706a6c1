using System.ComponentModel;
using System.Diagnostics;

namespace MeshClient.TestSupport;

/// <summary>
/// Runs a script of the folder <c>tests</c> that gets a program which is not ours and prints where it is. Exit code 3 says that
/// it cannot be had on this machine, and why.
/// </summary>
internal static class PeerScript
{
    private const int SkipExitCode = 3;
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(6);

    /// <summary>Runs one.</summary>
    /// <param name="script">The script's file name.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <returns>Where the program is, or why it cannot be had.</returns>
    public static async Task<(string? Location, string? WhyNot)> RunAsync(string script, params string[] arguments)
    {
        var root = new DirectoryInfo(AppContext.BaseDirectory);
        while (root is not null && !File.Exists(Path.Combine(root.FullName, "MeshClient.sln")))
        {
            root = root.Parent;
        }

        if (root is null || OperatingSystem.IsWindows())
        {
            return (null, "it cannot be fetched here");
        }

        var start = new ProcessStartInfo("bash", [Path.Combine(root.FullName, "tests", script), .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        try
        {
            using var process = Process.Start(start)!;
            using var limit = new CancellationTokenSource(Limit, TimeProvider.System);
            try
            {
                var output = process.StandardOutput.ReadToEndAsync(limit.Token);
                var errors = process.StandardError.ReadToEndAsync(limit.Token);
                await process.WaitForExitAsync(limit.Token);
                var reason = (await errors).Trim().Split('\n')[^1];
                return process.ExitCode switch
                {
                    0 => ((await output).Trim(), null),
                    SkipExitCode => (null, reason),
                    var code => (null, $"the script that fetches it ended with {code}: {reason}"),
                };
            }
            catch (OperationCanceledException)
            {
                process.Kill(entireProcessTree: true);
                return (null, $"fetching it took more than {Limit}");
            }
        }
        catch (Win32Exception e)
        {
            return (null, $"bash cannot be started: {e.Message}");
        }
    }
}
