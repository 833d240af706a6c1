using System.Text.Json;
using MeshClient.Server.AccessControl;
using MeshClient.Server.State;
using MeshClient.Server.Transactions;

namespace MeshClient.Server.Api;

/// <summary>Transactions of keys.</summary>
internal sealed class TransactionHandlers(StateStore store, MeshServerOptions options, TimeProvider time)
{
    /// <summary>How many steps one may have (Consul's limit).</summary>
    private const int MaxSteps = 64;

    public void Map(RouteTable routes) => routes.Map("PUT", "/v1/txn", RouteAccess.Asked, PutAsync);

    private async Task PutAsync(ApiRequest request)
    {
        ReadRules.CheckDatacenter(request, options.Datacenter);
        ReadRules.CheckConsistency(request);
        request.Access.NeedNothing();
        var steps = await request.DecodeAsync(Decode, "Failed to parse body: ").ConfigureAwait(false);
        if (steps.Count > MaxSteps)
        {
            throw new RequestRefusedException(413, $"Transaction contains too many operations ({steps.Count} > {MaxSteps})");
        }

        var transaction = new Transaction([.. steps], time.GetTimestamp());
        if (FindForbidden(request, steps) is { Count: > 0 } forbidden)
        {
            await AnswerAsync(request, transaction, forbidden).ConfigureAwait(false);
            return;
        }

        if (transaction.IsRead)
        {
            // Nothing to store: it reads what everybody sees.
            transaction.Apply(store.Current, new StateChange(store.Current.Index));
        }
        else
        {
            await store.ApplyAsync(transaction).ConfigureAwait(false);
        }

        await AnswerAsync(request, transaction, transaction.Errors).ConfigureAwait(false);
    }

    private static List<TransactionError> FindForbidden(ApiRequest request, List<KeyOperation> steps)
    {
        var forbidden = new List<TransactionError>();
        for (var i = 0; i < steps.Count; i++)
        {
            var step = steps[i];
            var allowed = step.Verb switch
            {
                // Left out of the results instead, entry by entry.
                "get-tree" => true,
                "delete-tree" => request.Access.AllowsWriteBelow(ResourceKind.Key, step.Key),
                _ => request.Access.Allows(ResourceKind.Key, step.Key, step.IsRead ? AccessLevel.Read : AccessLevel.Write),
            };
            if (!allowed)
            {
                forbidden.Add(new TransactionError(i, "Permission denied"));
            }
        }

        return forbidden;
    }

    private static Task AnswerAsync(ApiRequest request, Transaction transaction, IReadOnlyList<TransactionError> errors)
    {
        if (transaction.IsRead)
        {
            request.SetHeader("X-Consul-Knownleader", "true");
            request.SetHeader("X-Consul-Lastcontact", "0");
        }

        request.Http.Response.StatusCode = errors.Count > 0 ? 409 : 200;
        return request.AnswerJsonAsync(writer =>
        {
            writer.WriteStartObject();
            WriteResults(writer, request, errors.Count > 0 ? null : transaction.Results);
            WriteErrors(writer, errors);
            if (transaction.IsRead)
            {
                writer.WriteNumber("Index", 0);
                writer.WriteNumber("LastContact", 0);
                writer.WriteBoolean("KnownLeader", true);
                writer.WriteString("ConsistencyLevel", string.Empty);
            }

            writer.WriteEndObject();
        });
    }

    private static void WriteResults(Utf8JsonWriter writer, ApiRequest request, IReadOnlyList<KeyResult>? results)
    {
        if (results is null)
        {
            writer.WriteNull("Results");
            return;
        }

        writer.WriteStartArray("Results");
        foreach (var result in results)
        {
            if (request.Access.Shows(ResourceKind.Key, result.Entry.Key))
            {
                writer.WriteStartObject();
                writer.WritePropertyName("KV");
                writer.WriteKey(result.Entry, result.WithValue);
                writer.WriteEndObject();
            }
        }

        writer.WriteEndArray();
    }

    private static void WriteErrors(Utf8JsonWriter writer, IReadOnlyList<TransactionError> errors)
    {
        if (errors.Count == 0)
        {
            writer.WriteNull("Errors");
            return;
        }

        writer.WriteStartArray("Errors");
        foreach (var error in errors)
        {
            writer.WriteStartObject();
            writer.WriteNumber("OpIndex", error.Step);
            writer.WriteString("What", error.Problem);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static List<KeyOperation> Decode(JsonElement element)
    {
        var steps = new List<KeyOperation>();
        foreach (var item in new JsonField("txn", element, string.Empty).Items())
        {
            KeyOperation? step = null;
            foreach (var field in JsonField.In(item))
            {
                step = field.Key switch
                {
                    "kv" => DecodeStep(field),
                    "node" or "service" or "check" or "session" or "intention" =>
                        throw new JsonDecodeException($"this server takes KV operations in a transaction, and no {field.Name}"),
                    _ => throw field.Unknown(),
                };
            }

            steps.Add(step ?? throw new JsonDecodeException("an operation has to have a KV part"));
        }

        return steps;
    }

    private static KeyOperation DecodeStep(JsonField kv)
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
}
