using MeshClient.Server.AccessControl;
using MeshClient.Server.State;

namespace MeshClient.Server.Api.Operations;

/// <summary>Saves everything into one archive, and puts one in the place of everything.</summary>
/// <param name="store">The state.</param>
/// <param name="options">The options.</param>
/// <param name="time">The clock.</param>
/// <param name="restored">Called once a snapshot is in force, with the state before: clocks have to follow other things then.</param>
internal sealed class SnapshotHandlers(StateStore store, MeshServerOptions options, TimeProvider time, Action<ServerState> restored)
{
    /// <summary>How large an archive may be, packed or unpacked.</summary>
    private const long MaxBytes = 1024 * 1024 * 1024;

    public void Map(RouteTable routes)
    {
        var access = RouteAccess.Needs(ResourceKind.Acl, AccessLevel.Write);
        routes.Map("GET", "/v1/snapshot", access, SaveAsync);
        routes.Map("PUT", "/v1/snapshot", access, RestoreAsync);
    }

    private Task SaveAsync(ApiRequest request)
    {
        ReadRules.CheckDatacenter(request, options.Datacenter);
        ReadRules.CheckConsistency(request);
        var state = store.Current;
        request.SetIndex(state.Index);
        return request.AnswerBytesAsync(SnapshotArchive.Write(state, store.Seal), "application/x-gzip");
    }

    private async Task RestoreAsync(ApiRequest request)
    {
        ReadRules.CheckDatacenter(request, options.Datacenter);
        IReadOnlyCollection<StoredRow> rows;
        var body = await request.ReadLargeBodyAsync(MaxBytes).ConfigureAwait(false);
        try
        {
            rows = SnapshotArchive.Read(body, MaxBytes);
        }
        catch (InvalidDataException e)
        {
            throw RequestRefusedException.Invalid($"The snapshot cannot be restored, nothing has changed: {e.Message}.");
        }

        var before = store.Current;
        await store.ApplyAsync(new RestoreSnapshot(rows, store.Seal, time.GetUtcNow())).ConfigureAwait(false);
        restored(before);
        await request.AnswerEmptyAsync().ConfigureAwait(false);
    }
}
