using System.Text.Json;
using MeshClient.Core;
using MeshClient.Server.Api.Json;
using MeshClient.Server.HealthChecks;

namespace MeshClient.Server.Api.Agent;

/// <summary>A check definition as it was written, before it is judged.</summary>
internal sealed class CheckInput
{
    public string CheckId { get; set; } = string.Empty;

    public string Name { get; set; } = string.Empty;

    public string Notes { get; set; } = string.Empty;

    public string ServiceId { get; set; } = string.Empty;

    public string Status { get; set; } = string.Empty;

    public TimeSpan Interval { get; set; }

    public TimeSpan Timeout { get; set; }

    public TimeSpan TimeToLive { get; set; }

    public TimeSpan DeregisterAfter { get; set; }

    public string Http { get; set; } = string.Empty;

    public string Method { get; set; } = string.Empty;

    public EquatableArray<ProbeHeader> Headers { get; set; }

    public string Body { get; set; } = string.Empty;

    public string Tcp { get; set; } = string.Empty;

    public string Grpc { get; set; } = string.Empty;

    public bool UseTls { get; set; }

    public bool SkipVerify { get; set; }

    public string ServerName { get; set; } = string.Empty;

    public bool DisableRedirects { get; set; }

    public int OutputMaxSize { get; set; }

    public int SuccessBeforePassing { get; set; }

    public int FailuresBeforeCritical { get; set; }

    public int FailuresBeforeWarning { get; set; }

    public string AliasNode { get; set; } = string.Empty;

    public string AliasService { get; set; } = string.Empty;

    public bool IsScript { get; set; }

    /// <summary>A kind of check of newer versions of Consul that is not run here, such as <c>UDP</c>; null for none.</summary>
    public string? UnknownKind { get; set; }

    /// <summary>Whether nothing in it says anything; Consul ignores such a check.</summary>
    public bool IsEmpty { get; set; } = true;
}

/// <summary>Reads check definitions.</summary>
internal static class CheckDecoder
{
    /// <summary>Consul acts on no less than this.</summary>
    private static readonly TimeSpan MinDeregisterAfter = TimeSpan.FromMinutes(1);

    /// <summary>No interval is longer than a timer can be set for.</summary>
    private static readonly TimeSpan MaxInterval = TimerLimits.Longest;

    /// <summary>No probe runs longer, whatever is asked for: nobody waits that long for an answer.</summary>
    private static readonly TimeSpan MaxTimeout = TimeSpan.FromHours(1);

    public static CheckInput Decode(JsonElement element) => Decode(JsonField.In(element));

    public static CheckInput Decode(IEnumerable<JsonField> fields)
    {
        var check = new CheckInput();
        foreach (var field in fields)
        {
            check.IsEmpty &= !SaysSomething(field.Value);
            switch (field.Key)
            {
                case "id" or "checkid" or "check_id": check.CheckId = field.Text(); break;
                case "name": check.Name = field.Text(); break;
                case "notes": check.Notes = field.Text(); break;
                case "serviceid" or "service_id": check.ServiceId = field.Text(); break;
                case "status": check.Status = field.Text(); break;
                case "interval": check.Interval = field.Duration(); break;
                case "ttl": check.TimeToLive = field.Duration(); break;
                case "deregistercriticalserviceafter" or "deregister_critical_service_after": check.DeregisterAfter = field.Duration(); break;
                case "http": check.Http = field.Text(); break;
                case "tcp": check.Tcp = field.Text(); break;
                case "grpc": check.Grpc = field.Text(); break;
                case "h2ping" or "udp" or "osservice" or "os_service":
                    check.UnknownKind = field.Text().Length > 0 ? field.Name : check.UnknownKind;
                    break;
                case "aliasnode" or "alias_node": check.AliasNode = field.Text(); break;
                case "aliasservice" or "alias_service": check.AliasService = field.Text(); break;
                case "args" or "scriptargs" or "script_args": check.IsScript |= field.Texts().Count > 0; break;
                case "shell" or "dockercontainerid" or "docker_container_id": check.IsScript |= field.Text().Length > 0; break;
                case "timeout": check.Timeout = field.Duration(); break;
                case "method": check.Method = field.Text(); break;
                case "body": check.Body = field.Text(); break;
                case "header":
                    check.Headers = EquatableArray.From(
                        field.Fields().SelectMany(header => header.Texts().Select(value => new ProbeHeader(header.Name, value))));
                    break;
                case "tlsservername" or "tls_server_name": check.ServerName = field.Text(); break;
                case "tlsskipverify" or "tls_skip_verify": check.SkipVerify = field.Flag(); break;
                case "grpcusetls" or "grpc_use_tls" or "tcpusetls" or "tcp_use_tls": check.UseTls |= field.Flag(); break;
                case "disableredirects" or "disable_redirects": check.DisableRedirects = field.Flag(); break;
                case "outputmaxsize" or "output_max_size": check.OutputMaxSize = field.Number(); break;
                case "successbeforepassing" or "success_before_passing": check.SuccessBeforePassing = field.Number(); break;
                case "failuresbeforecritical" or "failures_before_critical": check.FailuresBeforeCritical = field.Number(); break;
                case "failuresbeforewarning" or "failures_before_warning": check.FailuresBeforeWarning = field.Number(); break;
                case "h2pingusetls" or "h2ping_use_tls": field.Flag(); break;
                case "token" or "type": field.Text(); break;
                case "namespace" or "partition" or "enterprisemeta" or "definition": break;
                default: throw field.Unknown();
            }
        }

        return check;
    }

