using System.Collections.Concurrent;
using System.Security.Cryptography;
using MeshClient.Configuration;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Discovery;
using MeshClient.Core.Identity;
using MeshClient.Core.Intentions;
using MeshClient.Core.Naming;
using MeshClient.Discovery;
using MeshClient.Identity;
using Microsoft.Extensions.Logging;

namespace MeshClient.Restart;

/// <summary>
/// The ports of the control plane with the state file behind them: what they answer is kept, and what they do not answer after a
/// start comes from there.
/// </summary>
internal sealed partial class RestartSources(RestartState state, bool includeLeaf, TimeProvider time, ILogger<RestartState> logger)
{
    public IInstanceSource Wrap(IInstanceSource source) => new Instances(source, state, time, logger);

    public IIntentionSource Wrap(IIntentionSource source) => new Intentions(source, state, time, logger);

    // What comes from files is there after a restart as well; where they have been taken away, that is meant.
    public ITrustBundleSource Wrap(ITrustBundleSource source) =>
        source is FileTrustBundleSource ? new FileBundles(source, state) : new Bundles(source, state, time, logger);

    public ILeafCertificateSource Wrap(ILeafCertificateSource source) =>
        !includeLeaf || source is FileLeafSource ? source : new Leaves(source, state, time, logger);

    private sealed class Instances(IInstanceSource source, RestartState state, TimeProvider time, ILogger logger) : IInstanceSource
    {
        private readonly RestartReader<ServiceSnapshot> _reader = new(
            state, SavedKind.Instances, content => StateCodecs.Read(content, SavedJson.Default.ServiceSnapshot), time, logger);

        private readonly ConcurrentDictionary<ServiceName, KeptInstances> _kept = new();

        public async Task<Watched<ServiceSnapshot>> ReadInstancesAsync(ServiceName service, ulong index, CancellationToken cancellationToken)
        {
            var kept = _kept.GetOrAdd(service, static (name, one) => new KeptInstances(name, one.state, one.time), (state, time));
            try
            {
                var answer = await _reader.ReadAsync(
                    service.Value, (mark, token) => source.ReadInstancesAsync(service, mark, token), kept.TakeIn, index, cancellationToken)
                    .ConfigureAwait(false);
                if (answer.Remembered is not null)
                {
                    kept.Remember(answer.Value);
                }

                return answer;
            }
            catch (Exception) when (!cancellationToken.IsCancellationRequested)
            {
                kept.WasAway();
                throw;
            }
        }
    }

    private sealed class Intentions(IIntentionSource source, RestartState state, TimeProvider time, ILogger logger) : IIntentionSource
    {
        private readonly RestartReader<IntentionSnapshot> _reader = new(
            state, SavedKind.Intentions, content => StateCodecs.Read(content, SavedJson.Default.IntentionSnapshot), time, logger);

        public Task<Watched<IntentionSnapshot>> ReadIntentionsAsync(ServiceName destination, ulong index, CancellationToken cancellationToken) =>
            _reader.ReadAsync(
                destination.Value,
                (mark, token) => source.ReadIntentionsAsync(destination, mark, token),
                snapshot => state.Keep(SavedKind.Intentions, destination.Value, StateCodecs.Write(snapshot, SavedJson.Default.IntentionSnapshot)),
                index,
                cancellationToken);
    }

    private sealed class Bundles(ITrustBundleSource source, RestartState state, TimeProvider time, ILogger logger) : ITrustBundleSource
    {
        private readonly RestartReader<TrustBundle> _reader = new(
            state, SavedKind.TrustBundle, content => StateCodecs.ReadBundle(content, time.GetUtcNow()), time, logger);

        public Task<Watched<TrustBundle>> ReadTrustBundleAsync(ulong index, CancellationToken cancellationToken) => _reader.ReadAsync(
            string.Empty,
            source.ReadTrustBundleAsync,
            bundle => state.Keep(SavedKind.TrustBundle, string.Empty, StateCodecs.Write(bundle), bundle.TrustDomain),
            index,
            cancellationToken);
    }

