using System.Diagnostics;

namespace MeshClient.FunctionalTests.Grpc;

/// <summary>
/// A peer's process: told by lines on its standard input, tells by lines on its standard output, and ends when its input does.
/// </summary>
internal sealed class PeerProcess : IAsyncDisposable
{
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(15);
    private readonly Process _process;
    private readonly Lock _lock = new();
    private readonly List<string> _lines = [];
    private readonly List<string> _errors = [];
    private TaskCompletionSource _more = NewSignal();
    private bool _hasEnded;

    private PeerProcess(Process process) => _process = process;

    /// <summary>The process's id.</summary>
    public int Id => _process.Id;

    /// <summary>What it has said so far.</summary>
    public IReadOnlyList<string> Lines
    {
        get
        {
            lock (_lock)
            {
                return [.. _lines];
            }
        }
    }

    public static PeerProcess Start(ProcessStartInfo start)
    {
        start.RedirectStandardInput = start.RedirectStandardOutput = start.RedirectStandardError = true;
        var peer = new PeerProcess(Process.Start(start)!);
        peer._process.OutputDataReceived += (_, line) => peer.Hear(line.Data, peer._lines);
        peer._process.ErrorDataReceived += (_, line) => peer.Hear(line.Data, peer._errors);
        peer._process.BeginOutputReadLine();
        peer._process.BeginErrorReadLine();
        return peer;
    }

    /// <summary>Kills it with no chance to say goodbye, and waits until it is gone.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync(Waiting.Cancellation).Bounded();
    }

    /// <summary>Tells it something.</summary>
    public async Task TellAsync(string line)
    {
        await _process.StandardInput.WriteLineAsync(line.AsMemory(), Waiting.Cancellation).Bounded();
        await _process.StandardInput.FlushAsync(Waiting.Cancellation).Bounded();
    }

    /// <summary>Waits for a line that begins so, and gives what follows.</summary>
    /// <param name="beginning">The beginning, up to a blank or the line's end.</param>
    /// <param name="number">Which of several such lines; the first is 1.</param>
    public async Task<string> HearAsync(string beginning, int number = 1)
    {
        while (true)
        {
            Task more;
            lock (_lock)
            {
                var line = _lines.Where(line => line == beginning || line.StartsWith(beginning + " ", StringComparison.Ordinal))
                    .Skip(number - 1).FirstOrDefault();
                if (line is not null)
                {
                    return line[beginning.Length..].TrimStart();
                }

                Assert.False(_hasEnded, $"The peer has ended and did not say '{beginning}' {number} times. {Told()}");
                more = _more.Task;
            }

            try
            {
                await more.Bounded();
            }
            catch (TimeoutException)
            {
                throw new TimeoutException($"The peer has not said '{beginning}' {number} times. {Told()}");
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            _process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It has ended already.
        }

        using (var limit = new CancellationTokenSource(EndLimit, TimeProvider.System))
        {
            try
            {
                await _process.WaitForExitAsync(limit.Token);
            }
            catch (OperationCanceledException)
            {
                _process.Kill(entireProcessTree: true);
            }
        }

        using (var limit = new CancellationTokenSource(EndLimit, TimeProvider.System))
        {
            await _process.WaitForExitAsync(limit.Token);
        }

        _process.Dispose();
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private string Told()
    {
        lock (_lock)
        {
            return $"It said: {string.Join(" | ", _lines)}. Errors: {string.Join(" | ", _errors)}";
        }
    }

    private void Hear(string? line, List<string> lines)
    {
        TaskCompletionSource heard;
        lock (_lock)
        {
            if (line is not null)
            {
                lines.Add(line);
            }
            else if (lines == _lines)
            {
                _hasEnded = true;
            }

            heard = _more;
            _more = NewSignal();
        }

        heard.SetResult();
    }
}
