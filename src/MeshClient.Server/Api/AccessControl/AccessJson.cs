using System.Collections.Immutable;
using System.Text.Json;
using MeshClient.Server.AccessControl;
using MeshClient.Server.AccessControl.Login;
using MeshClient.Server.Api.Catalog;
using MeshClient.Server.Api.Json;

namespace MeshClient.Server.Api.AccessControl;

/// <summary>Policies, tokens and auth methods as Consul writes them.</summary>
internal static class AccessJson
{
    private const string HiddenSecret = "<hidden>";

    public static void WritePolicy(this Utf8JsonWriter writer, AccessPolicy policy)
    {
        WritePolicyHead(writer, policy);
        writer.WriteString("Rules", policy.RulesText);
        if (!policy.Datacenters.IsEmpty)
        {
            WriteTexts(writer, "Datacenters", policy.Datacenters);
        }

        WriteEnd(writer, policy.Hash, policy.CreateIndex, policy.ModifyIndex);
    }

    /// <summary>A policy in a list, where its rules are left out.</summary>
    public static void WritePolicyEntry(this Utf8JsonWriter writer, AccessPolicy policy)
    {
        WritePolicyHead(writer, policy);
        if (policy.Datacenters.IsEmpty)
        {
            writer.WriteNull("Datacenters");
        }
        else
        {
            WriteTexts(writer, "Datacenters", policy.Datacenters);
        }

        WriteEnd(writer, policy.Hash, policy.CreateIndex, policy.ModifyIndex);
    }

    /// <summary>A token.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="token">It.</param>
    /// <param name="access">Tells the names of its policies.</param>
    /// <param name="secret">What is told of its secret.</param>
    /// <param name="withOldId">Whether the secret stands under its former name as well, as in the answer that makes the first token.</param>
    public static void WriteToken(
        this Utf8JsonWriter writer, AccessToken token, AccessState access, SecretForm secret, bool withOldId = false)
    {
        writer.WriteStartObject();
        if (withOldId)
        {
            writer.WriteString("ID", token.SecretId);
        }

        writer.WriteString("AccessorID", token.AccessorId);
        if (secret != SecretForm.LeftOut)
        {
            writer.WriteString("SecretID", secret == SecretForm.Told ? token.SecretId : HiddenSecret);
        }

        writer.WriteString("Description", token.Description);
        WritePolicies(writer, token, access);
        WriteIdentities(writer, token);
        writer.WriteBoolean("Local", token.IsLocal);
        if (token.AuthMethod is { } method)
        {
            writer.WriteString("AuthMethod", method);
        }

        if (token.ExpiresAt is { } end)
        {
            writer.WriteString("ExpirationTime", GoTime.Format(end));
        }

        writer.WriteString("CreateTime", GoTime.Format(token.CreatedAt));
        WriteEnd(writer, token.Hash, token.CreateIndex, token.ModifyIndex);
    }

    public static void WriteAuthMethod(this Utf8JsonWriter writer, AuthMethod method, bool withConfig)
    {
        writer.WriteStartObject();
        if (withConfig && method.MaxTokenLifetime > TimeSpan.Zero)
        {
            writer.WriteString("MaxTokenTTL", GoDuration.From(method.MaxTokenLifetime).ToString());
        }

        writer.WriteString("Name", method.Name);
        writer.WriteString("Type", AuthMethod.JwtType);
        if (method.DisplayName.Length > 0)
        {
            writer.WriteString("DisplayName", method.DisplayName);
        }

        writer.WriteString("Description", method.Description);
        if (withConfig)
        {
            writer.WritePropertyName("Config");
            writer.WriteRawValue(method.ConfigJson, skipInputValidation: true);
        }

        writer.WriteIndexes(method.CreateIndex, method.ModifyIndex);
        writer.WriteEndObject();
    }

    public static void WriteBindingRule(this Utf8JsonWriter writer, BindingRule rule)
    {
        writer.WriteStartObject();
        writer.WriteString("ID", rule.Id);
        writer.WriteString("Description", rule.Description);
        writer.WriteString("AuthMethod", rule.AuthMethod);
        writer.WriteString("Selector", rule.Selector);
        writer.WriteString("BindType", rule.BindType);
        writer.WriteString("BindName", rule.BindName);
        writer.WriteIndexes(rule.CreateIndex, rule.ModifyIndex);
        writer.WriteEndObject();
    }

    private static void WritePolicyHead(Utf8JsonWriter writer, AccessPolicy policy)
    {
        writer.WriteStartObject();
        writer.WriteString("ID", policy.Id);
        writer.WriteString("Name", policy.Name);
        writer.WriteString("Description", policy.Description);
    }

    private static void WritePolicies(Utf8JsonWriter writer, AccessToken token, AccessState access)
    {
        if (token.PolicyIds.IsEmpty)
        {
            return;
        }

        writer.WriteStartArray("Policies");
        foreach (var id in token.PolicyIds)
        {
            if (access.Policies.TryGetValue(id, out var policy))
            {
                writer.WriteStartObject();
                writer.WriteString("ID", policy.Id);
                writer.WriteString("Name", policy.Name);
                writer.WriteEndObject();
            }
        }

        writer.WriteEndArray();
    }

    private static void WriteIdentities(Utf8JsonWriter writer, AccessToken token)
    {
        if (!token.ServiceIdentities.IsEmpty)
        {
            writer.WriteStartArray("ServiceIdentities");
            foreach (var identity in token.ServiceIdentities)
            {
                writer.WriteStartObject();
                writer.WriteString("ServiceName", identity.ServiceName);
                if (!identity.Datacenters.IsEmpty)
                {
                    WriteTexts(writer, "Datacenters", identity.Datacenters);
                }

                writer.WriteEndObject();
            }

            writer.WriteEndArray();
        }

        if (!token.NodeIdentities.IsEmpty)
        {
            writer.WriteStartArray("NodeIdentities");
            foreach (var identity in token.NodeIdentities)
            {
                writer.WriteStartObject();
                writer.WriteString("NodeName", identity.NodeName);
                writer.WriteString("Datacenter", identity.Datacenter);
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
        }
    }

    private static void WriteTexts(Utf8JsonWriter writer, string name, ImmutableArray<string> texts)
    {
        writer.WriteStartArray(name);
        foreach (var text in texts)
        {
            writer.WriteStringValue(text);
        }

        writer.WriteEndArray();
    }

    private static void WriteEnd(Utf8JsonWriter writer, string hash, ulong createIndex, ulong modifyIndex)
    {
        writer.WriteString("Hash", hash);
        writer.WriteIndexes(createIndex, modifyIndex);
        writer.WriteEndObject();
    }
}

/// <summary>What an answer tells of the secret of a token.</summary>
internal enum SecretForm
{
    /// <summary>Nothing: in lists.</summary>
    LeftOut,

    /// <summary>That there is one: to those who may read about tokens and not write them.</summary>
    Hidden,

    /// <summary>It.</summary>
    Told,
}
