using Microsoft.AspNetCore.Connections;

namespace Tour;

/// <summary>Sends back whatever comes, until no more does.</summary>
internal sealed class Telegraph : ConnectionHandler
{
    public override Task OnConnectedAsync(ConnectionContext connection) =>
        connection.Transport.Input.CopyToAsync(connection.Transport.Output, connection.ConnectionClosed);
}
