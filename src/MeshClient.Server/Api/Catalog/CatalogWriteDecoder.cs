using System.Text.Json;
using MeshClient.Core;
using MeshClient.Server.Api.Agent;
using MeshClient.Server.Api.Json;
using MeshClient.Server.Catalog;
using MeshClient.Server.HealthChecks;

namespace MeshClient.Server.Api.Catalog;

/// <summary>Reads the bodies of catalog/register and catalog/deregister.</summary>
internal sealed class CatalogWriteDecoder(string datacenter)
{
    private const int MaxNameLength = 512;

    /// <exception cref="RequestRefusedException">It is wrong; the sentence is Consul's.</exception>
    public RegisterInCatalog DecodeRegistration(JsonElement element, DateTimeOffset now)
    {
        var node = new NodeRecord(string.Empty, string.Empty, string.Empty, datacenter, 0, 0);
        ServiceDefinition? service = null;
        var checks = new List<ExternalCheck>();
        var (skipNodeUpdate, askedDatacenter) = (false, string.Empty);
        var fields = JsonField.In(element).ToList();

        // First the name, because a check may name its node too.
        node = node with { Name = fields.LastOrDefault(field => field.Key == "node") is { Name: not null } name ? name.Text() : string.Empty };
        foreach (var field in fields)
        {
            switch (field.Key)
            {
                case "node": break;
                case "id": node = node with { Id = field.Text() }; break;
                case "address": node = node with { Address = field.Text() }; break;
                case "datacenter": askedDatacenter = field.Text(); break;
                case "nodemeta" or "node_meta": node = node with { Meta = field.TextMap() }; break;
                case "taggedaddresses" or "tagged_addresses": node = node with { TaggedAddresses = field.TextMap() }; break;
                case "skipnodeupdate" or "skip_node_update": skipNodeUpdate = field.Flag(); break;
                case "service": service = DecodeService(field); break;
                case "check":
                    if (field.Value.ValueKind != JsonValueKind.Null)
                    {
                        checks.Insert(0, DecodeCheck(field.Fields(), node.Name));
                    }

                    break;
                case "checks": checks.AddRange(field.Items().Select(item => DecodeCheck(JsonField.In(item, ".Checks"), node.Name))); break;
                // Of newer versions, or of clients that send their token along; nothing of it is needed here.
                case "token" or "namespace" or "partition" or "peername" or "locality" or "enterprisemeta" or "writerequest": break;
                default: throw field.Unknown();
            }
        }

        ReadRules.CheckDatacenter(askedDatacenter, datacenter);
        return FindNodeProblem(node, needsAddress: !skipNodeUpdate) is { } problem
            ? throw RequestRefusedException.Invalid(problem)
            : new RegisterInCatalog(node, skipNodeUpdate, service, EquatableArray.From(checks), now);
    }

    /// <exception cref="RequestRefusedException">It is wrong; the sentence is Consul's.</exception>
    public DeregisterFromCatalog DecodeDeregistration(JsonElement element)
    {
        var (node, service, check, askedDatacenter) = (string.Empty, string.Empty, string.Empty, string.Empty);
        foreach (var field in JsonField.In(element))
        {
            switch (field.Key)
            {
                case "node": node = field.Text(); break;
                case "serviceid" or "service_id": service = field.Text(); break;
                case "checkid" or "check_id": check = field.Text(); break;
                case "datacenter": askedDatacenter = field.Text(); break;
                case "address" or "token" or "namespace" or "partition" or "enterprisemeta" or "writerequest": break;
                default: throw field.Unknown();
            }
        }

        ReadRules.CheckDatacenter(askedDatacenter, datacenter);
        return node.Length == 0
            ? throw RequestRefusedException.Invalid("Must provide node")
            : new DeregisterFromCatalog(node, service, check);
    }

    /// <summary>What is wrong with a node, in Consul's words; null: nothing.</summary>
    public static string? FindNodeProblem(NodeRecord node, bool needsAddress) =>
        node.Name.Length == 0 ? "Must provide node"
        : node.Name.Length > MaxNameLength || node.Name.Any(char.IsControl)
            ? $"Invalid node name: at most {MaxNameLength} characters and no control characters"
        : node.Address.Length == 0 && needsAddress ? "Must provide address if SkipNodeUpdate is not set"
        : node.Id.Length is not (0 or 36) ? "Bad node ID: uuid string is wrong length"
        : node.Id.Length > 0 && !Guid.TryParseExact(node.Id, "D", out _) ? "Bad node ID: uuid is improperly formatted"
        : null;

    private static ServiceDefinition? DecodeService(JsonField field)
    {
        if (field.Value.ValueKind == JsonValueKind.Null)
        {
            return null;
        }

        var input = ServiceDecoder.DecodeCatalogService(field);
        return input.Name.Length == 0 && input.Id.Length == 0 ? null
            : input.Name.Length == 0 ? throw RequestRefusedException.Invalid("Must provide service name with ID")
            // Without an address of its own it is at the node's.
            : ServiceDecoder.ToDefinition(input, caller: null).Definition;
    }

    /// <summary>Reads a check of a node.</summary>
    /// <exception cref="RequestRefusedException">It is wrong; the sentence is Consul's.</exception>
    public static ExternalCheck DecodeCheck(IEnumerable<JsonField> fields, string node)
    {
        var check = new ExternalCheck(string.Empty, string.Empty, string.Empty, CheckStatus.Critical, string.Empty, string.Empty, string.Empty, string.Empty);
        foreach (var field in fields)
        {
            switch (field.Key)
            {
                case "node":
                    if (field.Text() is { Length: > 0 } other && !string.Equals(other, node, StringComparison.OrdinalIgnoreCase))
                    {
                        throw RequestRefusedException.Invalid($"check node \"{other}\" does not match node \"{node}\"");
                    }

                    break;
                case "checkid" or "check_id" or "id": check = check with { CheckId = field.Text() }; break;
                case "name": check = check with { Name = field.Text() }; break;
                case "notes": check = check with { Notes = field.Text() }; break;
                case "status": check = check with { Status = DecodeStatus(field.Text()) }; break;
                case "output": check = check with { Output = ReadRules.CutOutput(field.Text(), ProbeDefinition.DefaultOutputMaxSize) }; break;
                case "serviceid" or "service_id": check = check with { ServiceId = field.Text() }; break;
                case "type": check = check with { Type = field.Text() }; break;
                case "definition":
                    var (type, json) = CheckDefinitionJson.Normalize(field);
                    check = check with { Type = type ?? check.Type, DefinitionJson = json };
                    break;
                case "servicename" or "service_name": field.Text(); break;
                case "servicetags" or "service_tags": field.Texts(); break;
                case "namespace" or "partition" or "peername" or "exposedport" or "interval" or "timeout" or "enterprisemeta"
                    or "createindex" or "modifyindex" or "raftindex":
                    break;
                default: throw field.Unknown();
            }
        }

        check = check.CheckId.Length > 0 ? check : check with { CheckId = check.Name };
        return check.CheckId.Length is 0 or > MaxNameLength || check.CheckId.Any(char.IsControl)
            ? throw RequestRefusedException.Invalid($"Invalid check: an ID has 1 to {MaxNameLength} characters and no control characters")
            : check;
    }

    // Consul takes any text, and what is none of the three then counts neither as good nor as bad.
    private static CheckStatus DecodeStatus(string text) =>
        text.Length == 0 ? CheckStatus.Critical
        : CheckStatusText.TryParse(text, out var status) ? status
        : throw RequestRefusedException.Invalid($"Invalid check status: '{text}'");
}
