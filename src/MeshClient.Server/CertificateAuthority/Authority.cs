using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using MeshClient.Core.Identity;
using MeshClient.Core.Naming;
using MeshClient.Server.Api;
using MeshClient.Server.Api.Json;
using MeshClient.Server.Hosting;
using MeshClient.Server.State;
using Microsoft.Extensions.Logging;

namespace MeshClient.Server.CertificateAuthority;

/// <summary>
/// Issues the certificates of the mesh. One leaf per service is kept and handed to all who ask, as a Consul agent does.
/// </summary>
/// <remarks>
/// Renewal has no timers of its own: a leaf is renewed when somebody asks for it, or waits for it, past its moment, and one
/// that nobody waits for goes away some time after it has expired. The moment is drawn when the leaf is made: between 60 % and
/// 90 % of its life (Consul's range), and after a rotation of the root somewhere within the configured spread, so that a
/// mesh does not renew all at once.
/// </remarks>
internal sealed class Authority(StateStore store, MeshServerOptions options, TimeProvider time, ILogger<Authority> logger)
{
    private const double EarliestRenewal = 0.6;
    private const double LatestRenewal = 0.9;
    private const int FewLeaves = 1024;

    private readonly SigningLimit _limit = new(time);

    // One lock for some of the names each: two callers of one service get one certificate, and names cannot pile up locks.
    private readonly SemaphoreSlim[] _issuing = [.. Enumerable.Range(0, 32).Select(_ => new SemaphoreSlim(1, 1))];
    private int _sweepAt = FewLeaves;

    /// <summary>Makes sure there is an authority before anything is served.</summary>
    public void Initialize()
    {
        var lifetime = options.LeafCertificateLifetime;
        if (store.Current.Authority is not { } authority)
        {
            var trustDomain = $"{Guid.NewGuid()}.consul";
            var (root, key) = RootFactory.Create(trustDomain, CaRoot.EllipticType, 256, time.GetUtcNow());
            store.Apply(new InitializeAuthority(trustDomain, root, key, WithLifetime(lifetime ?? MeshServerDefaults.LeafCertificateLifetime)));
            Log.RootCreated(logger, store.Current.Authority!.Active.Id, trustDomain);
        }
        else if (lifetime is { } wanted && wanted != authority.Configuration.LeafLifetime)
        {
            Configure(authority.Configuration with { LeafLifetime = wanted, LeafLifetimeText = GoDuration.From(wanted).ToString() }, null);
        }
    }

