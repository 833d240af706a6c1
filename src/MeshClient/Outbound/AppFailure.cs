using System.Net.Http.Json;

namespace MeshClient.Outbound;

/// <summary>
/// Finds out whether the app itself made an attempt fail: its body could not be read or written, or it has disposed its request.
/// That tells nothing of the instance, and another attempt would do no better.
/// </summary>
internal static class AppFailure
{
    /// <summary>The app's own exception; null: the failure is another's.</summary>
    public static Exception? Of(OutboundAttempt attempt)
    {
        if (attempt.Request.Content is UploadContent { Failure: { } own })
        {
            return own;
        }

        // The runtime hands on what the app's code threw either as it is or as the cause of a failure of its own.
        return attempt.Failure is not { } failure ? null
            : failure is ObjectDisposedException disposed ? IsOfRequest(disposed, attempt) ? disposed : null
            : failure is HttpRequestException { InnerException: ObjectDisposedException cause } ? IsOfRequest(cause, attempt) ? cause : null
            : attempt.Pool is not null && attempt.Request.Content is JsonContent ? OfSerializer(failure)
            : null;
    }

    // Of a body that is written without being watched. What comes from the network is an HttpRequestException or a cancellation;
    // an InvalidOperationException is made the cause of one.
    private static Exception? OfSerializer(Exception failure) => failure switch
    {
        HttpRequestException { InnerException: InvalidOperationException cause } => cause,
        HttpRequestException or OperationCanceledException or IOException => null,
        _ => failure,
    };

    private static bool IsOfRequest(ObjectDisposedException failure, OutboundAttempt attempt)
    {
        var request = attempt.Call.Request;
        var version = request.Version;
        try
        {
            // A request does not tell whether it is disposed, but takes nothing any more.
            request.Version = version;
        }
        catch (ObjectDisposedException)
        {
            return true;
        }

        return request.Content is { } content && failure.ObjectName == content.GetType().FullName;
    }
}
