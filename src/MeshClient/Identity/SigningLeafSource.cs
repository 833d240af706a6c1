using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using MeshClient.Configuration;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Identity;
using MeshClient.Core.Naming;
using Microsoft.Extensions.Logging;

namespace MeshClient.Identity;

/// <summary>
/// Certificates for keys that are made here and never leave the process: a new key and a request each time, renewed at a random
/// point of 60 to 90 % of the certificate's life (Consul's range), and within the rotation spread when another root has begun
/// to sign. Where the control plane does not sign requests, its own leaves are taken, which it renews itself.
/// </summary>
/// <remarks>
/// For one reader: the watch of this process's certificate, which also does the waiting after a failure. The certificate in force
/// stays so as long as there is no newer one.
/// A signer that gives certificates which are due again at once, because they have nearly ended or are under another root than the
/// one said to sign, is asked less and less often: <see cref="RenewalPace"/>.
/// </remarks>
internal sealed partial class SigningLeafSource : ILeafCertificateSource
{
    private const double EarliestRenewal = 0.6;
    private const double LatestRenewal = 0.9;

    // A clock that has been put right must be noticed, and a timer takes no more than 49 days.
    private static readonly TimeSpan LongestLook = TimeSpan.FromHours(1);

    private readonly ICertificateSigner? _signer;
    private readonly ILeafCertificateSource? _others;
    private readonly bool _isDemanded;
    private readonly LeafKeyType _keyType;
    private readonly TimeSpan _rotationSpread;
    private readonly TimeProvider _time;
    private readonly MeshRandom _random;
    private readonly ILogger _logger;
    private readonly Lock _lock = new();
    private readonly RenewalPace _pace = new();
    private TaskCompletionSource _rootsChanged = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TrustBundle? _roots;
    private LeafCertificate? _leaf;
    private DateTimeOffset _renewAt;
    private ulong _version;
    private bool _readsOthers;

    /// <param name="signer">Who signs; null: nobody does.</param>
    /// <param name="others">Whose leaves are taken where requests are not signed; null: nobody's.</param>
    /// <param name="isDemanded">Whether the key must not come from elsewhere.</param>
    /// <param name="keyType">What keys are made.</param>
    /// <param name="rotationSpread">Within what time a certificate is renewed when another root has begun to sign.</param>
    /// <param name="time">The clock.</param>
    /// <param name="random">Where the moments of renewal come from.</param>
    /// <param name="logger">Where it is said which way certificates come.</param>
    public SigningLeafSource(
        ICertificateSigner? signer,
        ILeafCertificateSource? others,
        bool isDemanded,
        LeafKeyType keyType,
        TimeSpan rotationSpread,
        TimeProvider time,
        MeshRandom random,
        ILogger logger)
    {
        _signer = signer;
        _others = others;
        _isDemanded = isDemanded;
        _keyType = keyType;
        _rotationSpread = rotationSpread;
        _time = time;
        _random = random;
        _logger = logger;
    }

