using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace MeshClient.FunctionalTests.Databases;

/// <summary>What ends one direction on one side ends it on the other, after everything that came before.</summary>
public sealed class LargeTransferTests
{
    private const int Limit = 180_000;
    private const int Bytes = 64 << 20;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact(Timeout = Limit)]
    public async Task HalfClose_After64Megabytes_TheAnswerComesWholeAndEndsToo()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        // Hears all of it, to the end, before it says anything: then what it has heard, backwards.
        var serving = Task.Run(async () =>
        {
            while (!await ServeAsync(await listener.AcceptTcpClientAsync(Token)))
            {
                // The question that was meant comes later.
            }
        }, Token);
        await using var mesh = await DatabaseMesh.StartAsync("mirror", ((IPEndPoint)listener.LocalEndpoint).Port);
        await mesh.AllowAsync();
        await MeshHosts.WaitUntilAsync(async () => await MirrorAsync(mesh, "ab"u8.ToArray()) is [(byte)'b', (byte)'a']);
        var sent = RandomNumberGenerator.GetBytes(Bytes);

        var answer = await MirrorAsync(mesh, sent);

        await serving;
        Array.Reverse(sent);
        Assert.Equal(Convert.ToHexString(SHA256.HashData(sent)), Convert.ToHexString(SHA256.HashData(answer)));
    }

    private static async Task<bool> ServeAsync(TcpClient client)
    {
        using (client)
        {
            try
            {
                using var heard = new MemoryStream();
                await client.GetStream().CopyToAsync(heard, Token);
                var answer = heard.ToArray();
                Array.Reverse(answer);
                await client.GetStream().WriteAsync(answer, Token);
                client.Client.Shutdown(SocketShutdown.Send);
                return answer.Length == Bytes;
            }
            catch (Exception e) when (e is IOException or SocketException)
            {
                // One that only looked whether there is somebody.
                return false;
            }
        }
    }

    private static async Task<byte[]> MirrorAsync(DatabaseMesh mesh, byte[] bytes)
    {
        using var client = new TcpClient();
        try
        {
            await client.ConnectAsync(IPAddress.Loopback, mesh.LocalPort, Token);
            var stream = client.GetStream();
            await stream.WriteAsync(bytes, Token);
            client.Client.Shutdown(SocketShutdown.Send);
            using var answer = new MemoryStream();
            await stream.CopyToAsync(answer, Token);
            return answer.ToArray();
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            // Reset, before the intention was there.
            return [];
        }
    }
}
