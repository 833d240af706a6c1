using System.Security.Authentication;
using System.Text;
using MeshClient.Configuration;
using MeshClient.Outbound;
using MeshClient.Testing;
using MeshClient.Tests.Support;
using MeshClient.TestSupport;
using Microsoft.AspNetCore.Http;

namespace MeshClient.Tests.Attacks;

/// <summary>
/// Servers at the address of an instance that are not the instance, or mean no good. The flaws of a certificate are in
/// <see cref="Outbound.PeerIdentityTests"/>; here is what a server may do besides.
/// </summary>
public sealed class ServerAttackTests
{
    private const string Domain = "spiffe://" + TestCertificateAuthority.DefaultTrustDomain;
    private const string Secret = "the-secret-of-the-call";
    private static readonly SslProtocols Tls11 = Enum.Parse<SslProtocols>("Tls11");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen")]
    [InlineData("\0\0\u0012\u0004\0\0\0\0\0")]
    [InlineData("SSH-2.0-OpenSSH_9.9\r\n")]
    // An alert, a record that is too long, a hello of 16 MiB, and a hello of the server that is none.
    [InlineData("\u0015\u0003\u0003\0\u0002\u0002\u0028")]
    [InlineData("\u0016\u0003\u0003\u00ff\u00ff\u0002\0\0\0")]
    [InlineData("\u0016\u0003\u0003\0\u0004\u0002\u00ff\u00ff\u00ff")]
    [InlineData("\u0016\u0003\u0003\0\u0006\u0002\0\0\u0002\u0003\u0003")]
    public async Task Call_ServerThatSpeaksNoTls_FailsAndShowsNothingOfTheCall(string answer)
    {
        await using var env = Start();
        var heard = new StringBuilder();
        var closed = 0;
        env.Own(Listed(env, RawPeer.Start(async (stream, _, cancellation) =>
        {
            var buffer = new byte[16384];
            var read = await stream.ReadAsync(buffer, cancellation);
            Hear(heard, buffer.AsSpan(0, read));
            await stream.WriteAsync(Encoding.Latin1.GetBytes(answer), cancellation);
            while ((read = await stream.ReadAsync(buffer, cancellation)) > 0)
            {
                Hear(heard, buffer.AsSpan(0, read));
            }

            Interlocked.Increment(ref closed);
        }, end: PeerEnd.Orderly)));

        var failure = await Assert.ThrowsAsync<MeshCallException>(() => CallAsync(env));

        Assert.Contains(failure.Reason, (IEnumerable<MeshFailureReason>)[MeshFailureReason.ConnectFailed, MeshFailureReason.PeerRefused]);
        await Eventually.HoldsAsync(() => Volatile.Read(ref closed) == failure.Attempts);
        lock (heard)
        {
            // TLS from the first byte: a handshake record.
            Assert.Equal('\u0016', heard[0]);
            Assert.DoesNotContain(Secret, heard.ToString(), StringComparison.Ordinal);
        }
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(Domain + "/ns/default/dc/dc1/svc/orders/")]
    [InlineData(Domain + "/ns/default/dc/dc1/svc/x/../orders")]
    [InlineData(Domain + "/ns/default/dc/dc1/svc/%6frders")]
    [InlineData(Domain + "/ns/default/dc/dc1/svc%2forders")]
    [InlineData(Domain + "/ns/default/dc/dc1/svc/ORDERS")]
    [InlineData(Domain + "/NS/default/DC/dc1/SVC/orders")]
    [InlineData(Domain + "/ns/dev/dc/dc1/svc/orders")]
    [InlineData(Domain + "/ns/default/dc/dc1/svc/orders?")]
    [InlineData(Domain + "/ns/default/dc/dc1/svc/orders#x")]
    [InlineData(Domain + ":8443/ns/default/dc/dc1/svc/orders")]
    [InlineData("spiffe://orders@" + TestCertificateAuthority.DefaultTrustDomain + "/ns/default/dc/dc1/svc/orders")]
    [InlineData("spiffe://evil.consul/ns/default/dc/dc1/svc/orders")]
    [InlineData(Domain + "/ns/default/dc/dc1/svc/web")]
    [InlineData(null)]
    public async Task Call_ServerWithAnIdThatOnlyLooksRight_IsRefusedBeforeAnythingIsSent(string? id)
    {
        await using var env = Start();
        // 2 049 bytes, one more than an id may have.
        id ??= (Domain + "/ns/default/dc/dc1/svc/orders").PadRight(2049, 's');
        using var leaf = env.Authority.Issue(new LeafBlueprint { Uris = [id] });
        var impostor = env.Own(await HttpPeer.StartAsync(context => context.Response.WriteAsync("impostor"), PeerTls.For(env.Authority, leaf)));
        env.List("orders", impostor.Port);

        var failure = await Assert.ThrowsAsync<MeshCallException>(() => CallAsync(env));

        Assert.Equal(MeshFailureReason.PeerRefused, failure.Reason);
        Assert.Equal(0, impostor.Requests);
        Assert.Equal(impostor.Connections, env.Logs.Lines.Count(line => line.Event.Id == 20));
        await Eventually.HoldsAsync(() => impostor.OpenConnections == 0);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Call_ServerWithACertificateOfManyKiB_IsRefused()
    {
        await using var env = Start();
        using var leaf = env.Authority.Issue(LeafBlueprint.For(env.Authority.IdOf(TestInstances.Service)) with
        {
            HostNames = Core.EquatableArray.From(Enumerable.Range(0, 4000).Select(i => $"{i:d8}.{new string('x', 40)}")),
        });
        var impostor = env.Own(await HttpPeer.StartAsync(context => context.Response.WriteAsync("impostor"), PeerTls.For(env.Authority, leaf)));
        env.List("orders", impostor.Port);

        await Assert.ThrowsAsync<MeshCallException>(() => CallAsync(env));

        Assert.Equal(0, impostor.Requests);
        await Eventually.HoldsAsync(() => impostor.OpenConnections == 0);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Call_ServerOfTls11_IsRefused()
    {
        await using var env = Start();
        var old = env.StartRaw(
            "orders", (stream, _, cancellation) => RawPeer.WriteAsync(stream, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", cancellation),
            PeerTls.For(env.Authority, "orders").Only(Tls11));

        await Assert.ThrowsAsync<MeshCallException>(() => CallAsync(env));

        Assert.True(old.Connections > 0);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Call_ServerThatAnswersTwice_CannotAnswerTheNextCallInAdvance()
    {
        await using var env = Start();
        var peer = env.StartRaw("orders", async (stream, number, cancellation) =>
        {
            while (await RawPeer.ReadHeadAsync(stream, cancellation) is not null)
            {
                // On its first connection it sends an answer nobody has asked for behind the one that was.
                var more = number == 1 ? "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged" : string.Empty;
                await RawPeer.WriteAsync(stream, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrue" + more, cancellation);
            }
        });

        // Open to HTTP/2 as well, the first call could make both connections.
        var client = env.Client();
        client.DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact;
        for (var i = 0; i < 5; i++)
        {
            Assert.Equal("true", await client.GetStringAsync(new Uri("https://orders/"), Token).BoundedAsync());
        }

        Assert.Equal(2, peer.Connections);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Call_ServerThatRenegotiates_IsLeft()
    {
        await using var env = Start(options => options.Defaults.MaxRetries = 0);
        var directory = Directory.CreateTempSubdirectory("mesh-server-");
        var port = RawPeer.ClosedPort();
        var leaf = env.Authority.IssueLeaf(TestInstances.Service);
        using var key = System.Security.Cryptography.X509Certificates.ECDsaCertificateExtensions.GetECDsaPrivateKey(leaf.Certificate)!;
        var (certificate, secret) = (Path.Combine(directory.FullName, "leaf"), Path.Combine(directory.FullName, "key"));
        File.WriteAllText(certificate, leaf.Certificate.ExportCertificatePem());
        File.WriteAllText(secret, key.ExportPkcs8PrivateKeyPem());
        using var server = OpenSslCommand.Start("s_server", "-accept", $"127.0.0.1:{port}", "-cert", certificate, "-key", secret, "-tls1_2", "-state");
        try
        {
            var said = new StringBuilder();
            var listening = Follow(server.StandardOutput, said);
            var errors = Follow(server.StandardError, said);
            await Eventually.HoldsAsync(() => Said(said, "ACCEPT"));
            env.List("orders", port);

            var calling = env.Client().PostAsync(new Uri("https://orders/"), new StringContent(Secret), Token);
            // It has the whole call, and instead of an answer asks for another handshake: a line that begins with r.
            await Eventually.HoldsAsync(() => Said(said, Secret));
            await server.StandardInput.WriteLineAsync("r".AsMemory(), Token);
            await server.StandardInput.FlushAsync(Token);

            var failure = await Assert.ThrowsAsync<MeshCallException>(() => calling.BoundedAsync());
            Assert.Equal(MeshFailureReason.TransportFailed, failure.Reason);
            Assert.Equal(0, env.State("orders").InFlight);
            server.Kill();
            await Task.WhenAll(listening, errors).BoundedAsync();
        }
        finally
        {
            if (!server.HasExited)
            {
                server.Kill();
            }

            directory.Delete(recursive: true);
        }
    }

    internal static MeshTestEnvironment Start(Action<MeshOptions>? options = null) => new(options);

    internal static RawPeer Listed(MeshTestEnvironment env, RawPeer peer)
    {
        env.List("orders", peer.Port);
        return peer;
    }

    internal static Task<HttpResponseMessage> CallAsync(MeshTestEnvironment env) =>
        env.Client().PostAsync(new Uri($"https://orders/{Secret}"), new StringContent(Secret), Token).BoundedAsync();

    private static void Hear(StringBuilder heard, ReadOnlySpan<byte> bytes)
    {
        lock (heard)
        {
            heard.Append(Encoding.Latin1.GetString(bytes));
        }
    }

    private static bool Said(StringBuilder said, string what)
    {
        lock (said)
        {
            return said.ToString().Contains(what, StringComparison.Ordinal);
        }
    }

    private static async Task Follow(StreamReader reader, StringBuilder said)
    {
        var buffer = new char[1024];
        int read;
        while ((read = await reader.ReadAsync(buffer, Token)) > 0)
        {
            lock (said)
            {
                said.Append(buffer, 0, read);
            }
        }
    }
}