    /// <summary>Takes note of the roots in force: a certificate under one that no longer signs is renewed soon.</summary>
    public void NoteRoots(TrustBundle roots)
    {
        TaskCompletionSource changed;
        lock (_lock)
        {
            _roots = roots;
            Hasten_NeedsLock();
            changed = _rootsChanged;
            _rootsChanged = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        changed.SetResult();
    }

    public async Task<Watched<LeafCertificate>> ReadLeafAsync(ServiceName service, ulong index, CancellationToken cancellationToken)
    {
        if (_readsOthers && index != 0)
        {
            return await _others!.ReadLeafAsync(service, index, cancellationToken).ConfigureAwait(false);
        }

        // From the beginning: after a failure, or a move to another control plane, it may sign what it did not before.
        _readsOthers = false;
        while (true)
        {
            Task changed;
            TimeSpan left;
            LeafCertificate? leaf;
            lock (_lock)
            {
                (leaf, left, changed) = (_leaf, _renewAt - _time.GetUtcNow(), _rootsChanged.Task);
            }

            if (leaf is null || left <= TimeSpan.Zero)
            {
                return await RenewAsync(service, cancellationToken).ConfigureAwait(false);
            }

            if (index != _version)
            {
                return new Watched<LeafCertificate>(leaf, _version);
            }

            await WaitAsync(left < LongestLook ? left : LongestLook, changed, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<Watched<LeafCertificate>> RenewAsync(ServiceName service, CancellationToken cancellationToken)
    {
        X509Certificate2? signing;
        lock (_lock)
        {
            signing = _roots?.SigningRoot;
        }

        using var key = MakeKey();
        var chain = _signer is null
            ? null
            : await _signer.SignAsync(service, WriteRequest(service, key), cancellationToken).ConfigureAwait(false);
        if (chain is null)
        {
            if (_isDemanded || _others is null)
            {
                throw new ControlPlaneException(
                    ControlPlaneFailure.Rejected,
                    "The control plane signs no certificate requests, and Mesh:Identity:SigningRequests is Always. With Auto the private key comes from it.");
            }

            if (_version == 0)
            {
                LogKeyFromControlPlane(_logger, service.Value);
            }

            var read = await _others.ReadLeafAsync(service, 0, cancellationToken).ConfigureAwait(false);
            lock (_lock)
            {
                (_leaf, _readsOthers) = (null, true);
            }

            return read;
        }

        var leaf = Join(service, chain, key);
        var now = _time.GetUtcNow();
        if (leaf.NotAfter <= now)
        {
            // Would be due at once, and again and again: an answer with a pause after it, and the one in force stays.
            var end = leaf.NotAfter;
            leaf.Dispose();
            throw new ControlPlaneException(
                ControlPlaneFailure.Malformed,
                $"The certificate signed for service {service} has ended at {end:O}, before it was here: the clock of this machine or that of its issuer is wrong.");
        }

        lock (_lock)
        {
            var renewIn = (leaf.NotAfter - now) * (EarliestRenewal + ((LatestRenewal - EarliestRenewal) * _random.NextDouble()));
            _renewAt = now + _pace.Renewed(leaf, signing, renewIn);
            _leaf = leaf;
            // The roots may have changed while it was being made.
            Hasten_NeedsLock();
            return new Watched<LeafCertificate>(leaf, ++_version);
        }
    }

    private static LeafCertificate Join(ServiceName service, IReadOnlyList<X509Certificate2> chain, AsymmetricAlgorithm key)
    {
        LeafCertificate leaf;
        try
        {
            leaf = PemReader.JoinLeaf(chain, key);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException or FormatException)
        {
            throw new ControlPlaneException(
                ControlPlaneFailure.Malformed, $"The certificate signed for service {service} is not usable: {e.Message}", e);
        }

        if (leaf.Id.TryGetService(out var owner) && owner.Name == service)
        {
            return leaf;
        }

        var id = leaf.Id;
        leaf.Dispose();
        throw new ControlPlaneException(
            ControlPlaneFailure.Malformed, $"The certificate signed for service {service} is that of {id}.");
    }

    // Names are left to the signer; the subject is for whoever reads logs of requests.
    private static string WriteRequest(ServiceName service, AsymmetricAlgorithm key)
    {
        var name = new X500DistinguishedNameBuilder();
        name.AddCommonName(service.Value[..Math.Min(64, service.Value.Length)]);
        var request = key is ECDsa ecdsa
            ? new CertificateRequest(name.Build(), ecdsa, ecdsa.KeySize > 256 ? HashAlgorithmName.SHA384 : HashAlgorithmName.SHA256)
            : new CertificateRequest(name.Build(), (RSA)key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        return request.CreateSigningRequestPem();
    }

    private AsymmetricAlgorithm MakeKey() => _keyType switch
    {
        LeafKeyType.EcdsaP256 => ECDsa.Create(ECCurve.NamedCurves.nistP256),
        LeafKeyType.EcdsaP384 => ECDsa.Create(ECCurve.NamedCurves.nistP384),
        LeafKeyType.Rsa2048 => RSA.Create(2048),
        LeafKeyType.Rsa3072 => RSA.Create(3072),
        _ => throw new InvalidOperationException($"{_keyType} is no type of key."),
    };

    private void Hasten_NeedsLock()
    {
        if (_leaf is not null && _roots?.SigningRoot is { } signing && !_leaf.IsUnder(signing))
        {
            var pause = _rotationSpread * _random.NextDouble();
            var soon = _time.GetUtcNow() + (pause > _pace.UnderAnotherRoot ? pause : _pace.UnderAnotherRoot);
            _renewAt = soon < _renewAt ? soon : _renewAt;
        }
    }

    private async Task WaitAsync(TimeSpan time, Task changed, CancellationToken cancellationToken)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        // A delay has whole milliseconds; what is less would be none at all, and turn the loop of the caller into a spin.
        time = TimeSpan.FromMilliseconds(Math.Ceiling(time.TotalMilliseconds));
        await Task.WhenAny(changed, Task.Delay(time, _time, over.Token)).ConfigureAwait(false);
        await over.CancelAsync().ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
    }

    [LoggerMessage(
        13, LogLevel.Information,
        "The control plane signs no certificate requests: the private key of service {Service} comes from it, as Consul has it.")]
    private static partial void LogKeyFromControlPlane(ILogger logger, string service);
}
