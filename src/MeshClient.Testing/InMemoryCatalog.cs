using MeshClient.Core;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Discovery;
using MeshClient.Core.Naming;
using MeshClient.Core.Registration;

namespace MeshClient.Testing;

/// <summary>The instances the in-memory control plane knows. Everything here needs the gate's lock.</summary>
internal sealed class InMemoryCatalog(IndexCounter counter)
{
    private readonly List<Entry> _entries = [];
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

    public bool Contains(InstanceId id) => _entries.Exists(entry => entry.Instance.Id == id);

    public void Set(ServiceName service, IReadOnlyList<ServiceInstance> instances)
    {
        _entries.RemoveAll(entry => entry.Instance.Service == service);
        foreach (var instance in instances)
        {
            Put(instance);
        }

        Publish(service);
    }

    public void Put(ServiceInstance instance)
    {
        var entry = _entries.Find(entry => entry.Instance.Id == instance.Id);
        if (entry is null)
        {
            _entries.Add(new Entry { Instance = instance });
            Publish(instance.Service);
            return;
        }

        var before = entry.Instance.Service;
        entry.Instance = instance;
        entry.IsExpired = false;
        Publish(before);
        Publish(instance.Service);
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
        Health = _entries.Find(entry => entry.Instance.Id == registration.Id)?.Instance.Health ?? InstanceHealth.Passing,
    });

    public bool Change(InstanceId id, Action<Entry> change)
    {
        if (_entries.Find(entry => entry.Instance.Id == id) is not { } entry)
        {
            return false;
        }

        change(entry);
        Publish(entry.Instance.Service);
        return true;
    }

    public bool Remove(InstanceId id)
    {
        if (_entries.Find(entry => entry.Instance.Id == id) is not { } entry)
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
