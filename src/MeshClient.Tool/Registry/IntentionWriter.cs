using System.Text.Json.Nodes;
using MeshClient.Core.Intentions;

namespace MeshClient.Tool.Registry;

/// <summary>
/// Writes intentions by the names of the pair, as registries do since Consul 1.9. Older ones take the word "exact" for an id
/// and answer that it is no UUID; there the pair is looked up in the list, and written by its id.
/// </summary>
internal sealed class IntentionWriter(RegistryConnection registry)
{
    private const string ById = "v1/connect/intentions";

    /// <summary>Makes an intention, or replaces the pair's.</summary>
    public async Task SetAsync(
        IntentionPair pair, string action, string? description, IntentionMode mode, CancellationToken cancellationToken)
    {
        var body = new JsonObject { ["SourceType"] = "consul", ["Action"] = action, ["Description"] = description ?? string.Empty };
        if (mode == IntentionMode.Shadow)
        {
            body["Meta"] = new JsonObject { [IntentionModeMeta.Key] = IntentionModeMeta.Shadow };
        }

        if (await TryExactAsync(HttpMethod.Put, pair, body, cancellationToken).ConfigureAwait(false))
        {
            return;
        }

        body["SourceName"] = pair.Source;
        body["DestinationName"] = pair.Destination;
        if (await FindAsync(pair, cancellationToken).ConfigureAwait(false) is { } existing)
        {
            await registry.PutAsync($"{ById}/{existing.Text("ID")}", body, cancellationToken).ConfigureAwait(false);
        }
        else
        {
            await registry.PostAsync(ById, body, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Deletes the pair's intention.</summary>
    /// <exception cref="ToolException">There is none.</exception>
    public async Task DeleteAsync(IntentionPair pair, CancellationToken cancellationToken)
    {
        var existing = await FindAsync(pair, cancellationToken).ConfigureAwait(false)
            ?? throw new ToolException(ExitCodes.NotFound, $"There is no intention {pair}.");
        if (!await TryExactAsync(HttpMethod.Delete, pair, null, cancellationToken).ConfigureAwait(false))
        {
            await registry.DeleteAsync($"{ById}/{existing.Text("ID")}", cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<bool> TryExactAsync(HttpMethod method, IntentionPair pair, JsonObject? body, CancellationToken cancellationToken)
    {
        var path = RegistryPath.With($"{ById}/exact", ("source", pair.Source), ("destination", pair.Destination));
        var answer = await registry.TrySendAsync(method, path, body, cancellationToken).ConfigureAwait(false);
        if (!answer.IsSuccess && answer.Text.Contains("UUID must be", StringComparison.Ordinal))
        {
            return false;
        }

        registry.Checked(answer, method, path);
        return true;
    }

    private async Task<JsonObject?> FindAsync(IntentionPair pair, CancellationToken cancellationToken) =>
        (await registry.GetAsync(ById, cancellationToken).ConfigureAwait(false)).Objects().FirstOrDefault(
            one => one.Text("SourceName") == pair.Source && one.Text("DestinationName") == pair.Destination);
}
