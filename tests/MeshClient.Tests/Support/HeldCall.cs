using Microsoft.AspNetCore.Http;

namespace MeshClient.Tests.Support;

/// <summary>A call whose answer's body is held open until it is told to end.</summary>
internal sealed class HeldCall : IAsyncDisposable
{
    private readonly TaskCompletionSource _end = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private HeldCall()
    {
    }

    public HttpResponseMessage Response { get; private set; } = null!;

    public HttpPeer Peer { get; private set; } = null!;

    /// <summary>Starts an instance of <c>orders</c> and a call to it.</summary>
    public static async Task<HeldCall> StartAsync(MeshTestEnvironment env)
    {
        var held = new HeldCall();
        held.Peer = await env.StartAsync("orders", async context =>
        {
            await context.Response.WriteAsync("a", context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
            await held._end.Task.WaitAsync(context.RequestAborted);
        });
        held.Response = await env.Client().GetAsync(
            "http://orders/", HttpCompletionOption.ResponseHeadersRead, MeshTestEnvironment.Token).BoundedAsync();
        return held;
    }

    /// <summary>Lets the server end the body, without reading it.</summary>
    public void LetEnd() => _end.TrySetResult();

    /// <summary>Reads to the end.</summary>
    public async Task<string> EndAsync()
    {
        LetEnd();
        return await Response.Content.ReadAsStringAsync(MeshTestEnvironment.Token).BoundedAsync();
    }

    public ValueTask DisposeAsync()
    {
        LetEnd();
        Response.Dispose();
        return ValueTask.CompletedTask;
    }
}
