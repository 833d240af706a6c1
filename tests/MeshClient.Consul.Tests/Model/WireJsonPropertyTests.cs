using System.Globalization;
using System.Net;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using MeshClient.Consul.Tests.Fakes;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Naming;

namespace MeshClient.Consul.Tests.Model;

/// <summary>Whatever a registry answers, a read gives a value or a <see cref="ControlPlaneException"/>, and nothing else.</summary>
public sealed class WireJsonPropertyTests
{
    private const int Rounds = 3000;
    private static readonly ServiceName Orders = ServiceName.Parse("orders");

    private static readonly string[] Samples =
    [
        HealthJson.List(HealthJson.Native("orders", "a"), HealthJson.Plain("orders", "b"), HealthJson.Proxy("orders", "b", "c")),
        """{"orders":[{"ID":"1","SourceName":"web","DestinationName":"orders","Action":"allow","JWT":null,"Permissions":[{"Action":"allow","HTTP":{"PathPrefix":"/","Methods":["GET"],"Header":[{"Name":"a","Present":true}]}}]}]}""",
        """{"TrustDomain":"d.consul","ActiveRootID":"a","Roots":[{"ID":"a","RootCert":"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n","IntermediateCerts":null}]}""",
        """{"SerialNumber":"0b","CertPEM":"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n","PrivateKeyPEM":"-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n"}""",
    ];

    private static readonly string[] Pieces =
    [
        "null", "[]", "{}", "0", "-1", "1e999", "18446744073709551616", "true", "\"\"", "\"x\"", "\"\\ud800\"", "\"\\u0000\"", "[[[[", "}",
        "]", ",", ":", "\u0001", "\u00ff", "{\"a\":", "\"Port\":", "\"Checks\":",
    ];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Read_DamagedAnswers_AreReadOrMalformed(int seed)
    {
        var random = new Random(seed);
        for (var i = 0; i < Rounds; i++)
        {
            await ReadAllAsync(Damage(random, Encoding.UTF8.GetBytes(Samples[random.Next(Samples.Length)])));
        }
    }

    [Fact]
    public void Read_AnyBytes_AreReadOrMalformed() =>
        Prop.ForAll<byte[]>(body => ReadAllAsync(body).GetAwaiter().GetResult()).Check(Config.QuickThrowOnFailure.WithMaxTest(500));

    [Fact]
    public async Task Read_DeeplyNestedAnswer_IsMalformed() =>
        await ReadAllAsync(Encoding.UTF8.GetBytes(new string('[', 100_000)));

    private static byte[] Damage(Random random, byte[] sample)
    {
        var bytes = sample.ToList();
        for (var n = random.Next(1, 4); n > 0; n--)
        {
            var at = random.Next(bytes.Count);
            var piece = Encoding.Latin1.GetBytes(Pieces[random.Next(Pieces.Length)]);
            switch (random.Next(5))
            {
                case 0:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 1:
                    bytes.RemoveRange(at, Math.Min(random.Next(1, 30), bytes.Count - at));
                    break;
                case 2:
                    bytes.InsertRange(at, piece);
                    break;
                case 3:
                    // In the place of a value, so that what comes after is still well-formed.
                    var colon = bytes.IndexOf((byte)':', at);
                    var end = colon < 0 ? -1 : bytes.FindIndex(colon, b => b is (byte)',' or (byte)'}' or (byte)']');
                    if (end > 0)
                    {
                        bytes.RemoveRange(colon + 1, end - colon - 1);
                        bytes.InsertRange(colon + 1, piece);
                    }

                    break;
                default:
                    bytes.RemoveRange(at, bytes.Count - at);
                    break;
            }

            if (bytes.Count == 0)
            {
                break;
            }
        }

        return [.. bytes];
    }

    private static async Task ReadAllAsync(byte[] body)
    {
        using var plane = new ConsulControlPlane(new ConsulOptions(), TimeProvider.System, null, new Canned(body));
        await TryAsync(cancellation => plane.ReadInstancesAsync(Orders, 0, cancellation), body);
        await TryAsync(cancellation => plane.ReadIntentionsAsync(Orders, 0, cancellation), body);
        await TryAsync(cancellation => plane.ReadTrustBundleAsync(0, cancellation), body);
        await TryAsync(cancellation => plane.ReadLeafAsync(Orders, 0, cancellation), body);
    }

    private static async Task TryAsync(Func<CancellationToken, Task> read, byte[] body)
    {
        try
        {
            await read(TestContext.Current.CancellationToken);
        }
        catch (ControlPlaneException e) when (e.Failure is ControlPlaneFailure.Malformed or ControlPlaneFailure.Unavailable)
        {
        }
        catch (Exception e)
        {
            Assert.Fail(string.Create(CultureInfo.InvariantCulture, $"{e.GetType()} for {Encoding.Latin1.GetString(body)}: {e}"));
        }
    }

    private sealed class Canned(byte[] body) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var response = new HttpResponseMessage(HttpStatusCode.OK) { Content = new ByteArrayContent(body) };
            response.Headers.Add("X-Consul-Index", "5");
            return Task.FromResult(response);
        }
    }
}
