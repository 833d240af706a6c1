using System.Text.Json;
using MeshClient.Core;
using MeshClient.Server.Api.Json;
using MeshClient.Server.HealthChecks;
using MeshClient.Server.Sessions;

namespace MeshClient.Server.Api.Sessions;

/// <summary>Reads the body that begins a session. Keys it does not know are ignored, as in Consul.</summary>
internal static class SessionDecoder
{
    /// <summary>The delay when none is given (Consul's default).</summary>
    private static readonly TimeSpan DefaultLockDelay = TimeSpan.FromSeconds(15);

    /// <summary>A number below this is of seconds, any other of nanoseconds (Consul's rule).</summary>
    private const long FirstNanoseconds = 1000;

    private static readonly TimeSpan MinTimeToLive = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan MaxTimeToLive = TimeSpan.FromHours(24);

    public static SessionRecord Decode(JsonElement element, string node)
    {
        var session = new SessionRecord { Id = Guid.NewGuid().ToString(), Node = node, LockDelay = DefaultLockDelay };
        IReadOnlyList<string>? checks = null;
        IReadOnlyList<string>? nodeChecks = null;
        foreach (var field in JsonField.In(element))
        {
            switch (field.Key)
            {
                case "name": session = session with { Name = field.Text() }; break;
                case "node": session = field.Text() is { Length: > 0 } name ? session with { Node = name } : session; break;
                case "lockdelay": session = session with { LockDelay = LockDelayOf(field) }; break;
                case "behavior": session = session with { Behavior = BehaviorOf(field.Text()) }; break;
                case "ttl": session = WithTimeToLive(session, field.Text()); break;
                case "checks": checks = TextsOf(field); break;
                case "nodechecks": nodeChecks = TextsOf(field); break;
                case "servicechecks": session = session with { ServiceChecks = ServiceChecksOf(field) }; break;
                default: break;
            }
        }

        // What stands in both places counts once; nothing at all stands for the node's sign of life.
        var all = nodeChecks is null && checks is null ? [CheckRecord.NodeAliveId] : (checks ?? []).Concat(nodeChecks ?? []).Distinct(StringComparer.Ordinal);
        return session with { NodeChecks = EquatableArray.From(all) };
    }

    private static IReadOnlyList<string>? TextsOf(JsonField field) =>
        field.Value.ValueKind == JsonValueKind.Null ? null : [.. field.Texts()];

    private static TimeSpan LockDelayOf(JsonField field)
    {
        var delay = field.Value.ValueKind == JsonValueKind.Number && field.Value.TryGetInt64(out var number) && number is > 0 and < FirstNanoseconds
            ? TimeSpan.FromSeconds(number)
            : field.Duration();
        return delay < TimeSpan.Zero ? TimeSpan.Zero : delay;
    }

    private static SessionBehavior BehaviorOf(string text) => text switch
    {
        "" or "release" => SessionBehavior.Release,
        "delete" => SessionBehavior.Delete,
        _ => throw RequestRefusedException.Invalid($"Invalid Behavior setting '{text}'"),
    };

    private static SessionRecord WithTimeToLive(SessionRecord session, string text)
    {
        if (text.Length == 0)
        {
            return session;
        }

        if (!GoDuration.TryParse(text, out var duration, out var problem))
        {
            throw RequestRefusedException.Invalid($"Session TTL '{text}' invalid: {problem}");
        }

        if (duration.Nanoseconds == 0)
        {
            return session with { TimeToLiveText = text };
        }

        return duration.ToTimeSpan() is var ttl && ttl >= MinTimeToLive && ttl <= MaxTimeToLive
            ? session with { TimeToLive = ttl, TimeToLiveText = text }
            : throw RequestRefusedException.Invalid(
                $"Invalid Session TTL '{duration.Nanoseconds}', must be between [{GoDuration.From(MinTimeToLive)}={GoDuration.From(MaxTimeToLive)}]");
    }

    private static EquatableArray<SessionServiceCheck>? ServiceChecksOf(JsonField field)
    {
        if (field.Value.ValueKind == JsonValueKind.Null)
        {
            return null;
        }

        var checks = new List<SessionServiceCheck>();
        foreach (var item in field.Items())
        {
            var (id, space) = (string.Empty, string.Empty);
            foreach (var part in JsonField.In(item, "ServiceChecks"))
            {
                switch (part.Key)
                {
                    case "id": id = part.Text(); break;
                    case "namespace": space = part.Text(); break;
                    default: break;
                }
            }

            checks.Add(new SessionServiceCheck(id, space));
        }

        return EquatableArray.From(checks);
    }
}
