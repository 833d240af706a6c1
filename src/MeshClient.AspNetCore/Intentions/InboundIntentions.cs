using MeshClient.AspNetCore.Configuration;
using MeshClient.ControlPlane;
using MeshClient.Core.Intentions;
using MeshClient.Identity;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace MeshClient.AspNetCore.Intentions;

/// <summary>
/// The intentions about calls to this service, kept up to date in the background. The last ones known stay in force without
/// limit while the control plane is away; before the first ones arrive there are none, and nothing is allowed.
/// </summary>
internal sealed class InboundIntentions(
    MeshIdentity identity,
    MeshControlPlane controlPlane,
    WatchRunner watches,
    IOptions<MeshInboundOptions> options,
    IHostEnvironment environment) : IAsyncDisposable
{
    private volatile IntentionEvaluator? _evaluator;
    private Watch<IntentionSnapshot>? _watch;

    /// <summary>What decides now; null until the first intentions have arrived.</summary>
    public IntentionEvaluator? Evaluator => _evaluator;

    /// <summary>Why there are none yet, for a log's text; null when nothing has failed.</summary>
    public string? DescribeFailure() => _watch?.LastFailure?.Message;

    /// <summary>Begins to watch them; called once.</summary>
    /// <exception cref="InvalidOperationException">There is no control plane that knows intentions.</exception>
    public void Start()
    {
        var source = controlPlane.Intentions ?? throw new InvalidOperationException(
            "There is no source of intentions: set Mesh:ControlPlane:Address to a registry.");
        var service = identity.Service;
        _watch = watches.Start(
            "intentions",
            service.Value,
            (index, token) => source.ReadIntentionsAsync(service, index, token),
            snapshot => _evaluator = new IntentionEvaluator(snapshot, DefaultAction(snapshot.DefaultAction), looseDenials: true));
    }

    /// <summary>Waits for the first ones.</summary>
    public Task WaitAsync(CancellationToken cancellationToken) =>
        _watch?.FirstAsync(cancellationToken) ?? Task.CompletedTask;

    public ValueTask DisposeAsync() => _watch?.DisposeAsync() ?? ValueTask.CompletedTask;

    // First wins: what this app was told, what the control plane says, what the environment is.
    private IntentionAction DefaultAction(IntentionAction? ofControlPlane) =>
        options.Value.DefaultAction
        ?? ofControlPlane
        ?? (environment.IsDevelopment() ? IntentionAction.Allow : IntentionAction.Deny);
}
