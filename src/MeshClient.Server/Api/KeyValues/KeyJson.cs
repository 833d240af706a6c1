using System.Text.Json;
using MeshClient.Server.Api.Json;
using MeshClient.Server.KeyValues;
using MeshClient.Server.Sessions;

namespace MeshClient.Server.Api.KeyValues;

/// <summary>Keys and sessions, as Consul writes them.</summary>
internal static class KeyJson
{
    public static void WriteKey(this Utf8JsonWriter writer, KeyEntry entry, bool withValue = true)
    {
        writer.WriteStartObject();
        writer.WriteNumber("LockIndex", entry.LockIndex);
        writer.WriteString("Key", entry.Key);
        writer.WriteNumber("Flags", entry.Flags);
        if (withValue && entry.Value.Length > 0)
        {
            writer.WriteBase64String("Value", entry.Value);
        }
        else
        {
            writer.WriteNull("Value");
        }

        if (entry.Session.Length > 0)
        {
            writer.WriteString("Session", entry.Session);
        }

        writer.WriteNumber("CreateIndex", entry.CreateIndex);
        writer.WriteNumber("ModifyIndex", entry.ModifyIndex);
        writer.WriteEndObject();
    }

    public static void WriteSession(this Utf8JsonWriter writer, SessionRecord session)
    {
        writer.WriteStartObject();
        writer.WriteString("ID", session.Id);
        writer.WriteString("Name", session.Name);
        writer.WriteString("Node", session.Node);
        writer.WriteNumber("LockDelay", GoDuration.From(session.LockDelay).Nanoseconds);
        writer.WriteString("Behavior", session.Behavior == SessionBehavior.Delete ? "delete" : "release");
        writer.WriteString("TTL", session.TimeToLiveText);
        writer.WriteStartArray("NodeChecks");
        foreach (var check in session.NodeChecks)
        {
            writer.WriteStringValue(check);
        }

        writer.WriteEndArray();
        if (session.ServiceChecks is { } checks)
        {
            writer.WriteStartArray("ServiceChecks");
            foreach (var check in checks)
            {
                writer.WriteStartObject();
                writer.WriteString("ID", check.Id);
                writer.WriteString("Namespace", check.Namespace);
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
        }
        else
        {
            writer.WriteNull("ServiceChecks");
        }

        writer.WriteNumber("CreateIndex", session.CreateIndex);
        writer.WriteNumber("ModifyIndex", session.ModifyIndex);
        writer.WriteEndObject();
    }
}
