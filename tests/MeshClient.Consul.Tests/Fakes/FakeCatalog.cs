using Microsoft.AspNetCore.Http;

namespace MeshClient.Consul.Tests.Fakes;

/// <summary>
/// Documents by path with Consul's rules for blocking queries: one growing index, each document wakes only its own watchers,
/// a document that was never set is an empty list.
/// </summary>
internal sealed class FakeCatalog
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Document> _documents = [];
    private ulong _index = 10;

    /// <summary>Paths whose answers carry no index, like <c>intentions/match</c> of Consul 1.8.</summary>
    public HashSet<string> WithoutIndex { get; } = [];

    /// <summary>How many calls are parked on a path right now.</summary>
    public int ParkedOn(string path)
    {
        lock (_lock)
        {
            return Find_NeedsLock(path).Parked;
        }
    }

    public void Set(string path, string body)
    {
        lock (_lock)
        {
            var old = Find_NeedsLock(path);
            _documents[path] = new Document(body, ++_index);
            old.Changed.TrySetResult();
        }
    }

    public async Task HandleAsync(HttpContext context)
    {
        var path = context.Request.Path.Value!;
        var document = Find(path);
        if (FakeRegistry.IndexOf(context) is { } index && index >= document.Index)
        {
            Interlocked.Increment(ref document.Parked);
            try
            {
                using var end = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
                end.CancelAfter(FakeRegistry.WaitOf(context));
                await document.Changed.Task.WaitAsync(end.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            finally
            {
                Interlocked.Decrement(ref document.Parked);
            }

            document = Find(path);
        }

        await FakeRegistry.AnswerAsync(context, document.Body, WithoutIndex.Contains(path) ? null : document.Index);
    }

    private Document Find(string path)
    {
        lock (_lock)
        {
            return Find_NeedsLock(path);
        }
    }

    private Document Find_NeedsLock(string path)
    {
        if (!_documents.TryGetValue(path, out var document))
        {
            _documents[path] = document = new Document("[]", 1);
        }

        return document;
    }

    private sealed class Document(string body, ulong index)
    {
        public int Parked;

        public string Body { get; } = body;

        public ulong Index { get; } = index;

        public TaskCompletionSource Changed { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
