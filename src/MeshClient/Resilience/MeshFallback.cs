namespace MeshClient.Resilience;

/// <summary>Answers in place of a call that failed. See <see cref="Configuration.MeshDestinationOptions.Fallback"/>.</summary>
/// <param name="arguments">What happened.</param>
/// <remarks>
/// Called on the thread of the call, so it must not block: what it does asynchronously is limited by
/// <see cref="Configuration.MeshDestinationOptions.FallbackTimeout"/>.
/// </remarks>
/// <returns>The answer the app gets. Null: there is none, and the app is told of the failure.</returns>
public delegate ValueTask<HttpResponseMessage?> MeshFallback(MeshFallbackArguments arguments);

/// <summary>What a <see cref="MeshFallback"/> is told.</summary>
public readonly struct MeshFallbackArguments
{
    internal MeshFallbackArguments(
        HttpRequestMessage request, HttpResponseMessage? response, Exception? failure, CancellationToken cancellationToken)
    {
        Request = request;
        Response = response;
        Failure = failure;
        CancellationToken = cancellationToken;
    }

    /// <summary>The call.</summary>
    public HttpRequestMessage Request { get; }

    /// <summary>The answer that says the service is broken; disposed when another takes its place. Null: there was none.</summary>
    public HttpResponseMessage? Response { get; }

    /// <summary>What the call failed with. Null: there was an answer.</summary>
    public Exception? Failure { get; }

    /// <summary>Cancelled when the app gives up, or the fallback's time is over.</summary>
    public CancellationToken CancellationToken { get; }
}
