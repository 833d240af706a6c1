using System.Diagnostics;
using Xunit;

namespace MeshClient.TestSupport;

/// <summary>Runs the real <c>consul</c> command against a registry.</summary>
internal sealed class ConsulCli(Uri address, string? token = null)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(40);

    /// <summary>Runs a command to its end.</summary>
    public Task<CliRun> RunAsync(params string[] arguments) => RunAsync(null, arguments);

    /// <summary>Runs a command that has to succeed, and returns what it printed.</summary>
    public async Task<string> SucceedAsync(params string[] arguments)
    {
        var run = await RunAsync(null, arguments);
        Assert.True(run.ExitCode == 0, $"consul {string.Join(' ', arguments)} ended with {run.ExitCode}: {run.Output}{run.Errors}");
        return run.Output;
    }

    /// <summary>Runs a command that reads its standard input.</summary>
    public async Task<CliRun> RunAsync(string? input, string[] arguments)
    {
        using var process = await StartAsync(arguments);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(Limit);
        try
        {
            if (input is not null)
            {
                await process.StandardInput.WriteAsync(input.AsMemory(), limit.Token);
            }

            process.StandardInput.Close();
            var output = process.StandardOutput.ReadToEndAsync(limit.Token);
            var errors = process.StandardError.ReadToEndAsync(limit.Token);
            await process.WaitForExitAsync(limit.Token);
            return new CliRun(process.ExitCode, await output, await errors);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"consul {string.Join(' ', arguments)} did not end.");
        }
    }

    /// <summary>
    /// Starts a command that does not end by itself, and reads its output until a line holds a text. What is to be seen is done
    /// again and again meanwhile, since nobody knows when the command begins to look.
    /// </summary>
    public async Task<string> ReadUntilAsync(string text, Func<Task> meanwhile, params string[] arguments)
    {
        using var process = await StartAsync(arguments);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(Limit);
        using var seen = CancellationTokenSource.CreateLinkedTokenSource(limit.Token);
        var acting = RepeatAsync(meanwhile, seen.Token);
        try
        {
            _ = process.StandardError.ReadToEndAsync(limit.Token);
            while (await process.StandardOutput.ReadLineAsync(limit.Token) is { } line)
            {
                if (line.Contains(text, StringComparison.Ordinal))
                {
                    return line;
                }
            }

            throw new InvalidOperationException($"consul {string.Join(' ', arguments)} ended without printing '{text}'.");
        }
        finally
        {
            await seen.CancelAsync();
            await acting;
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync(CancellationToken.None);
        }
    }

    private static async Task RepeatAsync(Func<Task> act, CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            await act();
            await Task.WhenAny(Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, cancellationToken));
        }
    }

    /// <summary>Starts a command that does not end by itself, with its streams redirected. Kill it when it has served.</summary>
    public async Task<Process> StartAsync(params string[] arguments)
    {
        var start = new ProcessStartInfo(await ConsulBinary.RequireAsync(), arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["CONSUL_HTTP_ADDR"] = address.GetLeftPart(UriPartial.Authority);
        start.Environment.Remove("CONSUL_HTTP_TOKEN");
        if (token is not null)
        {
            start.Environment["CONSUL_HTTP_TOKEN"] = token;
        }

        return Process.Start(start)!;
    }
}

/// <summary>What a command came to.</summary>
internal sealed record CliRun(int ExitCode, string Output, string Errors);
