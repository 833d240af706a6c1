using System.Text.Json;
using MeshClient.Server.AccessControl;
using MeshClient.Server.Api.Catalog;
using MeshClient.Server.Catalog;
using MeshClient.Server.HealthChecks;
using MeshClient.Server.State;
using MeshClient.Server.Transactions;
using Microsoft.AspNetCore.Http;

namespace MeshClient.Server.Api.KeyValues;

/// <summary>Transactions of keys, and of nodes, services and checks.</summary>
internal sealed class TransactionHandlers(StateStore store, HealthMonitor monitor, MeshServerOptions options, TimeProvider time)
{
    /// <summary>How many steps one may have (Consul's limit).</summary>
    private const int MaxSteps = 64;

    private readonly TransactionDecoder _decoder = new(options.Datacenter);

    public void Map(RouteTable routes) => routes.Map("PUT", "/v1/txn", RouteAccess.Asked, PutAsync);

    private async Task PutAsync(ApiRequest request)
    {
        ReadRules.CheckDatacenter(request, options.Datacenter);
        ReadRules.CheckConsistency(request);
        request.Access.NeedNothing();
        var (steps, problems) = await request
            .DecodeAsync(element => _decoder.Decode(element, time.GetUtcNow()), "Failed to parse body: ").ConfigureAwait(false);
        if (steps.Count + problems.Count > MaxSteps)
        {
            throw new RequestRefusedException(413, $"Transaction contains too many operations ({steps.Count + problems.Count} > {MaxSteps})");
        }

        var transaction = new Transaction([.. steps], time.GetTimestamp());
        if (problems.Count == 0)
        {
            problems = FindForbidden(request, store.Current.Catalog, steps);
        }

        if (problems.Count > 0)
        {
            await AnswerAsync(request, transaction, problems).ConfigureAwait(false);
            return;
        }

        if (transaction.IsRead)
        {
            // Nothing to store: it reads what everybody sees.
            transaction.Apply(store.Current, new StateChange(store.Current.Index));
        }
        else
        {
            var before = store.Current.Catalog;
            var after = (await store.ApplyAsync(transaction).ConfigureAwait(false)).Catalog;
            if (!ReferenceEquals(before.Local, after.Local))
            {
                // A check of the server's own node may have been put in the place of one that runs.
                monitor.FollowChanges(before, after);
            }
        }

        await AnswerAsync(request, transaction, transaction.Errors).ConfigureAwait(false);
    }

    private static List<TransactionError> FindForbidden(ApiRequest request, CatalogState catalog, List<TransactionStep> steps)
    {
        var forbidden = new List<TransactionError>();
        for (var i = 0; i < steps.Count; i++)
        {
            if (!IsAllowed(request.Access, catalog, steps[i]))
            {
                forbidden.Add(new TransactionError(i, "Permission denied"));
            }
        }

        return forbidden;
    }

    private static bool IsAllowed(RequestAccess access, CatalogState catalog, TransactionStep step) => step switch
    {
        // Left out of the results instead, entry by entry.
        KeyOperation { Verb: "get-tree" } or CatalogOperation { IsRead: true } => true,
        KeyOperation { Verb: "delete-tree" } tree => access.AllowsWriteBelow(ResourceKind.Key, tree.Key),
        KeyOperation key => access.Allows(ResourceKind.Key, key.Key, key.IsRead ? AccessLevel.Read : AccessLevel.Write),
        CatalogOperation { Removes: true } removal => IsGranted(() => access.DemandDeregistration(catalog, removal.Removal)),
        CatalogOperation registration => IsGranted(() => access.DemandRegistration(catalog, registration.Registration)),
        _ => false,
    };

    private static bool IsGranted(Action demand)
    {
        try
        {
            demand();
            return true;
        }
        catch (RequestRefusedException e) when (e.StatusCode == StatusCodes.Status403Forbidden)
        {
            return false;
        }
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

    private static void WriteResults(Utf8JsonWriter writer, ApiRequest request, IReadOnlyList<TransactionResult>? results)
    {
        if (results is null)
        {
            writer.WriteNull("Results");
            return;
        }

        writer.WriteStartArray("Results");
        foreach (var result in results)
        {
            if (IsShown(request.Access, result))
            {
                writer.WriteStartObject();
                WriteResult(writer, result);
                writer.WriteEndObject();
            }
        }

        writer.WriteEndArray();
    }

    private static bool IsShown(RequestAccess access, TransactionResult result) => result switch
    {
        KeyResult key => access.Shows(ResourceKind.Key, key.Entry.Key),
        NodeResult node => access.Shows(ResourceKind.Node, node.Node.Name),
        ServiceResult service => access.ShowsInstance(service.Instance.Node, service.Instance.Name),
        CheckResult check => access.ShowsCheck(check.Node.Name, check.Instance?.Name ?? string.Empty),
        _ => false,
    };

    private static void WriteResult(Utf8JsonWriter writer, TransactionResult result)
    {
        switch (result)
        {
            case KeyResult key:
                writer.WritePropertyName("KV");
                writer.WriteKey(key.Entry, key.WithValue);
                break;
            case NodeResult node:
                writer.WritePropertyName("Node");
                writer.WriteNode(node.Node, emptyIsNull: true);
                break;
            case ServiceResult service:
                writer.WritePropertyName("Service");
                writer.WriteCatalogService(service.Instance, emptyIsNull: true);
                break;
            case CheckResult check:
                writer.WritePropertyName("Check");
                writer.WriteCheck(check.Node, check.Instance, check.Check, withIndexes: true, emptyIsNull: true);
                break;
            default:
                throw new InvalidOperationException($"There is no form for {result}.");
        }
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
}
