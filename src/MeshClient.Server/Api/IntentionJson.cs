using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using MeshClient.Core.Intentions;
using MeshClient.Server.Api.Catalog;
using MeshClient.Server.Api.Json;
using MeshClient.Server.ConfigEntries;
using MeshClient.Server.Intentions;

namespace MeshClient.Server.Api;

/// <summary>Intentions as Consul writes them.</summary>
internal static class IntentionJson
{
    public static void WriteIntention(this Utf8JsonWriter writer, StoredIntention intention)
    {
        writer.WriteStartObject();
        writer.WriteString("ID", intention.Id);
        writer.WriteString("Description", intention.Description);
        writer.WriteString("SourceNS", "default");
        writer.WriteString("SourceName", intention.Source);
        writer.WriteString("DestinationNS", "default");
        writer.WriteString("DestinationName", intention.Destination);
        writer.WriteString("SourceType", "consul");
        WriteVerdict(writer, intention);
        WriteJwt(writer, intention.JwtJson);
        writer.WriteString("DefaultAddr", string.Empty);
        writer.WriteNumber("DefaultPort", 0);
        writer.WriteMap("Meta", intention.Meta);
        writer.WriteNumber("Precedence", intention.Precedence);
        writer.WriteString("CreatedAt", GoTime.Format(intention.CreatedAt));
        writer.WriteString("UpdatedAt", GoTime.Format(intention.UpdatedAt));
        writer.WriteBase64String("Hash", HashOf(intention));
        writer.WriteIndexes(intention.CreateIndex, intention.ModifyIndex);
        writer.WriteEndObject();
    }

    /// <summary>The action, or the permissions in its place.</summary>
    public static void WriteVerdict(this Utf8JsonWriter writer, StoredIntention intention)
    {
        if (intention.Action is { } action)
        {
            writer.WriteString("Action", TextOf(action));
        }

        if (intention.Permissions.Count > 0)
        {
            writer.WriteStartArray("Permissions");
            foreach (var permission in intention.Permissions)
            {
                WritePermission(writer, permission);
            }

            writer.WriteEndArray();
        }
    }

    private static void WritePermission(Utf8JsonWriter writer, StoredPermission permission)
    {
        var rule = permission.Rule;
        writer.WriteStartObject();
        writer.WriteString("Action", TextOf(rule.Action));
        writer.WriteStartObject("HTTP");
        WriteIfSet(writer, "PathExact", rule.PathExact);
        WriteIfSet(writer, "PathPrefix", rule.PathPrefix);
        WriteIfSet(writer, "PathRegex", rule.PathRegex);
        if (rule.Headers.Count > 0)
        {
            writer.WriteStartArray("Header");
            foreach (var header in rule.Headers)
            {
                WriteHeader(writer, header);
            }

            writer.WriteEndArray();
        }

        if (rule.Methods.Count > 0)
        {
            writer.WriteStartArray("Methods");
            foreach (var method in rule.Methods)
            {
                writer.WriteStringValue(method);
            }

            writer.WriteEndArray();
        }

        writer.WriteEndObject();
        WriteJwt(writer, permission.JwtJson);
        writer.WriteEndObject();
    }

    private static void WriteHeader(Utf8JsonWriter writer, HeaderMatch header)
    {
        writer.WriteStartObject();
        writer.WriteString("Name", header.Name);
        if (header.Kind == HeaderMatchKind.Present)
        {
            writer.WriteBoolean("Present", true);
        }
        else
        {
            writer.WriteString(header.Kind.ToString(), header.Value);
        }

        if (header.Invert)
        {
            writer.WriteBoolean("Invert", true);
        }

        if (header.IgnoreCase)
        {
            writer.WriteBoolean("IgnoreCase", true);
        }

        writer.WriteEndObject();
    }

    private static void WriteJwt(Utf8JsonWriter writer, string? json)
    {
        if (json is not null)
        {
            writer.WritePropertyName("JWT");
            writer.WriteStored(json);
        }
    }

    private static void WriteIfSet(Utf8JsonWriter writer, string name, string? value)
    {
        if (value is not null)
        {
            writer.WriteString(name, value);
        }
    }

    // Opaque: it only has to change when the content does.
    private static byte[] HashOf(StoredIntention intention) =>
        SHA256.HashData(Encoding.UTF8.GetBytes($"{intention.Id}\n{intention.ModifyIndex}"));

    private static string TextOf(IntentionAction action) => action == IntentionAction.Allow ? "allow" : "deny";
}
