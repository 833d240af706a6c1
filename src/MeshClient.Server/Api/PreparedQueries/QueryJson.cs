using System.Text.Json;
using MeshClient.Core;
using MeshClient.Server.Api.Catalog;
using MeshClient.Server.PreparedQueries;

namespace MeshClient.Server.Api.PreparedQueries;

/// <summary>Prepared queries as Consul writes them; key order included.</summary>
internal static class QueryJson
{
    public static void WriteQuery(this Utf8JsonWriter writer, PreparedQuery query)
    {
        writer.WriteStartObject();
        writer.WriteString("ID", query.Id);
        writer.WriteString("Name", query.Name);
        writer.WriteString("Session", string.Empty);
        writer.WriteString("Token", string.Empty);
        writer.WriteStartObject("Template");
        writer.WriteString("Type", string.Empty);
        writer.WriteString("Regexp", string.Empty);
        writer.WriteBoolean("RemoveEmptyTags", false);
        writer.WriteEndObject();
        writer.WriteStartObject("Service");
        writer.WriteString("Service", query.Service);
        writer.WriteStartObject("Failover");
        writer.WriteNumber("NearestN", query.FailoverNearest);
        WriteTexts(writer, "Datacenters", query.FailoverDatacenters);
        writer.WriteEndObject();
        writer.WriteBoolean("OnlyPassing", query.OnlyPassing);
        WriteTexts(writer, "IgnoreCheckIDs", query.IgnoreCheckIds);
        writer.WriteString("Near", query.Near);
        WriteTexts(writer, "Tags", query.Tags);
        WriteMap(writer, "NodeMeta", query.NodeMeta);
        WriteMap(writer, "ServiceMeta", query.ServiceMeta);
        writer.WriteBoolean("Connect", query.Connect);
        writer.WriteEndObject();
        writer.WriteDns(query);
        writer.WriteIndexes(query.CreateIndex, query.ModifyIndex);
        writer.WriteEndObject();
    }

    public static void WriteDns(this Utf8JsonWriter writer, PreparedQuery query)
    {
        writer.WriteStartObject("DNS");
        writer.WriteString("TTL", query.DnsTimeToLive);
        writer.WriteEndObject();
    }

    private static void WriteTexts(Utf8JsonWriter writer, string name, EquatableArray<string>? texts)
    {
        if (texts is null)
        {
            writer.WriteNull(name);
            return;
        }

        writer.WriteStartArray(name);
        foreach (var text in texts.Value)
        {
            writer.WriteStringValue(text);
        }

        writer.WriteEndArray();
    }

    private static void WriteMap(Utf8JsonWriter writer, string name, EquatableArray<KeyValuePair<string, string>>? map)
    {
        if (map is null)
        {
            writer.WriteNull(name);
        }
        else
        {
            writer.WriteMap(name, map.Value);
        }
    }
}
