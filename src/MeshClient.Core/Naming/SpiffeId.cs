using System.Diagnostics.CodeAnalysis;

namespace MeshClient.Core.Naming;

/// <summary>
/// A SPIFFE id: who a workload is. Read strictly by the rules of the SPIFFE-ID and X509-SVID standards
/// (github.com/spiffe/spiffe, standards): scheme <c>spiffe</c>, at most 2048 bytes, trust domain of
/// <c>a-z 0-9 . - _</c> (an upper-case one is folded, as host names are), no port, user, query or fragment; a path of
/// segments of <c>A-Z a-z 0-9 . - _</c>, none of them empty, <c>.</c> or <c>..</c>. Percent signs are refused, so two
/// different texts can never mean the same path.
/// </summary>
public sealed record SpiffeId
{
    /// <summary>The greatest length of an id, in bytes (SPIFFE-ID, section 2.3).</summary>
    public const int MaxLength = 2048;

    private const string SchemePrefix = "spiffe://";
    private const int MaxTrustDomainLength = 255;
    private const int ServicePathSegments = 6;

    private SpiffeId(string trustDomain, string path)
    {
        TrustDomain = trustDomain;
        Path = path;
    }

    /// <summary>The trust domain, in lower case.</summary>
    public string TrustDomain { get; }

    /// <summary>The path with its leading slash; empty for the id of a trust domain itself.</summary>
    public string Path { get; }

    /// <summary>
    /// The id of a service as Consul shapes it: <c>spiffe://domain/ns/default/dc/dc1/svc/orders</c>.
    /// </summary>
    /// <exception cref="FormatException">A part is not fit for an id.</exception>
    public static SpiffeId ForService(string trustDomain, string datacenter, ServiceName service, string @namespace = "default")
    {
        // Each part is one part: with a slash in it, a datacenter's name could make the id of another service.
        var id = Parse($"{SchemePrefix}{trustDomain}/ns/{@namespace}/dc/{datacenter}/svc/{service.Value}");
        return id.Path.Count(static c => c == '/') == ServicePathSegments
            ? id
            : throw new FormatException("Not a SPIFFE id: the trust domain, namespace or datacenter has a slash in it.");
    }

    /// <summary>Reads an id.</summary>
    /// <exception cref="FormatException">The text is not a SPIFFE id; the message says what is wrong with it.</exception>
    public static SpiffeId Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var problem = Read(text, out var id);
        return id ?? throw new FormatException($"Not a SPIFFE id: {problem}.");
    }

    /// <summary>Reads an id without throwing.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, [NotNullWhen(true)] out SpiffeId? id)
    {
        id = null;
        return text is not null && Read(text, out id) is null;
    }

    /// <summary>
    /// The service this id names, when it has exactly Consul's shape <c>/ns/NAMESPACE/dc/DATACENTER/svc/SERVICE</c>.
    /// </summary>
    public bool TryGetService([NotNullWhen(true)] out SpiffeService? service)
    {
        service = null;
        var parts = Path.Split('/');
        if (parts is ["", "ns", var ns, "dc", var dc, "svc", var name] && ServiceName.TryParse(name, out var serviceName))
        {
            service = new SpiffeService(ns, dc, serviceName);
            return true;
        }

        return false;
    }

    /// <summary>The id as a URI.</summary>
    public override string ToString() => SchemePrefix + TrustDomain + Path;

    private static string? Read(string text, out SpiffeId? id)
    {
        id = null;
        if (text.Length > MaxLength)
        {
            return $"longer than {MaxLength} bytes";
        }

        if (!text.StartsWith(SchemePrefix, StringComparison.OrdinalIgnoreCase))
        {
            return "the scheme is not spiffe";
        }

        var slash = text.IndexOf('/', SchemePrefix.Length);
        var domain = slash < 0 ? text[SchemePrefix.Length..] : text[SchemePrefix.Length..slash];
        var path = slash < 0 ? string.Empty : text[slash..];
        if (domain.Length is 0 or > MaxTrustDomainLength || !domain.All(IsTrustDomainCharacter))
        {
            return "the trust domain is empty, too long or has a character other than a-z 0-9 . - _";
        }

        if (path.Length > 0)
        {
            foreach (var segment in path[1..].Split('/'))
            {
                if (segment is "" or "." or ".." || !segment.All(IsPathCharacter))
                {
                    return "a path segment is empty, a dot segment or has a character other than A-Z a-z 0-9 . - _";
                }
            }
        }

        id = new SpiffeId(domain.ToLowerInvariant(), path);
        return null;
    }

    private static bool IsTrustDomainCharacter(char c) => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_';

    private static bool IsPathCharacter(char c) => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_';
}

/// <summary>The parts of a SPIFFE id that names a service.</summary>
/// <param name="Namespace">The namespace; <c>default</c> outside Consul Enterprise.</param>
/// <param name="Datacenter">The datacenter the workload runs in.</param>
/// <param name="Name">The service.</param>
public sealed record SpiffeService(string Namespace, string Datacenter, ServiceName Name);
