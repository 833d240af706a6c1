using MeshClient.Core.Intentions;

namespace MeshClient.AspNetCore.Configuration;

/// <summary>
/// How an app is called by the mesh. Read from the section <c>Mesh:Inbound</c> of the configuration, then from code. Keys that
/// are not known are errors at start, as are all values out of range, reported together.
/// </summary>
public sealed class MeshInboundOptions
{
    /// <summary>The configuration section's name.</summary>
    public const string SectionName = "Mesh:Inbound";

    /// <summary>
    /// Whether the app is called through the mesh at all. False: no mesh listener, no registration and <b>no enforcement</b>;
    /// meant for running an app alone on a developer's machine, and said in a warning at every start. Default: true.
    /// </summary>
    public bool Enabled { get; set; } = true;

    /// <summary>
    /// Where the mesh listener listens: <c>address:port</c> with an IP address, <c>*</c> (every interface) or
    /// <c>localhost</c>; port 0 takes a free one. Other listeners of the app (its URLs, its Kestrel endpoints) stay as they
    /// are; an app that has none serves on the mesh listener only. Default: <see cref="MeshInboundDefaults.Address"/>.
    /// </summary>
    public string Address { get; set; } = MeshInboundDefaults.Address;

    /// <summary>
    /// How long a TLS handshake may take; the connection is closed then. 100 ms to 5 min. Default:
    /// <see cref="MeshInboundDefaults.HandshakeTimeout"/>.
    /// </summary>
    public TimeSpan HandshakeTimeout { get; set; } = MeshInboundDefaults.HandshakeTimeout;

    /// <summary>
    /// How long the start waits for this service's certificate and intentions. Without a certificate the app then does not
    /// start; without intentions it starts and refuses every call until they arrive. 100 ms to 1 hour. Default:
    /// <see cref="MeshInboundDefaults.StartTimeout"/>.
    /// </summary>
    public TimeSpan StartTimeout { get; set; } = MeshInboundDefaults.StartTimeout;

    /// <summary>
    /// What happens to a call about which no intention says anything. Null: what the control plane says; where it says
    /// nothing, calls are allowed in the host environment <c>Development</c> and denied in every other. Default: null.
    /// </summary>
    public IntentionAction? DefaultAction { get; set; }

    /// <summary>
    /// What may be called without a peer identity, over a listener that is not the mesh's, such as health probes: names of
    /// endpoints as given by <c>WithName</c>, or exact paths, which begin with a slash and are compared with case. An
    /// endpoint can say the same of itself by <c>AllowWithoutMesh()</c>. Calls over the mesh listener are always decided by
    /// intentions. Default: none.
    /// </summary>
    public IList<string> ExemptEndpoints { get; set; } = [];

    /// <summary>
    /// Whether the rules about callers are in force, or only tried. A single intention can be tried by its own mode. Default:
    /// <see cref="MeshInboundMode.Enforce"/>.
    /// </summary>
    public MeshInboundMode Mode { get; set; }

    /// <summary>
    /// Who may call which endpoint, by a name of your choice for each rule. Like those the code sets by <c>RequireMeshPeer</c> and
    /// <c>[MeshAllow]</c>, and beside them, they narrow what intentions allow. A rule for an endpoint the app does not have is an
    /// error at start. Default: none.
    /// </summary>
    public Dictionary<string, MeshInboundRuleOptions> Rules { get; set; } = [];

    /// <summary>
    /// The authentication scheme of the app by which the tokens of a provider are verified, by the provider's name in intentions
    /// (compared with case). Default: the scheme that is called like the provider. A provider without a scheme has no tokens, so
    /// what asks for them is not allowed.
    /// </summary>
    public Dictionary<string, string> Passports { get; set; } = [];

    /// <summary>
    /// Headers of requests that a single call made for them may take along by <c>MeshRequestOptions.Forward</c>, beyond those that
    /// <c>Forward</c> of <c>Mesh:Defaults</c> and <c>Mesh:Destinations</c> names; <c>authorization</c> stands for the user's
    /// token. Default: none.
    /// </summary>
    public IList<string> ForwardableHeaders { get; set; } = [];

    /// <summary>Whether and to whom the app tells what its rules are.</summary>
    public MeshInboundDiagnosticsOptions Diagnostics { get; set; } = new();

    /// <summary>Until when requests are of use to their callers.</summary>
    public MeshInboundDeadlineOptions Deadline { get; set; } = new();

    /// <summary>
    /// A program on this machine that this process stands in front of. With it the mesh port is one for raw connections, which are
    /// handed on. Default: none.
    /// </summary>
    public MeshExposeOptions Expose { get; set; } = new();

    /// <summary>What keeps the app from more requests than it can serve. Default: nothing is limited.</summary>
    public MeshInboundOverloadOptions Overload { get; set; } = new();
}
