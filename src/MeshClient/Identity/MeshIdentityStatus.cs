using MeshClient.Core.Naming;

namespace MeshClient.Identity;

/// <summary>How this process's certificate is.</summary>
public enum MeshIdentityState
{
    /// <summary>There can be none: no service name, or nobody who issues certificates.</summary>
    None,

    /// <summary>There is none yet: nobody has needed it, or it could not be had so far.</summary>
    Pending,

    /// <summary>It is valid.</summary>
    Valid,

    /// <summary>It is valid, and should have been renewed: less than a tenth of its life is left.</summary>
    Overdue,

    /// <summary>It has ended. Peers refuse this process.</summary>
    Expired,
}

/// <summary>How this process's certificate is at one moment.</summary>
/// <param name="State">In a word.</param>
/// <param name="Id">Who it says this process is; null while there is none.</param>
/// <param name="NotAfter">Until when it is valid; null while there is none.</param>
/// <param name="Problem">Why there is no newer one, as the last attempt ended; null when nothing has failed. Holds no secrets.</param>
public sealed record MeshIdentityStatus(MeshIdentityState State, SpiffeId? Id, DateTimeOffset? NotAfter, string? Problem);

/// <summary>Tells how this process's certificate is. Taken from the container after <c>AddMeshClient()</c>.</summary>
public sealed class MeshIdentityMonitor
{
    private readonly MeshIdentity _identity;
    private readonly TimeProvider _time;

    internal MeshIdentityMonitor(MeshIdentity identity, TimeProvider time)
    {
        _identity = identity;
        _time = time;
    }

    /// <summary>How it is now. Asks nobody for a certificate.</summary>
    public MeshIdentityStatus Current
    {
        get
        {
            var problem = _identity.LastFailure?.Message;
            if (_identity.Current?.Leaf is not { } leaf)
            {
                return new MeshIdentityStatus(_identity.IsConfigured ? MeshIdentityState.Pending : MeshIdentityState.None, null, null, problem);
            }

            var now = _time.GetUtcNow();
            var state = now > leaf.NotAfter ? MeshIdentityState.Expired
                : now >= new CertificateSpan(leaf.NotBefore, leaf.NotAfter).At(ExpiryWarner.Overdue) ? MeshIdentityState.Overdue
                : MeshIdentityState.Valid;
            return new MeshIdentityStatus(state, leaf.Id, leaf.NotAfter, problem);
        }
    }
}
