using System.IO.Pipelines;
using System.Text;
using MeshClient.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.AspNetCore.Tests.Support;

/// <summary>A connection of pipes for one stage of a listener, as it is once TLS has been agreed on.</summary>
internal static class StageConnection
{
    /// <param name="input">What the peer says.</param>
    /// <param name="output">What is said to it.</param>
    /// <param name="protocol">What was agreed on with it.</param>
    /// <param name="closing">Cancelled when the connection is asked to end.</param>
    public static DefaultConnectionContext Create(PipeReader input, PipeWriter output, string protocol, CancellationToken closing)
    {
        var connection = new DefaultConnectionContext { Transport = new ConnectionEnds(input, output) };
        connection.Features.Set<ITlsApplicationProtocolFeature>(new Agreed(protocol));
        connection.Features.Set<IConnectionLifetimeNotificationFeature>(new ToBeClosed { ConnectionClosedRequested = closing });
        return connection;
    }

    /// <summary>Has a stage serve it.</summary>
    /// <param name="connection">The connection.</param>
    /// <param name="use">Adds the stage to a listener.</param>
    /// <param name="serve">What comes after the stage.</param>
    public static Task ServeAsync(ConnectionContext connection, Action<IConnectionBuilder> use, Func<ConnectionContext, Task> serve)
    {
        var listener = new ConnectionBuilder(new ServiceCollection().BuildServiceProvider());
        use(listener);
        listener.Run(served => serve(served));
        return listener.Build()(connection);
    }

    private sealed class Agreed(string protocol) : ITlsApplicationProtocolFeature
    {
        public ReadOnlyMemory<byte> ApplicationProtocol { get; } = Encoding.ASCII.GetBytes(protocol);
    }

    private sealed class ToBeClosed : IConnectionLifetimeNotificationFeature
    {
        public CancellationToken ConnectionClosedRequested { get; set; }

        public void RequestClose() => throw new NotSupportedException();
    }
}
