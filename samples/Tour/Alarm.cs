using MeshClient.AspNetCore.Denials;

namespace Tour;

// README: alarm
internal sealed class Alarm : IMeshDenialObserver
{
    public async ValueTask OnDeniedAsync(MeshDenial denial, CancellationToken cancellationToken) =>
        await Console.Error.WriteLineAsync($"{denial.Source} was refused {denial.Path} by {denial.Rule}");
}
// README: end
