using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Peers;
using MeshClient.ControlPlane;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Intentions;
using MeshClient.Core.Naming;
using MeshClient.Identity;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace MeshClient.AspNetCore.Intentions;

/// <summary>
/// The intentions about calls to this service, kept up to date in the background. The last ones known stay in force without
/// limit while the control plane is away; before the first ones arrive there are none, and nothing is allowed.
/// </summary>
/// <remarks>
/// Intentions name services of this trust domain, and <c>*</c> stands for any of these. Callers of another domain are decided by
/// those intentions alone that name their SPIFFE id, and denied where there is none. For a caller of this one an intention that
/// names its SPIFFE id is as exact as one that names the service: where both are there, the stricter one holds.
/// </remarks>
internal sealed class InboundIntentions(
    MeshIdentity identity,
    MeshControlPlane controlPlane,
    WatchRunner watches,
    IOptions<MeshInboundOptions> options,
    IHostEnvironment environment) : IAsyncDisposable
{
    private volatile IntentionsInForce? _inForce;
    private Watch<IntentionSnapshot>? _watch;
    private ulong _index;

    /// <summary>Raised when other intentions are in force, on a background thread. Handlers must not throw.</summary>
    public event Action? Changed;

    /// <summary>What is in force; null until the first intentions have arrived.</summary>
    public IntentionsInForce? InForce => _inForce;

    /// <summary>How long ago the control plane last confirmed them; null while there are none.</summary>
    public TimeSpan? Age => _watch?.Age;

    /// <summary>What decides about a peer; null until the first intentions have arrived.</summary>
    public IntentionEvaluator? EvaluatorFor(MeshPeer peer) => _inForce?.EvaluatorFor(peer);

    /// <summary>Why there are none yet, or no newer ones, for a log's text; null when nothing has failed.</summary>
    public string? DescribeFailure() => _watch?.LastFailure?.Message;

    /// <summary>Begins to watch them; called once.</summary>
    /// <exception cref="InvalidOperationException">There is no control plane that knows intentions.</exception>
    public void Start()
    {
        var source = controlPlane.Intentions ?? throw new InvalidOperationException(
            "There is no source of intentions: set Mesh:ControlPlane:Address to a registry.");
        var service = identity.Service;
        _watch = watches.Start("intentions", service.Value, (index, token) => ReadAsync(source, service, index, token), Apply);
    }

    /// <summary>Waits for the first ones.</summary>
    public Task WaitAsync(CancellationToken cancellationToken) =>
        _watch?.FirstAsync(cancellationToken) ?? Task.CompletedTask;

    public ValueTask DisposeAsync() => _watch?.DisposeAsync() ?? ValueTask.CompletedTask;

    private async Task<Watched<IntentionSnapshot>> ReadAsync(
        IIntentionSource source, ServiceName service, ulong index, CancellationToken cancellationToken)
    {
        var read = await source.ReadIntentionsAsync(service, index, cancellationToken).ConfigureAwait(false);
        _index = read.Index;
        return read;
    }

    private void Apply(IntentionSnapshot snapshot)
    {
        var mode = options.Value.Mode == MeshInboundMode.Shadow ? IntentionMode.Shadow : IntentionMode.Enforce;
        _inForce = new IntentionsInForce(snapshot, DefaultAction(snapshot.DefaultAction), _index, mode);
        Changed?.Invoke();
    }

    // First wins: what this app was told, what the control plane says, what the environment is.
    private IntentionAction DefaultAction(IntentionAction? ofControlPlane) =>
        options.Value.DefaultAction
        ?? ofControlPlane
        ?? (environment.IsDevelopment() ? IntentionAction.Allow : IntentionAction.Deny);
}
