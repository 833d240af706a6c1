using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.Extensions.Logging;

namespace MeshClient.AspNetCore.Connections;

/// <summary>Asks a connection to end when it has done its present work.</summary>
internal static partial class ClosingRequest
{
    /// <summary>Cancelled when a connection is asked.</summary>
    public static CancellationToken Of(ConnectionContext connection) =>
        connection.Features.Get<IConnectionLifetimeNotificationFeature>()?.ConnectionClosedRequested ?? CancellationToken.None;

    /// <summary>Asks. What the app has registered for that happens before this returns.</summary>
    public static void Ask(ConnectionContext connection, ILogger logger)
    {
        try
        {
            connection.Features.Get<IConnectionLifetimeNotificationFeature>()?.RequestClose();
        }
        catch (AggregateException e)
        {
            // The app's own. Neither the other connections, nor the drain or the timer that asks, may end by it.
            LogCallbackFailed(logger, connection.RemoteEndPoint, e);
        }
    }

    [LoggerMessage(114, LogLevel.Error, "What the app does when a connection is to end (ConnectionClosedRequested) failed for the one from {Remote}.")]
    private static partial void LogCallbackFailed(ILogger logger, EndPoint? remote, Exception failure);
}