    /// <summary>Judges a check and gives it its id and name where it has none.</summary>
    /// <exception cref="RequestRefusedException">It is wrong, or of a kind this server does not run.</exception>
    public static CheckDefinition ToDefinition(CheckInput check, string defaultId, string defaultName)
    {
        if (check.IsScript)
        {
            throw RequestRefusedException.Invalid(
                "Scripts are disabled on this agent from remote calls; to enable, configure 'enable_script_checks' to true");
        }

        if (FindProblem(check) is { } problem)
        {
            throw RequestRefusedException.Invalid($"Invalid check: {problem}");
        }

        CheckStatus? status = null;
        if (check.Status.Length > 0)
        {
            status = CheckStatusText.TryParse(check.Status, out var given)
                ? given
                : throw RequestRefusedException.Invalid("Status for checks must 'passing', 'warning', 'critical'");
        }

        var id = check.CheckId.Length > 0 ? check.CheckId : defaultId;
        if (id.Length > 512 || id.Any(char.IsControl))
        {
            throw RequestRefusedException.Invalid("Invalid check: an ID has at most 512 characters and no control characters");
        }

        if (CheckRecord.IsServersOwn(id))
        {
            throw RequestRefusedException.Invalid($"Invalid check: the ID \"{id}\" is the server's own");
        }

        return new CheckDefinition(
            id,
            check.Name.Length > 0 ? check.Name : defaultName,
            check.Notes,
            check.TimeToLive > TimeSpan.Zero ? check.TimeToLive : null,
            status,
            check.DeregisterAfter > TimeSpan.Zero ? Max(check.DeregisterAfter, MinDeregisterAfter) : null)
        {
            Probe = ToProbe(check),
            OutputMaxSize = MaxOutput(check),
        };
    }

    private static string? FindProblem(CheckInput check)
    {
        var isAlias = check.AliasNode.Length > 0 || check.AliasService.Length > 0;
        var hasTarget = check.Http.Length > 0 || check.Tcp.Length > 0 || check.Grpc.Length > 0 || check.UnknownKind is not null;
        return check.Interval > TimeSpan.Zero && check.TimeToLive > TimeSpan.Zero ? "Interval and TTL cannot both be specified"
            : hasTarget && check.Interval <= TimeSpan.Zero ? "Interval must be > 0 for Script, HTTP, or TCP checks"
            : !hasTarget && !isAlias && check.TimeToLive <= TimeSpan.Zero ? "TTL must be > 0 for TTL checks"
            : check.UnknownKind is { } kind ? $"this version of the server runs TTL, HTTP, TCP, gRPC and alias checks, no {kind} checks"
            : (hasTarget || check.TimeToLive > TimeSpan.Zero) && isAlias ? "an alias check has no TTL and no target of its own"
            : new[] { check.Http, check.Tcp, check.Grpc }.Count(target => target.Length > 0) > 1 ? "only one of HTTP, TCP and GRPC can be specified"
            : check.OutputMaxSize < 0 ? "OutputMaxSize cannot be negative"
            : check.SuccessBeforePassing < 0 || check.FailuresBeforeCritical < 0 || check.FailuresBeforeWarning < 0
                ? "SuccessBeforePassing, FailuresBeforeCritical and FailuresBeforeWarning cannot be negative"
            : check.FailuresBeforeWarning > 0 && check.FailuresBeforeWarning > Math.Max(check.FailuresBeforeCritical, 1)
                ? "FailuresBeforeWarning can't be higher than FailuresBeforeCritical"
            : check.Timeout < TimeSpan.Zero ? "Timeout cannot be negative"
            : FindTargetProblem(check);
    }

