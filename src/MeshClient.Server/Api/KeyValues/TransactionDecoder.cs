using System.Text.Json;
using MeshClient.Server.Api.Agent;
using MeshClient.Server.Api.Catalog;
using MeshClient.Server.Api.Json;
using MeshClient.Server.Catalog;
using MeshClient.Server.Transactions;

namespace MeshClient.Server.Api.KeyValues;

/// <summary>Reads the body of a transaction.</summary>
internal sealed class TransactionDecoder(string datacenter)
{
    /// <summary>Reads the steps, and tells of those that are wrong in themselves, whatever the state is.</summary>
    /// <exception cref="JsonDecodeException">It is no list of steps.</exception>
    public (List<TransactionStep> Steps, List<TransactionError> Problems) Decode(JsonElement element, DateTimeOffset now)
    {
        var steps = new List<TransactionStep>();
        var problems = new List<TransactionError>();
        var position = 0;
        foreach (var item in new JsonField("txn", element, string.Empty).Items())
        {
            try
            {
                steps.Add(DecodeStep(item, now));
            }
            catch (RequestRefusedException e)
            {
                problems.Add(new TransactionError(position, e.Message));
            }

            position++;
        }

        return (steps, problems);
    }

    private TransactionStep DecodeStep(JsonElement item, DateTimeOffset now)
    {
        TransactionStep? step = null;
        foreach (var field in JsonField.In(item))
        {
            if (step is not null)
            {
                throw OneOf();
            }

            step = field.Key switch
            {
                "kv" => DecodeKey(field),
                "node" => DecodeNode(field, now),
                "service" => DecodeService(field, now),
                "check" => DecodeCheck(field, now),
                _ => throw field.Unknown(),
            };
        }

        return step ?? throw OneOf();
    }

    private static JsonDecodeException OneOf() => new("an operation has to be one of KV, Node, Service and Check");

    private static KeyOperation DecodeKey(JsonField kv)
    {
        var step = new KeyOperation(string.Empty, string.Empty, [], 0, 0, string.Empty);
        foreach (var field in kv.Fields())
        {
            step = field.Key switch
            {
                "verb" => step with { Verb = field.Text() },
                "key" => step with { Key = field.Text() },
                "value" => step with { Value = field.Bytes() },
                "flags" => step with { Flags = field.LongNumber() },
                "index" => step with { Index = field.LongNumber() },
                "session" => step with { Session = field.Text() },
                "namespace" or "partition" => step,
                _ => throw field.Unknown(),
            };
        }

        return step;
    }

    private NodeOperation DecodeNode(JsonField operation, DateTimeOffset now)
    {
        var (verb, _, content) = DecodeParts(operation, "node", hasNode: false);
        var node = new NodeRecord(string.Empty, string.Empty, string.Empty, datacenter, 0, 0);
        var (index, askedDatacenter) = (0UL, string.Empty);
        foreach (var field in content?.Fields() ?? [])
        {
            switch (field.Key)
            {
                case "node": node = node with { Name = field.Text() }; break;
                case "id": node = node with { Id = field.Text() }; break;
                case "address": node = node with { Address = field.Text() }; break;
                case "datacenter": askedDatacenter = field.Text(); break;
                case "meta": node = node with { Meta = field.TextMap() }; break;
                case "taggedaddresses" or "tagged_addresses": node = node with { TaggedAddresses = field.TextMap() }; break;
                case "modifyindex": index = field.LongNumber(); break;
                case "createindex" or "raftindex" or "namespace" or "partition" or "peername" or "locality": break;
                default: throw field.Unknown();
            }
        }

        ReadRules.CheckDatacenter(askedDatacenter, datacenter);
        return verb != "get" && CatalogWriteDecoder.FindNodeProblem(node, needsAddress: false) is { } problem
            ? throw RequestRefusedException.Invalid(problem)
            : new NodeOperation(verb, node, index, now);
    }

    private static ServiceOperation DecodeService(JsonField operation, DateTimeOffset now)
    {
        var (verb, node, content) = DecodeParts(operation, "service", hasNode: true);
        var input = content is { } service ? ServiceDecoder.DecodeCatalogService(service) : new ServiceInput();
        var definition = verb == "get" ? new ServiceDefinition { Id = input.Id, Name = input.Name }
            // Consul demands the name even of what is to be taken away.
            : input.Name.Length == 0 ? throw RequestRefusedException.Invalid("Must provide service name with ID")
            : ServiceDecoder.ToDefinition(input, caller: null).Definition;
        return new ServiceOperation(verb, node, definition, IndexOf(content), now);
    }

    private static CheckOperation DecodeCheck(JsonField operation, DateTimeOffset now)
    {
        var (verb, _, content) = DecodeParts(operation, "check", hasNode: false);
        var fields = content?.Fields().ToList() ?? [];
        var node = fields.LastOrDefault(field => field.Key == "node") is { Name: not null } name ? name.Text() : string.Empty;
        return new CheckOperation(verb, node, CatalogWriteDecoder.DecodeCheck(fields, node), IndexOf(content), now);
    }

    private static (string Verb, string Node, JsonField? Content) DecodeParts(JsonField operation, string kind, bool hasNode)
    {
        var (verb, node, content) = (string.Empty, string.Empty, (JsonField?)null);
        foreach (var field in operation.Fields())
        {
            switch (field.Key)
            {
                case "verb": verb = field.Text(); break;
                case "node" when hasNode: node = field.Text(); break;
                case var key when key == kind: content = field; break;
                default: throw field.Unknown();
            }
        }

        return (verb, node, content);
    }

    private static ulong IndexOf(JsonField? content) =>
        content?.Fields().LastOrDefault(field => field.Key == "modifyindex") is { Name: not null } index ? index.LongNumber() : 0;
}
