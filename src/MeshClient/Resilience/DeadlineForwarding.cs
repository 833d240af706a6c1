using MeshClient.Outbound;

namespace MeshClient.Resilience;

/// <summary>
/// Tells an instance how much time is left of the ambient deadline, and takes the header off the app's request again.
/// </summary>
/// <remarks>
/// Only the ambient deadline is told, because the instance takes it for the end of the whole answer; the limits of a call or an
/// attempt end with the head of the answer, and would cut off streams. Only instances of the mesh are told: nobody else has
/// to know what we are up to.
/// </remarks>
internal static class DeadlineForwarding
{
    public static void Write(OutboundAttempt attempt, TimeSpan left)
    {
        if (!attempt.Instance.IsInMesh)
        {
            return;
        }

        var request = attempt.Request;
        var isGrpc = request.Content is { } content && GrpcContentType.IsOf(content);
        var name = isGrpc ? TimeoutHeader.Grpc : TimeoutHeader.Http;
        var headers = request.Headers;
        if (headers.NonValidated.TryGetValues(name, out var values))
        {
            // The app's own, such as the deadline of a gRPC client: it may only be shortened.
            var own = values.ToString();
            if ((isGrpc ? TimeoutHeader.TryParseGrpc(own, out var limit) : TimeoutHeader.TryParseMilliseconds(own, out limit)) && limit <= left)
            {
                return;
            }

            attempt.AppTimeout = own;
            headers.Remove(name);
        }

        headers.TryAddWithoutValidation(name, isGrpc ? TimeoutHeader.GrpcTimeout(left) : TimeoutHeader.Milliseconds(left));
        attempt.TimeoutHeader = name;
    }

    public static void Restore(OutboundAttempt attempt)
    {
        if (attempt.TimeoutHeader is not { } name)
        {
            return;
        }

        attempt.TimeoutHeader = null;
        attempt.Request.Headers.Remove(name);
        if (attempt.AppTimeout is { } own)
        {
            attempt.Request.Headers.TryAddWithoutValidation(name, own);
        }
    }
}
