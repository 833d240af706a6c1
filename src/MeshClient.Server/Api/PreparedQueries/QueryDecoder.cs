using System.Text.Json;
using MeshClient.Core;
using MeshClient.Server.Api.Json;
using MeshClient.Server.PreparedQueries;

namespace MeshClient.Server.Api.PreparedQueries;

/// <summary>Reads prepared queries.</summary>
internal static class QueryDecoder
{
    /// <summary>Reads a query; its id is the one the body names, or empty.</summary>
    /// <exception cref="JsonDecodeException">It cannot be read.</exception>
    /// <exception cref="RequestRefusedException">It asks for what there is not here.</exception>
    public static PreparedQuery Decode(JsonElement element)
    {
        if (element.ValueKind is JsonValueKind.Array or JsonValueKind.Number or JsonValueKind.String)
        {
            throw new JsonDecodeException(
                $"json: cannot unmarshal {element.ValueKind.ToString().ToLowerInvariant()} into Go value of type structs.PreparedQuery");
        }

        var query = new PreparedQuery { Id = string.Empty, Name = string.Empty, Service = string.Empty };
        foreach (var field in JsonField.In(element))
        {
            switch (field.Key)
            {
                case "id": query = query with { Id = field.Text() }; break;
                case "name": query = query with { Name = field.Text() }; break;
                case "service": query = DecodeService(field, query); break;
                case "dns": query = DecodeDns(field, query); break;
                case "session": RefuseIfSet(field, "a query lives until it is deleted, and not as long as a session"); break;
                case "token": RefuseIfSet(field, "a query is executed with the rights of its caller"); break;
                case "template": DecodeTemplate(field); break;
                case "createindex" or "modifyindex": break;
                default: throw field.Unknown();
            }
        }

        return query;
    }

    /// <summary>What is wrong with a query, in Consul's words; null when nothing is.</summary>
    public static string? FindProblem(PreparedQuery query)
    {
        var problem =
            query.Name.Length == 0 ? "Must be bound to a session"
            : query.Service.Length == 0 ? "Must provide a Service name to query"
            : query.FailoverNearest < 0 ? $"Bad NearestN '{query.FailoverNearest}', must be >= 0"
            : query.NodeMeta is { } meta && meta.FirstOrDefault(pair => pair.Key.Length == 0) is { Value: { } value } ? $"Couldn't load metadata pair ('', '{value}'): Key cannot be blank"
            : query.DnsTimeToLive.Length == 0 ? null
            : !GoDuration.TryParse(query.DnsTimeToLive, out var timeToLive, out var invalid) ? $"Bad DNS TTL '{query.DnsTimeToLive}': {invalid}"
            : timeToLive.Nanoseconds < 0 ? $"DNS TTL '{timeToLive.Nanoseconds}', must be >=0"
            : null;
        return problem is null ? null : $"Invalid prepared query: {problem}";
    }

    private static PreparedQuery DecodeService(JsonField service, PreparedQuery query)
    {
        foreach (var field in service.Fields())
        {
            switch (field.Key)
            {
                case "service": query = query with { Service = field.Text() }; break;
                case "failover": query = DecodeFailover(field, query); break;
                case "onlypassing": query = query with { OnlyPassing = field.Flag() }; break;
                case "ignorecheckids": query = query with { IgnoreCheckIds = TextsOf(field) }; break;
                case "near": query = query with { Near = field.Text() }; break;
                case "tags": query = query with { Tags = TextsOf(field) }; break;
                case "nodemeta": query = query with { NodeMeta = MapOf(field) }; break;
                case "servicemeta": query = query with { ServiceMeta = MapOf(field) }; break;
                case "connect": query = query with { Connect = field.Flag() }; break;
                case "namespace" or "partition" or "peer" or "samenessgroup":
                    if (field.Text() is not ("" or "default"))
                    {
                        RefuseIfSet(field, "only 'default' is supported");
                    }

                    break;
                default: throw field.Unknown();
            }
        }

        return query;
    }

    private static PreparedQuery DecodeFailover(JsonField failover, PreparedQuery query)
    {
        foreach (var field in failover.Fields())
        {
            query = field.Key switch
            {
                "nearestn" => query with { FailoverNearest = field.Number() },
                "datacenters" => query with { FailoverDatacenters = TextsOf(field) },
                "targets" when field.Value.ValueKind == JsonValueKind.Null || field.Items().Count == 0 => query,
                "targets" => throw RequestRefusedException.Invalid("Failover.Targets is not supported: an execution never leaves this datacenter"),
                _ => throw field.Unknown(),
            };
        }

        return query;
    }

    private static PreparedQuery DecodeDns(JsonField dns, PreparedQuery query)
    {
        foreach (var field in dns.Fields())
        {
            query = field.Key == "ttl" ? query with { DnsTimeToLive = field.Text() } : throw field.Unknown();
        }

        return query;
    }

    private static void DecodeTemplate(JsonField template)
    {
        foreach (var field in template.Fields())
        {
            switch (field.Key)
            {
                case "type": RefuseIfSet(field, "queries are looked up by their exact name"); break;
                case "regexp": field.Text(); break;
                case "removeemptytags": field.Flag(); break;
                default: throw field.Unknown();
            }
        }
    }

    private static void RefuseIfSet(JsonField field, string reason)
    {
        if (field.Text().Length > 0)
        {
            throw RequestRefusedException.Invalid($"{field.Name} is not supported: {reason}");
        }
    }

    private static EquatableArray<string>? TextsOf(JsonField field) =>
        field.Value.ValueKind == JsonValueKind.Null ? null : field.Texts();

    private static EquatableArray<KeyValuePair<string, string>>? MapOf(JsonField field) =>
        field.Value.ValueKind == JsonValueKind.Null ? null : field.TextMap();
}
