using MeshClient.Core.ControlPlane;
using MeshClient.Core.Discovery;
using MeshClient.Core.Identity;
using MeshClient.Core.Intentions;
using MeshClient.Core.Naming;
using MeshClient.Core.Registration;

namespace MeshClient.Testing;

// What a test turns: the content, and the troubles.
public sealed partial class InMemoryControlPlane
{
    /// <summary>Makes these the instances of a service, and no others.</summary>
    /// <exception cref="ArgumentException">One belongs to another service.</exception>
    public void SetInstances(ServiceName service, params IReadOnlyList<ServiceInstance> instances)
    {
        ArgumentNullException.ThrowIfNull(instances);
        if (instances.FirstOrDefault(instance => instance.Service != service) is { } stranger)
        {
            throw new ArgumentException($"'{stranger.Id}' is an instance of '{stranger.Service}'.", nameof(instances));
        }

        _gate.Change(() => _catalog.Set(service, instances));
    }

    /// <summary>Adds an instance, or replaces the one with its id.</summary>
    public void AddInstance(ServiceInstance instance)
    {
        ArgumentNullException.ThrowIfNull(instance);
        _gate.Change(() => _catalog.Put(instance));
    }

    /// <summary>Adds a passing instance with one endpoint and the id <c>service-host-port</c>.</summary>
    /// <param name="service">The service.</param>
    /// <param name="host">Where it serves.</param>
    /// <param name="port">At which port.</param>
    /// <param name="security">How it is called. Default: mutual TLS.</param>
    /// <returns>The instance.</returns>
    public ServiceInstance AddInstance(ServiceName service, string host, int port, InstanceSecurity security = InstanceSecurity.Mesh)
    {
        var instance = new ServiceInstance
        {
            Id = new InstanceId($"{service}-{host}-{port}"),
            Service = service,
            ExpectedService = service,
            Datacenter = Datacenter,
            Endpoints = [new InstanceEndpoint(null, host, port, security)],
        };
        AddInstance(instance);
        return instance;
    }

    /// <summary>Takes an instance away, as when it was deregistered.</summary>
    /// <exception cref="ArgumentException">There is none with that id.</exception>
    public void RemoveInstance(InstanceId instance) => ChangeKnown(instance, () => _catalog.Remove(instance));

    /// <summary>
    /// Loses an instance, as a registry that was restored does: it is not listed, and its next heartbeat is answered with
    /// <see cref="HeartbeatResult.UnknownInstance"/>.
    /// </summary>
    /// <exception cref="ArgumentException">There is none with that id.</exception>
    public void ForgetInstance(InstanceId instance) => RemoveInstance(instance);

    /// <summary>Loses all instances, as a registry that was restarted empty does.</summary>
    public void ForgetAllInstances() => _gate.Change(_catalog.Clear);

    /// <summary>
    /// Sets what the checks other than the heartbeat say of an instance. A heartbeat or registration does not undo it.
    /// </summary>
    /// <exception cref="ArgumentException">There is none with that id.</exception>
    public void SetHealth(InstanceId instance, InstanceHealth health) => ChangeKnown(
        instance, () => _catalog.Change(instance, entry => entry.Instance = entry.Instance with { Health = health }));

    /// <summary>Lets an instance's time to live run out: it is critical until its next heartbeat or registration.</summary>
    /// <exception cref="ArgumentException">There is none with that id.</exception>
    public void Expire(InstanceId instance) =>
        ChangeKnown(instance, () => _catalog.Change(instance, entry => entry.IsExpired = true));

    /// <summary>Makes these the intentions about a destination; those about any destination stay.</summary>
    /// <param name="destination">The destination.</param>
    /// <param name="defaultAction">What holds for it when none matches; null: the control plane does not say.</param>
    /// <param name="intentions">The intentions.</param>
    /// <exception cref="ArgumentException">One has another destination.</exception>
    public void SetIntentions(
        ServiceName destination, IntentionAction? defaultAction, params IReadOnlyList<Intention> intentions)
    {
        ArgumentNullException.ThrowIfNull(intentions);
        if (intentions.FirstOrDefault(intention => intention.Destination != destination.Value) is { } stranger)
        {
            throw new ArgumentException($"'{stranger.Id}' is about '{stranger.Destination}'.", nameof(intentions));
        }

        _gate.Change(() => _intentions.Set(destination, defaultAction, intentions));
    }