    // Refused here, where somebody reads the answer, and not at each run, where only a log would tell.
    private static string? FindTargetProblem(CheckInput check)
    {
        if (check.Http.Length > 0)
        {
            return !Uri.TryCreate(check.Http, UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https") || url.UserInfo.Length > 0
                ? $"HTTP is \"{check.Http}\", it has to be an absolute URL of http or https"
                : !check.Method.All(IsTokenCharacter) ? $"Method \"{check.Method}\" is not valid"
                : check.Headers.Any(header => header.Name.Length == 0 || !header.Name.All(IsTokenCharacter) || header.Value.Any(char.IsControl))
                    ? "a header has a name or value that is not valid"
                : null;
        }

        return check.Tcp.Length > 0 && !HostPort.TryParse(check.Tcp, out _) ? $"TCP is \"{check.Tcp}\", it has to be host:port"
            : check.Grpc.Length > 0 && !HostPort.TryParse(GrpcProber.Split(check.Grpc).Address, out _)
                ? $"GRPC is \"{check.Grpc}\", it has to be host:port or host:port/service"
            : null;
    }

    // RFC 9110, 5.6.2.
    private static bool IsTokenCharacter(char c) => char.IsAsciiLetterOrDigit(c) || "!#$%&'*+-.^_`|~".Contains(c, StringComparison.Ordinal);

    private static ProbeDefinition? ToProbe(CheckInput check)
    {
        if (check.AliasNode.Length > 0 || check.AliasService.Length > 0)
        {
            return new ProbeDefinition { Type = ProbeDefinition.AliasType, AliasNode = check.AliasNode, AliasService = check.AliasService };
        }

        var (type, target) = check.Http.Length > 0 ? (ProbeDefinition.HttpType, check.Http)
            : check.Tcp.Length > 0 ? (ProbeDefinition.TcpType, check.Tcp)
            : (ProbeDefinition.GrpcType, check.Grpc);
        return target.Length == 0 ? null : new ProbeDefinition
        {
            Type = type,
            Target = target,
            Interval = Min(Max(check.Interval, ProbeDefinition.MinInterval), MaxInterval),
            Timeout = check.Timeout > TimeSpan.Zero ? Min(check.Timeout, MaxTimeout) : ProbeDefinition.DefaultTimeout,
            Method = check.Method.Length > 0 ? check.Method : "GET",
            Headers = check.Headers,
            Body = check.Body,
            UseTls = check.UseTls,
            SkipVerify = check.SkipVerify,
            ServerName = check.ServerName,
            DisableRedirects = check.DisableRedirects,
            OutputMaxSize = MaxOutput(check),
            SuccessBeforePassing = check.SuccessBeforePassing,
            FailuresBeforeCritical = check.FailuresBeforeCritical,
            FailuresBeforeWarning = check.FailuresBeforeWarning,
        };
    }

    private static int MaxOutput(CheckInput check) =>
        check.OutputMaxSize is > 0 and < ProbeDefinition.DefaultOutputMaxSize ? check.OutputMaxSize : ProbeDefinition.DefaultOutputMaxSize;

    private static TimeSpan Min(TimeSpan left, TimeSpan right) => left < right ? left : right;

    private static TimeSpan Max(TimeSpan left, TimeSpan right) => left > right ? left : right;

    private static bool SaysSomething(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.False => false,
        JsonValueKind.String => !value.ValueEquals(string.Empty),
        JsonValueKind.Number => !value.TryGetInt64(out var number) || number != 0,
        JsonValueKind.Array => value.GetArrayLength() > 0,
        JsonValueKind.Object => value.EnumerateObject().Any(),
        _ => true,
    };
}
