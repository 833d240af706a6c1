using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using MeshClient.TestSupport;
using MeshClient.Tool.CommandLine;

namespace MeshClient.Tool.Tests;

/// <summary><c>forward</c> and <c>expose</c>: two programs that know nothing of the mesh, over it.</summary>
public sealed class ForwardVerbTests(RunningMeshServer registry) : IClassFixture<RunningMeshServer>
{
    private const int Limit = 90_000;
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(20);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact(Timeout = Limit)]
    public async Task ForwardAndExpose_AllowedByAnIntention_LeadOneProgramToTheOther()
    {
        using var program = new TcpListener(IPAddress.Loopback, 0);
        program.Start();
        var serving = ServeAsync(program);
        var local = FreePorts.Find(1)[0];
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var expose = RunAsync(stop.Token, "expose", "echo", "--target", Name(program), "--listen", "127.0.0.1:0", "--address", registry.Address.ToString());
        var forward = RunAsync(stop.Token, "forward", "echo", "--as", "shell", "--listen", $"127.0.0.1:{local}", "--address", registry.Address.ToString());
        using var http = new HttpClient { BaseAddress = registry.Address };
        using var answer = await http.PutAsJsonAsync("/v1/connect/intentions/exact?source=shell&destination=echo", new { Action = "allow" }, Token);
        answer.EnsureSuccessStatusCode();

        var heard = string.Empty;
        while (heard != "hello")
        {
            Assert.False(expose.IsCompleted || forward.IsCompleted, "One of the commands has ended.");
            heard = await AskAsync(local);
            await Task.Delay(Look, TimeProvider.System, Token);
        }

        await stop.CancelAsync();
        await Task.WhenAll(expose, forward);
        program.Stop();
        await serving;
    }

    [Fact]
    public async Task Forward_ToWhereOthersCouldReachIt_IsRefusedUnlessToldOtherwise()
    {
        var run = await ToolRun.StartAsync("forward", "echo", "--as", "shell", "--listen", "0.0.0.0:0");
        Assert.Equal(ExitCodes.Usage, run.ExitCode);
        Assert.Contains("which other machines may reach", run.Errors, StringComparison.Ordinal);
    }

    private static async Task RunAsync(CancellationToken stop, params string[] arguments)
    {
        await using var output = new StringWriter();
        await using var errors = new StringWriter();
        await MeshClientCommand.RunAsync(arguments, output, errors, stop);
    }

    private static string Name(TcpListener listener) => string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}");

    private static async Task<string> AskAsync(int port)
    {
        try
        {
            using var client = new TcpClient();
            await client.ConnectAsync(IPAddress.Loopback, port, Token);
            var stream = client.GetStream();
            await stream.WriteAsync("hello"u8.ToArray(), Token);
            client.Client.Shutdown(SocketShutdown.Send);
            using var reader = new StreamReader(stream);
            return await reader.ReadToEndAsync(Token);
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            return string.Empty;
        }
    }

    private static async Task ServeAsync(TcpListener listener)
    {
        try
        {
            while (true)
            {
                using var client = await listener.AcceptTcpClientAsync(Token);
                await EchoAsync(client);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // It is over.
        }
    }

    private static async Task EchoAsync(TcpClient client)
    {
        try
        {
            await client.GetStream().CopyToAsync(client.GetStream(), Token);
        }
        catch (IOException)
        {
            // This one is over. The next may do better.
        }
    }
}
