namespace MeshClient.AspNetCore.Overload;

/// <summary>When a request was let in, and when the head of its answer went out: what a learned limit goes by.</summary>
internal sealed class ServedRequest(TimeProvider time)
{
    public long StartedAt { get; } = time.GetTimestamp();

    /// <summary>When the head of the answer went out; null while it has not.</summary>
    public long? RespondedAt { get; private set; }

    /// <summary>The head of the answer goes out now.</summary>
    public static Task Respond(object state)
    {
        ((ServedRequest)state).Respond();
        return Task.CompletedTask;
    }

    private void Respond() => RespondedAt = time.GetTimestamp();
}
