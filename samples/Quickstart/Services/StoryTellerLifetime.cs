using System.Runtime.InteropServices;

namespace Quickstart.Services;

/// <summary>
/// Ends a service when the story-teller closes its end of our standard input, as it does when it is done and as the system does
/// for it when it dies: nothing is left behind. Ctrl-C, which a terminal sends to all of us, is for the story-teller alone, so
/// that the services end in order.
/// </summary>
internal sealed class StoryTellerLifetime(IHostApplicationLifetime lifetime) : IHostLifetime, IDisposable
{
    private PosixSignalRegistration? _interrupt;

    public Task WaitForStartAsync(CancellationToken cancellationToken)
    {
        _interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal => signal.Cancel = true);
        _ = Task.Run(WaitForEndOfInputAsync, CancellationToken.None);
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose() => _interrupt?.Dispose();

    private async Task WaitForEndOfInputAsync()
    {
        var input = new byte[16];
        await using var stream = Console.OpenStandardInput();
        while (await stream.ReadAsync(input) > 0)
        {
        }

        lifetime.StopApplication();
    }
}
