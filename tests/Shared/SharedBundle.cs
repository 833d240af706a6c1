using System.Security.Cryptography.X509Certificates;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Identity;
using MeshClient.Testing;

namespace MeshClient.TestSupport;

/// <summary>The roots of several authorities as one bundle.</summary>
internal sealed class SharedBundle : ITrustBundleSource
{
    private readonly Lock _lock = new();
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TestCertificateAuthority[] _authorities = [];
    private ulong _index;

    public void Set(params TestCertificateAuthority[] authorities)
    {
        lock (_lock)
        {
            (_authorities, _index) = (authorities, _index + 1);
            _changed.TrySetResult();
            _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    public async Task<Watched<TrustBundle>> ReadTrustBundleAsync(ulong index, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task changed;
            lock (_lock)
            {
                if (index != _index)
                {
                    return new Watched<TrustBundle>(
                        new TrustBundle(
                            _authorities[0].TrustDomain,
                            _authorities.SelectMany(one => one.Bundle.Roots).Select(root => X509CertificateLoader.LoadCertificate(root.RawData))),
                        _index);
                }

                changed = _changed.Task;
            }

            await changed.WaitAsync(cancellationToken);
        }
    }
}