    /// <summary>
    /// Sets what holds for every destination when no intention matches; null: the control plane does not say. At first: deny.
    /// </summary>
    public void SetDefaultAction(IntentionAction? action) => _gate.Change(() => _intentions.SetDefault(action));

    /// <summary>Allows a source to call a destination, in place of what held for just this pair.</summary>
    /// <param name="source">A service, or <c>*</c>.</param>
    /// <param name="destination">A service, or <c>*</c>.</param>
    public void Allow(string source, string destination) => Put(source, destination, IntentionAction.Allow);

    /// <summary>Denies a source to call a destination, in place of what held for just this pair.</summary>
    /// <param name="source">A service, or <c>*</c>.</param>
    /// <param name="destination">A service, or <c>*</c>.</param>
    public void Deny(string source, string destination) => Put(source, destination, IntentionAction.Deny);

    /// <summary>Removes the intention about just this pair, if there is one.</summary>
    public void RemoveIntention(string source, string destination) =>
        _gate.Change(() => _intentions.Remove(source, destination));

    /// <summary>
    /// Makes a new root, which signs from now on, and renews every leaf. See <see cref="TestCertificateAuthority.Rotate"/>.
    /// </summary>
    /// <param name="crossSign">Whether the new leaves come with the new root signed by the old one. Default: true.</param>
    public void RotateRoots(bool crossSign = true) => _gate.Change(() =>
    {
        Authority.Rotate(crossSign);
        _bundle.Move();
        _leaves.Renew();
    });

    /// <summary>Stops trusting all roots but the signing one. See <see cref="TestCertificateAuthority.RetireOldRoots"/>.</summary>
    public void RetireOldRoots() => _gate.Change(() =>
    {
        Authority.RetireOldRoots();
        _bundle.Move();
    });

    /// <summary>Issues every leaf anew.</summary>
    public void RenewLeaves() => _gate.Change(_leaves.Renew);

    /// <summary>Makes this the leaf of a service, until it is renewed. A copy is taken.</summary>
    public void SetLeaf(ServiceName service, LeafCertificate leaf)
    {
        ArgumentNullException.ThrowIfNull(leaf);
        _gate.Change(() => _leaves.Set(service, leaf));
    }

    /// <summary>Makes all calls fail, waiting ones too, until it is called with null.</summary>
    /// <param name="failure">How they fail; each call gets a new exception of this content. Null: they work again.</param>
    public void FailWith(ControlPlaneException? failure) => _gate.FailWith(failure);

    /// <summary>Makes all calls hang, also reads that have an answer, until <see cref="Release"/> or their cancellation.</summary>
    public void Stall() => _gate.Stall(true);

    /// <summary>Ends <see cref="Stall"/>: what has hung is answered.</summary>
    public void Release() => _gate.Stall(false);

    /// <summary>Answers the reads that wait for news with what they know, as a control plane does at the end of its wait.</summary>
    public void EndWaits() => _gate.Change(() => _endedWaits++);

    private void Put(string source, string destination, IntentionAction action)
    {
        var intention = new Intention
        {
            Id = $"{Checked(source)}->{Checked(destination)}",
            Source = source,
            Destination = destination,
            Action = action,
        };
        _gate.Change(() => _intentions.Put(intention));
    }

    private static string Checked(string name) => name == Intention.Wildcard ? name : ServiceName.Parse(name).Value;

    private void ChangeKnown(InstanceId instance, Func<bool> change)
    {
        var known = false;
        _gate.Change(() => known = change());
        if (!known)
        {
            throw new ArgumentException($"There is no instance '{instance}'.", nameof(instance));
        }
    }
}
