using System.Security.Cryptography.X509Certificates;
using MeshClient.Core.Identity;
using MeshClient.Core.Naming;

namespace MeshClient.Testing;

/// <summary>
/// The leaves the in-memory control plane has issued, one per service until it is renewed. Everything here needs the gate's
/// lock.
/// </summary>
internal sealed class InMemoryLeaves(IndexCounter counter, TestCertificateAuthority authority, string datacenter) : IDisposable
{
    private readonly Dictionary<ServiceName, Entry> _entries = [];

    public TimeSpan Lifetime { get; set; } = TestCertificateAuthority.DefaultLeafLifetime;

    public Topic TopicOf(ServiceName service) => EntryOf(service).Topic;

    /// <summary>The leaf, over certificate objects of its own, which the reader owns.</summary>
    public LeafCertificate Read(ServiceName service)
    {
        var entry = EntryOf(service);
        entry.Leaf ??= authority.IssueLeaf(service, datacenter, Lifetime);
        return Copy(entry.Leaf);
    }

    public void Set(ServiceName service, LeafCertificate leaf) => EntryOf(service).Replace(Copy(leaf));

    public void Renew()
    {
        foreach (var entry in _entries.Values)
        {
            entry.Replace(null);
        }
    }

    public void Dispose()
    {
        foreach (var entry in _entries.Values)
        {
            entry.DropLeaf();
        }
    }

    private static LeafCertificate Copy(LeafCertificate leaf) => new(
        new X509Certificate2(leaf.Certificate),
        leaf.Intermediates.Select(certificate => new X509Certificate2(certificate)));

    private Entry EntryOf(ServiceName service)
    {
        if (!_entries.TryGetValue(service, out var entry))
        {
            _entries[service] = entry = new Entry(new Topic(counter));
        }

        return entry;
    }

    private sealed class Entry(Topic topic)
    {
        public Topic Topic => topic;

        public LeafCertificate? Leaf { get; set; }

        public void Replace(LeafCertificate? leaf)
        {
            DropLeaf();
            Leaf = leaf;
            topic.Move();
        }

        public void DropLeaf()
        {
            Leaf?.Certificate.Dispose();
            foreach (var certificate in Leaf?.Intermediates ?? [])
            {
                certificate.Dispose();
            }

            Leaf = null;
        }
    }
}