    /// <summary>Has the state told the trust domain of roots that are not kept in it.</summary>
    private sealed class FileBundles(ITrustBundleSource source, RestartState state) : ITrustBundleSource
    {
        public async Task<Watched<TrustBundle>> ReadTrustBundleAsync(ulong index, CancellationToken cancellationToken)
        {
            var read = await source.ReadTrustBundleAsync(index, cancellationToken).ConfigureAwait(false);
            state.Keep(SavedKind.TrustBundle, string.Empty, null, read.Value.TrustDomain);
            return read;
        }
    }

    private sealed partial class Leaves(ILeafCertificateSource source, RestartState state, TimeProvider time, ILogger logger) : ILeafCertificateSource
    {
        private readonly RestartReader<LeafCertificate> _reader = new(
            state, SavedKind.Leaf, content => StateCodecs.ReadLeaf(content, time.GetUtcNow()), time, logger);

        // Sealing a key takes a salt each time, so the bytes do not tell whether it is the same.
        private string? _kept;

        public Task<Watched<LeafCertificate>> ReadLeafAsync(ServiceName service, ulong index, CancellationToken cancellationToken) => _reader.ReadAsync(
            service.Value, (mark, token) => source.ReadLeafAsync(service, mark, token), leaf => Keep(service, leaf), index, cancellationToken);

        private void Keep(ServiceName service, LeafCertificate leaf)
        {
            var thumbprint = leaf.Certificate.GetCertHashString(HashAlgorithmName.SHA256);
            if (Interlocked.Exchange(ref _kept, thumbprint) == thumbprint)
            {
                state.Confirm(SavedKind.Leaf, service.Value);
                return;
            }

            try
            {
                state.Keep(SavedKind.Leaf, service.Value, StateCodecs.Write(leaf), leaf.Id.TrustDomain);
            }
            catch (CryptographicException e)
            {
                state.Keep(SavedKind.Leaf, service.Value, null, leaf.Id.TrustDomain);
                LogNotKept(logger, e.Message);
            }
        }

        [LoggerMessage(48, LogLevel.Warning, "The certificate is not kept in the state file, because its key cannot be taken from where it is: {Problem}")]
        private static partial void LogNotKept(ILogger logger, string problem);
    }

    /// <summary>
    /// The instances of one service as calls go by them, which is not always what the last list says: a registry that has come
    /// back may list nobody yet, and a restart in that moment must not believe it either.
    /// </summary>
    private sealed class KeptInstances
    {
        private readonly ServiceName _service;
        private readonly RestartState _state;
        private readonly SnapshotStabilizer _stabilizer;
        private readonly ITimer _expiry;
        private readonly Lock _lock = new();
        private ServiceSnapshot? _listed;
        private bool _wasAway;

        public KeptInstances(ServiceName service, RestartState state, TimeProvider time)
        {
            _service = service;
            _state = state;
            _stabilizer = new SnapshotStabilizer(MeshDefaults.VanishedInstanceGrace, time);
            _expiry = time.CreateTimer(static one => ((KeptInstances)one!).Keep(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }

        /// <summary>The control plane has answered.</summary>
        public void TakeIn(ServiceSnapshot listed)
        {
            lock (_lock)
            {
                _listed = listed;
                Keep();
            }
        }

        /// <summary>The state file has answered in its place.</summary>
        public void Remember(ServiceSnapshot saved)
        {
            lock (_lock)
            {
                _stabilizer.Stabilize(saved, cameBack: false, out _);
                _wasAway = true;
            }
        }

        public void WasAway()
        {
            lock (_lock)
            {
                _wasAway = true;
            }
        }

        private void Keep()
        {
            lock (_lock)
            {
                if (_listed is null)
                {
                    return;
                }

                var inForce = _stabilizer.Stabilize(_listed, _wasAway, out var nextExpiry);
                _wasAway = false;
                _expiry.Change(nextExpiry ?? Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
                // A service without instances is as good as one that was never heard of.
                _state.Keep(
                    SavedKind.Instances,
                    _service.Value,
                    inForce.Instances.Count == 0 ? null : StateCodecs.Write(inForce, SavedJson.Default.ServiceSnapshot));
            }
        }
    }
}