    /// <summary>The certificate of a service.</summary>
    /// <param name="service">The service.</param>
    /// <param name="onlyWhenDue">
    /// True for a caller who waits for the next one: it is made when it is due. False for one who wants a good one now: it is
    /// also made when the present one is of a root that no longer signs.
    /// </param>
    /// <param name="caller">Who asks, for the log.</param>
    /// <param name="cancellationToken">Ends the wait for another caller's certificate of the service.</param>
    public async ValueTask<LeafRecord> GetLeafAsync(
        ServiceName service, bool onlyWhenDue, LeafRequester caller, CancellationToken cancellationToken)
    {
        if (FindGood(service, onlyWhenDue) is { } leaf)
        {
            return leaf;
        }

        var gate = _issuing[(uint)string.GetHashCode(service.Value, StringComparison.Ordinal) % _issuing.Length];
        await gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return FindGood(service, onlyWhenDue) ?? await IssueAsync(service, caller).ConfigureAwait(false);
        }
        finally
        {
            gate.Release();
        }
    }

    /// <summary>When the next certificate of a service is due.</summary>
    public DateTimeOffset DueAt(LeafRecord leaf)
    {
        var authority = store.Current.Authority!;
        if (leaf.RootId == authority.Active.Id)
        {
            return leaf.RenewAt;
        }

        var afterRotation = (authority.RotatedAt ?? DateTimeOffset.MinValue) + (options.RotationSpread * leaf.Spread);
        return afterRotation < leaf.RenewAt ? afterRotation : leaf.RenewAt;
    }

    /// <summary>Signs a request for a certificate, so that the key stays with the caller. Nothing of it is kept.</summary>
    /// <exception cref="RequestRefusedException">The request cannot be read, or its key is too weak.</exception>
    public LeafRecord Sign(ServiceName service, string requestPem, LeafRequester caller)
    {
        // First, so that nobody can take the processor away with requests that are no good.
        using var permit = TakeFromLimit();
        var key = SigningRequest.ReadKey(requestPem);
        return Certify(service, key, string.Empty, caller) with { Index = store.Current.Index };
    }

    /// <summary>Changes the configuration and, with a root or another kind of key, rotates.</summary>
    /// <param name="configuration">What it is from now on.</param>
    /// <param name="root">A root that was brought along, with its key; null: none.</param>
    /// <param name="withoutCrossSigning">
    /// Whether the present root is not to sign the next one. Members that have not seen the new roots yet then refuse new leaves.
    /// </param>
    public void Configure(CaConfiguration configuration, (string RootPem, string PrivateKeyPem)? root, bool withoutCrossSigning = false)
    {
        var authority = store.Current.Authority!;
        var now = time.GetUtcNow();
        var active = authority.Active;
        if (root is { } given)
        {
            RootFactory.Check(given.RootPem, given.PrivateKeyPem, now);
            using var certificate = X509Certificate2.CreateFromPem(given.RootPem);
            if (certificate.RawData.AsSpan().SequenceEqual(active.Signer.RawData))
            {
                root = null;
            }
        }
        else
        {
            var type = configuration.PrivateKeyType ?? active.PrivateKeyType;
            var bits = configuration.PrivateKeyBits ?? (type == active.PrivateKeyType ? active.PrivateKeyBits : RootFactory.DefaultBits(type));
            if (type != active.PrivateKeyType || bits != active.PrivateKeyBits)
            {
                root = RootFactory.Create(authority.TrustDomain, type, bits, now);
            }
        }

        var replacement = root is { } next
            ? new RootReplacement(next.RootPem, next.PrivateKeyPem, withoutCrossSigning ? [] : RootFactory.Bridge(next.RootPem, active, authority.TrustDomain, now))
            : null;
        if (replacement is not null && configuration is not { PrivateKeyType: null, PrivateKeyBits: null })
        {
            // A root that was brought along may have another key than was asked for before; the next change must not bring that back.
            using var certificate = X509Certificate2.CreateFromPem(replacement.RootPem);
            configuration = configuration with { PrivateKeyType = CaRoot.KeyTypeOf(certificate), PrivateKeyBits = CaRoot.KeyBitsOf(certificate) };
        }

        store.Apply(new ConfigureAuthority(configuration, replacement, active.Id, now));
        if (replacement is not null)
        {
            Log.RootReplaced(logger, active.Id, store.Current.Authority!.Active.Id);
        }
    }

    private static CaConfiguration WithLifetime(TimeSpan lifetime) => new()
    {
        LeafLifetime = lifetime,
        LeafLifetimeText = lifetime == MeshServerDefaults.LeafCertificateLifetime ? "72h" : GoDuration.From(lifetime).ToString(),
    };

    private LeafRecord? FindGood(ServiceName service, bool onlyWhenDue)
    {
        var state = store.Current;
        if (!state.Leaves.TryGetValue(service.Value, out var leaf) || DueAt(leaf) <= time.GetUtcNow())
        {
            return null;
        }

        return onlyWhenDue || leaf.RootId == state.Authority!.Active.Id ? leaf : null;
    }

    private async Task<LeafRecord> IssueAsync(ServiceName service, LeafRequester caller)
    {
        using var permit = TakeFromLimit();
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var leaf = Certify(service, new PublicKey(key), key.ExportECPrivateKeyPem() + "\n", caller);
        var state = await store.ApplyAsync(new StoreLeaf(leaf, FindExpired(leaf.Service))).ConfigureAwait(false);
        return state.Leaves[leaf.Service];
    }

    private SigningLimit.Permit TakeFromLimit()
    {
        var configuration = store.Current.Authority!.Configuration;
        return _limit.Take(configuration.MaxSignedPerSecond ?? options.MaxLeavesPerSecond, configuration.MaxSignedConcurrently);
    }

    private LeafRecord Certify(ServiceName service, PublicKey key, string privateKeyPem, LeafRequester caller)
    {
        var authority = store.Current.Authority!;
        var root = authority.Active;
        var now = time.GetUtcNow();
        var id = SpiffeId.ForService(authority.TrustDomain, options.Datacenter, service);
        using var certificate = CertificateIssuer.IssueLeaf(
            key, id, CertificateIssuer.LeafCommonName(service, authority.TrustDomain), root.Signer, now, IssuedLifetime(authority, now));
        var end = new DateTimeOffset(certificate.NotAfter.ToUniversalTime());
        var spread = RandomNumberGenerator.GetInt32(int.MaxValue) / (double)int.MaxValue;
        var leaf = new LeafRecord
        {
            Service = service.Value,
            ServiceUri = id.ToString(),
            SerialNumber = Pem.Colons(Convert.FromHexString(certificate.SerialNumber)),
            CertificatePem = Pem.Of(certificate) + string.Concat(RootFactory.StillValid(root.IntermediatePems, now)),
            PrivateKeyPem = privateKeyPem,
            RootId = root.Id,
            ValidAfter = new DateTimeOffset(certificate.NotBefore.ToUniversalTime()),
            ValidBefore = end,
            RenewAt = now + ((end - now) * (EarliestRenewal + ((LatestRenewal - EarliestRenewal) * spread))),
            Spread = spread,
        };
        Log.LeafIssued(logger, leaf.SerialNumber, leaf.Service, end.UtcDateTime.ToString("O", CultureInfo.InvariantCulture), caller.Address, caller.AccessorId);
        return leaf;
    }

    // The life counts from the backdated beginning, as Consul's does. Lives that Consul would not allow, for tests, count from
    // now and up to a full second, because a certificate's times are whole seconds: they would have ended before they began.
    private static TimeSpan IssuedLifetime(AuthorityState authority, DateTimeOffset now)
    {
        var lifetime = authority.Configuration.LeafLifetime;
        if (lifetime >= CaConfiguration.MinLeafLifetime)
        {
            return lifetime;
        }

        var pastSecond = TimeSpan.FromTicks((now + lifetime).Ticks % TimeSpan.TicksPerSecond);
        var toFullSecond = pastSecond == TimeSpan.Zero ? TimeSpan.Zero : TimeSpan.FromSeconds(1) - pastSecond;
        return CertificateIssuer.Backdating + lifetime + toFullSecond;
    }

    private ImmutableArray<string> FindExpired(string except)
    {
        var leaves = store.Current.Leaves;
        if (leaves.Count < Volatile.Read(ref _sweepAt))
        {
            return [];
        }

        var now = time.GetUtcNow();
        ImmutableArray<string> expired = [.. leaves.Values.Where(leaf => leaf.ValidBefore <= now && leaf.Service != except).Select(leaf => leaf.Service)];
        Volatile.Write(ref _sweepAt, Math.Max(FewLeaves, 2 * (leaves.Count - expired.Length)));
        return expired;
    }
}
