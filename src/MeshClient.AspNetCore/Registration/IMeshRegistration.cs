using MeshClient.Core.Naming;

namespace MeshClient.AspNetCore.Registration;

/// <summary>Where an instance's registration stands.</summary>
public enum RegistrationState
{
    /// <summary>Not tried yet: the app has not started, does not register itself, or has no mesh listener.</summary>
    None,

    /// <summary>Being tried, until the registry takes it.</summary>
    Pending,

    /// <summary>The registry knows it, as far as the last beat told.</summary>
    Registered,

    /// <summary>It has said that it stops, and serves what still comes.</summary>
    Draining,

    /// <summary>It has left the registry, or could not and will be forgotten by it.</summary>
    Ended,
}

/// <summary>This instance's registration, for diagnostics. A singleton of the app's services.</summary>
public interface IMeshRegistration
{
    /// <summary>The id it is registered under; null before the app has started.</summary>
    InstanceId? InstanceId { get; }

    /// <summary>Where it stands.</summary>
    RegistrationState State { get; }
}
