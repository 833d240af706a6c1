using MeshClient.Core;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Discovery;
using MeshClient.Core.Naming;
using MeshClient.Core.Registration;

namespace MeshClient.Testing;

/// <summary>The instances the in-memory control plane knows. Everything here needs the gate's lock.</summary>
internal sealed class InMemoryCatalog(IndexCounter counter)
{
    // In the order they came, which is the order they are read in.
    private readonly List<Entry> _entries = [];
    private readonly Dictionary<InstanceId, Entry> _byId = [];
    private readonly Dictionary<ServiceName, Topic> _topics = [];
    private readonly Dictionary<ServiceName, ServiceSnapshot> _published = [];

    public Topic TopicOf(ServiceName service)
    {
        if (!_topics.TryGetValue(service, out var topic))
        {
            _topics[service] = topic = new Topic(counter);
        }

        return topic;
    }

    public ServiceSnapshot Read(ServiceName service) =>
        new(service, EquatableArray.From(_entries.Where(entry => entry.Instance.Service == service).Select(entry => entry.Published)));

    public bool Contains(InstanceId id) => _byId.ContainsKey(id);

    public void Set(ServiceName service, IReadOnlyList<ServiceInstance> instances)
    {
        _entries.RemoveAll(entry => entry.Instance.Service == service && _byId.Remove(entry.Instance.Id));
        var touched = new HashSet<ServiceName> { service };
        foreach (var instance in instances)
        {
            PutUnpublished(instance, touched);
        }

        Publish(touched);
    }

    public void Put(ServiceInstance instance)
    {
        var touched = new HashSet<ServiceName>();
        PutUnpublished(instance, touched);
        Publish(touched);
    }

    // Health that a test has set stays: a registration renews only its own check.
    public void Register(InstanceRegistration registration, string datacenter) => Put(new ServiceInstance
    {
        Id = registration.Id,
        Service = registration.Service,
        ExpectedService = registration.Service,
        Datacenter = datacenter,
        Endpoints = registration.Endpoints,
        Zone = registration.Meta.GetValueOrDefault(ServiceInstance.ZoneMetaKey),
        Weight = registration.Weight,
        Tags = registration.Tags,
        Meta = registration.Meta,
        Health = _byId.GetValueOrDefault(registration.Id)?.Instance.Health ?? InstanceHealth.Passing,
    });

    public bool Change(InstanceId id, Action<Entry> change)
    {
        if (!_byId.TryGetValue(id, out var entry))
        {
            return false;
        }

        change(entry);
        Publish(entry.Instance.Service);
        return true;
    }

    public bool Remove(InstanceId id)
    {
        if (!_byId.Remove(id, out var entry))
        {
            return false;
        }

        _entries.Remove(entry);
        Publish(entry.Instance.Service);
        return true;
    }

    public void Clear()
    {
        var services = _entries.Select(entry => entry.Instance.Service).ToHashSet();
        _entries.Clear();
        _byId.Clear();
        Publish(services);
    }

    private void PutUnpublished(ServiceInstance instance, HashSet<ServiceName> touched)
    {
        touched.Add(instance.Service);
        if (!_byId.TryGetValue(instance.Id, out var entry))
        {
            _byId.Add(instance.Id, entry = new Entry { Instance = instance });
            _entries.Add(entry);
            return;
        }

        touched.Add(entry.Instance.Service);
        entry.Instance = instance;
        entry.IsExpired = false;
    }

    private void Publish(IEnumerable<ServiceName> services)
    {
        foreach (var service in services)
        {
            Publish(service);
        }
    }

    // What comes out the same wakes nobody, as in Consul.
    private void Publish(ServiceName service)
    {
        var snapshot = Read(service);
        if (!_published.TryGetValue(service, out var before) || before != snapshot)
        {
            _published[service] = snapshot;
            TopicOf(service).Move();
        }
    }

    internal sealed class Entry
    {
        public required ServiceInstance Instance { get; set; }

        public bool IsExpired { get; set; }

        public bool IsInMaintenance { get; set; }

        public ServiceInstance Published =>
            IsExpired || IsInMaintenance ? Instance with { Health = InstanceHealth.Critical } : Instance;
    }
}
