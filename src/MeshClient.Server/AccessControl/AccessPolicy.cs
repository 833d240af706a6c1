using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using MeshClient.Server.AccessControl.Rules;

namespace MeshClient.Server.AccessControl;

/// <summary>A named set of rules.</summary>
internal sealed record AccessPolicy
{
    /// <summary>The built-in policy that allows everything (Consul's id and name).</summary>
    public const string ManagementId = "00000000-0000-0000-0000-000000000001";

    public const string ManagementName = "global-management";

    private const string ManagementRules = """
        acl = "write"
        agent_prefix "" {
          policy = "write"
        }
        event_prefix "" {
          policy = "write"
        }
        key_prefix "" {
          policy = "write"
        }
        keyring = "write"
        node_prefix "" {
          policy = "write"
        }
        operator = "write"
        query_prefix "" {
          policy = "write"
        }
        service_prefix "" {
          policy = "write"
          intentions = "write"
        }
        session_prefix "" {
          policy = "write"
        }
        """;

    public required string Id { get; init; }

    public required string Name { get; init; }

    public string Description { get; init; } = string.Empty;

    /// <summary>The rules as they were written.</summary>
    public required string RulesText { get; init; }

    /// <summary>The rules as they were understood.</summary>
    public required ImmutableArray<AccessRule> Rules { get; init; }

    /// <summary>Where it holds; everywhere when empty.</summary>
    public ImmutableArray<string> Datacenters { get; init; } = [];

    public ulong CreateIndex { get; init; }

    public ulong ModifyIndex { get; init; }

    /// <summary>A digest of what it says, for those who compare; nothing secret is in it.</summary>
    public string Hash => Digest.Of(Name, Description, RulesText, string.Join(',', Datacenters));

    public static AccessPolicy Management() => new()
    {
        Id = ManagementId,
        Name = ManagementName,
        Description = "Builtin Policy that grants unlimited access",
        RulesText = ManagementRules,
        Rules = RuleParser.Parse(ManagementRules),
    };

    public bool HoldsIn(string datacenter) => Datacenters.IsEmpty || Datacenters.Contains(datacenter, StringComparer.Ordinal);

    public override string ToString() => $"policy {Name}";
}

/// <summary>Digests that the API gives along with policies and tokens.</summary>
internal static class Digest
{
    /// <summary>Of texts, each with its length, so that what stands in one cannot pass for another.</summary>
    public static string Of(params IEnumerable<string> parts)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var part in parts)
        {
            var bytes = Encoding.UTF8.GetBytes(part);
            hash.AppendData(BitConverter.GetBytes(bytes.Length));
            hash.AppendData(bytes);
        }

        return Convert.ToBase64String(hash.GetHashAndReset());
    }
}
