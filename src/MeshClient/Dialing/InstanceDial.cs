using System.Net;
using System.Security.Authentication;
using MeshClient.Outbound;

namespace MeshClient.Dialing;

/// <summary>Opens the connection of an attempt at the instance picked: what sending the request is to other calls.</summary>
internal static class InstanceDial
{
    /// <exception cref="HttpRequestException">None could be opened; in the form in which the outcomes of all attempts are judged.</exception>
    /// <exception cref="OperationCanceledException">The attempt's time is over, or it was given up.</exception>
    public static async Task<HttpResponseMessage> OpenAsync(OutboundAttempt attempt)
    {
        var request = (DialRequest)attempt.Call.Request;
        try
        {
            var opened = await attempt.Instance.Transport.DialAsync(attempt.Timer!.Token).ConfigureAwait(false);
            return new HttpResponseMessage(HttpStatusCode.OK)
            {
                Content = new DialedContent(new DialedConnection(
                    opened, attempt.Instance.Description, attempt.Call.Destination.Service.Settings.AttemptTimeout, request.Count, request.Time)),
            };
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            var error = e is AuthenticationException ? HttpRequestError.SecureConnectionError : HttpRequestError.ConnectionError;
            throw new HttpRequestException(error, e.Message, e);
        }
    }
}
