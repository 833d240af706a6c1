using System.Text.Json;
using MeshClient.Server.HealthChecks;

namespace MeshClient.Server.Api;

/// <summary>A check definition as it was written, before it is judged.</summary>
internal sealed class CheckInput
{
    public string CheckId { get; set; } = string.Empty;

    public string Name { get; set; } = string.Empty;

    public string Notes { get; set; } = string.Empty;

    public string ServiceId { get; set; } = string.Empty;

    public string Status { get; set; } = string.Empty;

    public TimeSpan Interval { get; set; }

    public TimeSpan TimeToLive { get; set; }

    public TimeSpan DeregisterAfter { get; set; }

    /// <summary>What the check would have to do beyond waiting for beats, such as <c>HTTP</c>; null for nothing.</summary>
    public string? ActiveKind { get; set; }

    public bool IsScript { get; set; }

    /// <summary>Whether nothing in it says anything; Consul ignores such a check.</summary>
    public bool IsEmpty { get; set; } = true;
}

/// <summary>Reads check definitions.</summary>
internal static class CheckDecoder
{
    /// <summary>Consul acts on no less than this.</summary>
    private static readonly TimeSpan MinDeregisterAfter = TimeSpan.FromMinutes(1);

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
                case "http" or "tcp" or "grpc" or "h2ping" or "udp" or "osservice":
                    check.ActiveKind = field.Text().Length > 0 ? field.Name : check.ActiveKind;
                    break;
                case "aliasnode" or "alias_node" or "aliasservice" or "alias_service":
                    check.ActiveKind = field.Text().Length > 0 ? "alias" : check.ActiveKind;
                    break;
                case "args" or "scriptargs" or "script_args": check.IsScript |= field.Texts().Count > 0; break;
                case "shell" or "dockercontainerid" or "docker_container_id": check.IsScript |= field.Text().Length > 0; break;
                case "timeout": field.Duration(); break;
                case "method" or "body" or "tlsservername" or "tls_server_name" or "token" or "type": field.Text(); break;
                case "header": field.Fields().ToList().ForEach(header => header.Texts()); break;
                case "tlsskipverify" or "tls_skip_verify" or "grpcusetls" or "h2pingusetls" or "tcpusetls" or "disableredirects": field.Flag(); break;
                case "outputmaxsize" or "successbeforepassing" or "success_before_passing" or "failuresbeforecritical"
                    or "failures_before_critical" or "failuresbeforewarning":
                    field.Number(); break;
                case "namespace" or "partition" or "enterprisemeta" or "definition": break;
                default: throw field.Unknown();
            }
        }

        return check;
    }

    /// <summary>Judges a check and gives it its id and name where it has none.</summary>
    /// <exception cref="RequestRefusedException">It is wrong, or of a kind this version does not run.</exception>
    public static CheckDefinition ToDefinition(CheckInput check, string defaultId, string defaultName)
    {
        if (check.IsScript)
        {
            throw RequestRefusedException.Invalid(
                "Scripts are disabled on this agent from remote calls; to enable, configure 'enable_script_checks' to true");
        }

        var problem =
            check.Interval > TimeSpan.Zero && check.TimeToLive > TimeSpan.Zero ? "Interval and TTL cannot both be specified"
            : check.ActiveKind is not (null or "alias") && check.Interval <= TimeSpan.Zero ? "Interval must be > 0 for Script, HTTP, or TCP checks"
            : check.ActiveKind is null && check.TimeToLive <= TimeSpan.Zero ? "TTL must be > 0 for TTL checks"
            : check.ActiveKind is not null ? $"this version of the server runs TTL checks only, no {check.ActiveKind} checks"
            : null;
        if (problem is not null)
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
            check.TimeToLive,
            status,
            check.DeregisterAfter > TimeSpan.Zero ? Max(check.DeregisterAfter, MinDeregisterAfter) : null);
    }

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
