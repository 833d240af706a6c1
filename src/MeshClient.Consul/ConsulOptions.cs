using MeshClient.Core.Identity;

namespace MeshClient.Consul;

/// <summary>How a Consul agent, or a MeshClient.Server, is reached.</summary>
public sealed class ConsulOptions
{
    /// <summary>
    /// The HTTP address of the agent; <c>http</c> or <c>https</c>, a path is kept as a prefix. Default:
    /// <c>http://127.0.0.1:8500</c>. See <see cref="ConsulAddress"/> for the other notations.
    /// </summary>
    public Uri Address { get; set; } = ConsulDefaults.Address;

    /// <summary>
    /// The ACL token; sent as header <c>X-Consul-Token</c> and nowhere else, never logged. Visible ASCII. Default: null,
    /// the agent's own default token holds.
    /// </summary>
    public string? Token { get; set; }

    /// <summary>
    /// A PEM file of the roots that an <c>https</c> agent is known by; read once, when the control plane is made. Its names are
    /// checked all the same. Default: null, the machine's own roots.
    /// </summary>
    public string? CaFile { get; set; }

    /// <summary>
    /// The datacenter whose instances are read. Registration, certificates and intentions are always those of the agent's
    /// own datacenter, where this process runs. Default: null, the agent's own.
    /// </summary>
    public string? Datacenter { get; set; }

    /// <summary>
    /// How long a blocking query may stay open before it is answered unchanged. 1 s to 10 min (Consul's limit); Consul adds
    /// up to a sixteenth. Shortened by the adapter when there are more watches than <see cref="MaxParkedQueries"/>.
    /// Default: 5 min.
    /// </summary>
    public TimeSpan Wait { get; set; } = ConsulDefaults.Wait;

    /// <summary>How long any other call may take. Above 0, at most 10 min. Default: 10 s.</summary>
    public TimeSpan RequestTimeout { get; set; } = ConsulDefaults.RequestTimeout;

    /// <summary>
    /// How many blocking queries, and with them connections, are open at a time; 16 more connections serve everything else.
    /// Further watches take turns, so that each is asked about every 10 s. 1 to 180: Consul resets the 201st connection of a
    /// client address. Default: 64.
    /// </summary>
    public int MaxParkedQueries { get; set; } = ConsulDefaults.MaxParkedQueries;

    /// <summary>What is wrong with the options: one sentence per mistake, none when they are usable. Never names the token.</summary>
    public IReadOnlyList<string> FindProblems()
    {
        var problems = new List<string>();
        if (ConsulAddress.FindProblem(Address) is { } addressProblem)
        {
            problems.Add($"{nameof(Address)} {addressProblem}.");
        }

        if (Token is not null && (Token.Length == 0 || Token.Any(c => c is <= ' ' or > '~')))
        {
            problems.Add($"{nameof(Token)} is empty or has a character that cannot be sent in a header (its value is not shown).");
        }

        if (CaFile is not null && TrustedRoots.FindProblem(CaFile) is { } caProblem)
        {
            problems.Add($"{nameof(CaFile)} {caProblem}.");
        }

        if (Datacenter is not null && (Datacenter.Length == 0 || !Datacenter.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_')))
        {
            problems.Add($"{nameof(Datacenter)} is '{Datacenter}'; a datacenter's name has letters, digits, '-' and '_'.");
        }

        if (Wait < ConsulDefaults.MinWait || Wait > ConsulDefaults.MaxWait)
        {
            problems.Add($"{nameof(Wait)} is {Wait}; it must be {ConsulDefaults.MinWait} to {ConsulDefaults.MaxWait}.");
        }

        if (RequestTimeout <= TimeSpan.Zero || RequestTimeout > ConsulDefaults.MaxWait)
        {
            problems.Add($"{nameof(RequestTimeout)} is {RequestTimeout}; it must be above 0 and at most {ConsulDefaults.MaxWait}.");
        }

        if (MaxParkedQueries is < 1 or > ConsulDefaults.GreatestMaxParkedQueries)
        {
            problems.Add(
                $"{nameof(MaxParkedQueries)} is {MaxParkedQueries}; it must be 1 to {ConsulDefaults.GreatestMaxParkedQueries}.");
        }

        return problems;
    }
}
