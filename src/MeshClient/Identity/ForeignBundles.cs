using MeshClient.ControlPlane;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Identity;

namespace MeshClient.Identity;

/// <summary>The roots of other trust domains, as far as they could be read; each is kept fresh in the background.</summary>
internal sealed class ForeignBundles(IReadOnlyList<ForeignTrustDomain> domains) : IAsyncDisposable
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, TrustBundle> _bundles = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Exception> _failures = new(StringComparer.Ordinal);
    private readonly List<Watch<TrustBundle>> _watches = [];
    private readonly HashSet<string> _untried = [.. domains.Select(static domain => domain.Name)];
    private Action? _changed;

    /// <summary>
    /// Whether each has been read once, well or badly. They are files, so that is soon so whatever becomes of the control plane.
    /// </summary>
    public bool AreTried
    {
        get
        {
            lock (_lock)
            {
                return _untried.Count == 0;
            }
        }
    }

    /// <summary>Those that could be read.</summary>
    public IReadOnlyList<TrustBundle> Current
    {
        get
        {
            lock (_lock)
            {
                return [.. _bundles.Values];
            }
        }
    }

    /// <summary>Begins to read them; called once.</summary>
    /// <param name="watches">Keeps them fresh.</param>
    /// <param name="changed">Called when there are others, and when <see cref="AreTried"/> has come to hold.</param>
    public void Start(WatchRunner watches, Action changed)
    {
        _changed = changed;
        lock (_lock)
        {
            foreach (var domain in domains)
            {
                _watches.Add(watches.Start(
                    "trust-bundle", domain.Name, (index, token) => ReadAsync(domain, index, token), bundle => Take(domain.Name, bundle, null)));
            }
        }
    }

    /// <summary>Whether a trust domain is one of them.</summary>
    public bool Has(string trustDomain) => domains.Any(domain => domain.Name == trustDomain);

    /// <summary>Why the roots of a trust domain could not be read; null when they could, or it is none of them.</summary>
    public Exception? FailureOf(string trustDomain)
    {
        lock (_lock)
        {
            return _failures.GetValueOrDefault(trustDomain);
        }
    }

    public async ValueTask DisposeAsync()
    {
        List<Watch<TrustBundle>> watches;
        lock (_lock)
        {
            watches = [.. _watches];
        }

        foreach (var watch in watches)
        {
            await watch.DisposeAsync().ConfigureAwait(false);
        }

        foreach (var bundle in Current)
        {
            bundle.Dispose();
        }
    }

    private async Task<Watched<TrustBundle>> ReadAsync(ForeignTrustDomain domain, ulong index, CancellationToken cancellationToken)
    {
        try
        {
            return await domain.Roots.ReadTrustBundleAsync(index, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            Take(domain.Name, null, e);
            throw;
        }
    }

    private void Take(string trustDomain, TrustBundle? bundle, Exception? failure)
    {
        bool isNews;
        lock (_lock)
        {
            isNews = (_untried.Remove(trustDomain) && _untried.Count == 0) || bundle is not null;
            if (bundle is not null)
            {
                _bundles[trustDomain] = bundle;
            }

            // Before anybody is told of it: from then on there is somebody to ask why.
            if (failure is not null)
            {
                _failures[trustDomain] = failure;
            }
            else
            {
                _failures.Remove(trustDomain);
            }
        }

        if (isNews)
        {
            _changed!();
        }
    }
}
