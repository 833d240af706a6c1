using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Testing;

namespace MeshClient.AspNetCore.Tests.Attacks;

/// <summary>Callers that speak no TLS, begin it and do not end it, or begin it with more than anybody should have to read.</summary>
public sealed class HandshakeAttackTests
{
    // By its number: the framework's own name for it is obsolete.
    private static readonly SslProtocols Tls11 = Enum.Parse<SslProtocols>("Tls11");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("GET /hello HTTP/1.1\r\nHost: orders\r\n\r\n")]
    [InlineData("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u0004\0\0\0\0\0")]
    [InlineData("PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nGET /hello HTTP/1.1\r\nHost: orders\r\n\r\n")]
    [InlineData("SSH-2.0-OpenSSH_9.9\r\n")]
    // The hello of SSL 2, a record of an unknown kind, and an alert in place of a hello.
    [InlineData("\u0080\u002e\u0001\u0003\u0001\0\u0015\0\0\0\u0010\u0001\0\u0080\u0003\0\u0080\u0007\0\u00c0")]
    [InlineData("\u0099\u0003\u0003\0\u0004abcd")]
    [InlineData("\u0015\u0003\u0003\0\u0002\u0002\u0028")]
    // A record of 65 535 bytes, which none may have; a hello of none at all.
    [InlineData("\u0016\u0003\u0001\u00ff\u00ff\u0001\0\u00ff\u00fb\u0003\u0003")]
    [InlineData("\u0016\u0003\u0001\0\u0004\u0001\0\0\0")]
    public async Task Connect_WithAnythingButTls_IsAnsweredByNoHttp(string bytes)
    {
        await using var service = await AttackedService.StartAsync(inbound: options => options.HandshakeTimeout = TimeSpan.FromSeconds(4));
        await using (var stream = await service.ConnectAsync())
        {
            await stream.WriteAsync(Encoding.Latin1.GetBytes(bytes), Token);

            Assert.DoesNotContain("HTTP", await AttackedService.ReadToEndAsync(stream), StringComparison.Ordinal);
        }

        await service.AssertHandshakesRefusedAsync("incomplete");
        await service.AssertCallIsServedAsync();
    }

    [Fact]
    public async Task Connect_WithTls11Only_IsRefused()
    {
        await using var service = await AttackedService.StartAsync();

        Assert.Null(await service.TryCallAsync(service.GoodCertificate(), Tls11));

        Assert.Empty(service.Served);
        await service.AssertNothingHeldAsync();
    }

    [Fact]
    public async Task Connect_AndLeaveAtOnce_IsNoMoreThanACount()
    {
        await using var service = await AttackedService.StartAsync();
        for (var i = 0; i < 20; i++)
        {
            await (await service.ConnectAsync()).DisposeAsync();
        }

        await service.AssertHandshakesRefusedAsync("incomplete", 20);
        Assert.Equal(Microsoft.Extensions.Logging.LogLevel.Information, Assert.Single(service.Host.Logs.Of(103)).Level);
    }

    [Fact]
    public async Task Connect_AHelloThatNeverEnds_IsEndedBeforeItFillsAnything()
    {
        await using var service = await AttackedService.StartAsync(inbound: options => options.HandshakeTimeout = TimeSpan.FromMinutes(5));
        await using (var stream = await service.ConnectAsync())
        {
            // A hello that says it has 16 MiB, in records of 16 KiB.
            var record = new byte[5 + 16384];
            (record[0], record[1], record[2], record[3]) = (0x16, 3, 1, 0x40);
            var first = record.ToArray();
            (first[5], first[6], first[7], first[8]) = (1, 0xff, 0xff, 0xff);
            try
            {
                await stream.WriteAsync(first, Token);
                for (var i = 0; i < 1024; i++)
                {
                    await stream.WriteAsync(record, Token).AsTask().Bounded();
                }
            }
            catch (IOException)
            {
                // That it does not take all of it is what is wanted.
            }

            await AttackedService.ReadToEndAsync(stream);
        }

        await service.AssertHandshakesRefusedAsync("incomplete");
        await service.AssertCallIsServedAsync();
    }

    [Theory]
    [InlineData(SslProtocols.Tls12)]
    [InlineData(SslProtocols.Tls13)]
    public async Task Connect_WithACertificateOfManyKiB_IsRefused(SslProtocols version)
    {
        await using var service = await AttackedService.StartAsync();
        using var large = service.Authority.Issue(LeafBlueprint.For(service.Authority.IdOf(InboundTestHost.Web)) with
        {
            HostNames = Core.EquatableArray.From(Enumerable.Range(0, 4000).Select(i => $"{i:d8}.{new string('x', 40)}")),
        });
        Assert.True(large.Certificate.RawData.Length > 180 * 1024);

        Assert.Null(await service.TryCallAsync(MeshCaller.ContextOf(large), version));

        await service.AssertHandshakesRefusedAsync("incomplete");
        await service.AssertCallIsServedAsync();
    }

    [Theory]
    [InlineData(90, 0, "untrusted")]
    [InlineData(50, 4096, "incomplete")]
    public async Task Connect_WithAChainOfManyCertificates_IsRefused(int length, int padding, string reason)
    {
        await using var service = await AttackedService.StartAsync();
        using var chain = LongChain.Make(service.Authority.IdOf(InboundTestHost.Web).ToString(), length, padding);

        Assert.Null(await service.TryCallAsync(chain.Context));

        await service.AssertHandshakesRefusedAsync(reason);
        await service.AssertCallIsServedAsync();
    }

    /// <summary>A leaf under a chain of intermediates that nobody trusts, all of which are sent.</summary>
    private sealed class LongChain : IDisposable
    {
        private readonly List<X509Certificate2> _certificates = [];

        public required SslStreamCertificateContext Context { get; init; }

        public static LongChain Make(string id, int length, int padding)
        {
            var now = TimeProvider.System.GetUtcNow();
            using var rootKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var issuer = Request("CN=0", rootKey, isAuthority: true).CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
            var sent = new List<X509Certificate2>();
            for (var i = 1; i <= length; i++)
            {
                using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
                var request = Request($"CN={i}", key, isAuthority: i < length);
                // An extension nobody knows and nobody has to heed.
                request.CertificateExtensions.Add(new X509Extension("1.3.6.1.4.1.99999.1", new byte[padding], critical: false));
                if (i == length)
                {
                    var names = new SubjectAlternativeNameBuilder();
                    names.AddUri(new Uri(id));
                    request.CertificateExtensions.Add(names.Build());
                }

                using var certificate = request.Create(issuer, now.AddDays(-1), now.AddDays(1), [1, (byte)(i >> 8), (byte)i]);
                sent.Add(issuer);
                issuer = certificate.CopyWithPrivateKey(key);
            }

            var chain = new LongChain { Context = SslStreamCertificateContext.Create(issuer, [.. Enumerable.Reverse(sent)], offline: true) };
            chain._certificates.AddRange([issuer, .. sent]);
            return chain;
        }

        public void Dispose() => _certificates.ForEach(one => one.Dispose());

        private static CertificateRequest Request(string name, ECDsa key, bool isAuthority)
        {
            var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256);
            request.CertificateExtensions.Add(new X509BasicConstraintsExtension(isAuthority, false, 0, critical: true));
            return request;
        }
    }
}
