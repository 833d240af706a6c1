using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace MeshClient.AspNetCore.Inbound;

/// <summary>One step on the way of a request into the app: of its connection, or of the request itself.</summary>
/// <param name="Name">The step's name.</param>
/// <param name="OnListener">What it adds to the mesh listener; null for a step of the request.</param>
/// <param name="OnRequest">How it wraps what lies below; null for a step of the connection.</param>
internal sealed record InboundStage(
    string Name, Action<ListenOptions>? OnListener, Func<RequestDelegate, RequestDelegate>? OnRequest)
{
    public static InboundStage ForConnection(string name, Action<ListenOptions> onListener) => new(name, onListener, null);

    public static InboundStage ForRequest(string name, Func<RequestDelegate, RequestDelegate> onRequest) => new(name, null, onRequest);
}
