using System.Net;
using System.Text;
using MeshClient.Server.Tests.Support;

namespace MeshClient.Server.Tests.Api;

/// <summary>Bodies and paths that nobody would send: never a 500, never a broken connection, and the server lives on.</summary>
public sealed class FuzzTests
{
    private static readonly string[] Seeds =
    [
        """{"ID":"web1","Name":"web","Tags":["v1"],"Address":"127.0.0.1","Port":9001,"Meta":{"version":"1.0"},"Weights":{"Passing":10,"Warning":1},"Check":{"Name":"c","TTL":"30m"},"Checks":[{"CheckID":"x","TTL":"10s","DeregisterCriticalServiceAfter":"90m"}],"Connect":{"Native":true},"TaggedAddresses":{"lan":{"address":"127.0.0.1","port":1}}}""",
        """{"Name":"p","Kind":"connect-proxy","Port":1,"Proxy":{"DestinationServiceName":"web","Config":{"a":[1,{"b":null}]},"Upstreams":[{}],"Expose":{}}}""",
        """{"SourceName":"a","DestinationName":"b","Permissions":[{"Action":"allow","HTTP":{"PathRegex":"/a[0-9]+","Methods":["GET"],"Header":[{"Name":"x","Regex":"a|b","Invert":true}]},"JWT":{}}],"Meta":{"k":"v"}}""",
        """{"Provider":"consul","Config":{"LeafCertTTL":"24h","PrivateKeyBits":256,"PrivateKeyType":"ec"}}""",
        """{"Target":"orders","ClientCertURI":"spiffe://d/ns/default/dc/dc1/svc/web","ClientCertSerial":"0b"}""",
        """{"Kind":"service-router","Name":"a","Routes":[{"Match":{"HTTP":{"PathPrefix":"/a","Header":[{"Name":"x","Regex":"a|b"}]}},"Destination":{"RequestTimeout":"5s","NumRetries":3,"RetryOn":["5xx"],"RequestHeaders":{"Set":{"a":"b"}}}}]}""",
        """{"Kind":"service-resolver","Name":"a","ConnectTimeout":"5s","Subsets":{"v1":{"Filter":"Service.Meta.v == 1"}},"Failover":{"*":{"Datacenters":["dc2"]}},"LoadBalancer":{"Policy":"maglev","HashPolicies":[{"Field":"header","FieldValue":"x"}]}}""",
        """{"Kind":"service-splitter","Name":"a","Splits":[{"Weight":50.5,"Service":"b"},{"Weight":49.5}]}""",
        """{"Kind":"proxy-defaults","Config":{"protocol":"http","a":[1,{"b":null}]}}""",
        """{"Kind":"service-intentions","Name":"a","Sources":[{"Name":"web","Permissions":[{"Action":"allow","HTTP":{"PathRegex":"/a","Header":[{"Name":"x","Present":true}]},"JWT":{"Providers":[{"Name":"okta"}]}}]}],"Meta":{"k":"v"}}""",
        """{"Name":"q","Service":{"Service":"web","Tags":["a"],"NodeMeta":{"k":"v"},"Failover":{"NearestN":1,"Datacenters":["dc2"]}},"DNS":{"TTL":"10s"}}""",
        """{"OverrideConnectTimeout":"7s","OverrideProtocol":"grpc","OverrideMeshGateway":{"Mode":"remote"}}""",
        """{"Status":"passing","Output":"\u00e9\ud83d\ude00"}""",
        """{"Name":"probe","HTTP":"http://127.0.0.1:1/x","Method":"GET","Header":{"a":["b"]},"Body":"b","Interval":"30h","Timeout":"1s","TLSSkipVerify":true,"SuccessBeforePassing":1,"FailuresBeforeCritical":2,"OutputMaxSize":5}""",
        """{"Name":"tcp","TCP":"127.0.0.1:1","Interval":"30h"}""",
        """{"Name":"grpc","GRPC":"127.0.0.1:1/s","GRPCUseTLS":true,"Interval":"30h"}""",
        """{"Name":"alias","AliasNode":"n1","AliasService":"web1"}""",
        """{"Node":"ext1","Address":"127.0.0.9","ID":"aaaaaaaa-2222-3333-4444-555555555555","NodeMeta":{"k":"v"},"TaggedAddresses":{"lan":"127.0.0.9"},"SkipNodeUpdate":false,"Service":{"ID":"e","Service":"e","Port":1,"Tags":["t"],"Connect":{"Native":true}},"Check":{"CheckID":"c","Name":"c","Status":"passing","ServiceID":"e","Definition":{"TCP":"127.0.0.9:81","Interval":"5s","Header":{"a":["b"]}}},"Checks":[{"CheckID":"d","Status":"warning"}]}""",
        """{"Node":"ext1","ServiceID":"e","CheckID":"c","Datacenter":"dc1"}""",
    ];

    private static readonly string[] Pieces =
        ["null", "[]", "{}", "\"\"", "-1", "1e999", "18446744073709551616", "true", "\"\\ud800\"", "{\"a\":", "]", "}", ",", ":", "\\", "\u0000", "\"*\"", "[[[[", "\"10 parsecs\"", "\"-1s\"", "0.1"];

    private static readonly (string Method, string Path)[] Calls =
    [
        ("PUT", "/v1/agent/service/register"), ("PUT", "/v1/agent/check/register"), ("PUT", "/v1/agent/check/update/service:web1"),
        ("POST", "/v1/connect/intentions"), ("PUT", "/v1/connect/intentions/exact?source=a&destination=b"),
        ("POST", "/v1/agent/connect/authorize"), ("PUT", "/v1/connect/ca/configuration"), ("POST", "/v1/discovery-chain/x"),
        ("POST", "/v1/agent/connect/ca/sign/x"), ("PUT", "/v1/config"), ("PUT", "/v1/config"), ("PUT", "/v1/config?cas=0"), ("POST", "/v1/query"),
        ("PUT", "/v1/catalog/register"), ("PUT", "/v1/catalog/deregister"),
    ];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task AnyBody_IsTakenOrRefusedButNeverBreaksTheServer(int seed)
    {
        await using var server = await TestServer.StartAsync();
        var random = new Random(seed);
        for (var i = 0; i < 1500; i++)
        {
            var (method, path) = Calls[random.Next(Calls.Length)];
            var body = Mutate(random);
            using var request = new HttpRequestMessage(new HttpMethod(method), new Uri(server.Address, path)) { Content = new ByteArrayContent(body) };
            using var response = await server.Http.SendAsync(request, TestServer.Cancellation);
            var sentence = await response.Content.ReadAsStringAsync(TestServer.Cancellation);
            Assert.True(
                (int)response.StatusCode is 200 or 400 or 404 || sentence == "No path to datacenter",
                $"seed {seed}, round {i}: {method} {path} with {Convert.ToBase64String(body)} answered {(int)response.StatusCode}");
        }

        // Whatever got in can be read again.
        foreach (var path in new[] { "/v1/agent/services", "/v1/agent/checks", "/v1/catalog/services", "/v1/connect/intentions", "/v1/health/service/web", "/v1/connect/ca/configuration", "/v1/config/", "/v1/discovery-chain/a", "/v1/query", "/v1/catalog/nodes", "/v1/health/state/any", "/v1/internal/ui/nodes", "/v1/internal/ui/services" })
        {
            var answer = await server.GetAsync(path);
            Assert.Equal(HttpStatusCode.OK, answer.Status);
            Assert.NotEqual(System.Text.Json.JsonValueKind.Undefined, answer.Json.ValueKind);
        }
    }

    [Fact]
    public async Task AnyQuery_IsTakenOrRefusedButNeverBreaksTheServer()
    {
        await using var server = await TestServer.StartAsync();
        var random = new Random(4);
        string[] paths = ["/v1/health/service/", "/v1/catalog/services", "/v1/agent/service/", "/v1/connect/intentions/match", "/v1/agent/connect/ca/leaf/", "/v1/config/", "/v1/discovery-chain/", "/v1/query/", "/v1/"];
        string[] rests = ["", "x", "%2F", "%00", "%zz", "a/b/c", "..", "%2e%2e", "é", "x%20y"];
        string[] names = ["index", "wait", "passing", "tag", "dc", "by", "name", "hash", "stale", "consistent", "cached", "pretty", "node-meta", "max_stale", "filter", "limit", "connect", "cas", "near", "compile-dc"];
        string[] values = ["", "1", "0", "-1", "abc", "1s", "100ms", "18446744073709551616", "%00", "%ff", "destination", "true"];
        for (var i = 0; i < 1500; i++)
        {
            var query = string.Join('&', Enumerable.Range(0, random.Next(5)).Select(_ => $"{names[random.Next(names.Length)]}={values[random.Next(values.Length)]}"));
            var path = paths[random.Next(paths.Length)] + rests[random.Next(rests.Length)];
            var read = server.GetAsync($"{path}?{query}");
            while (await Task.WhenAny(read, Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, TestServer.Cancellation)) != read)
            {
                // It waits for something newer: let its time run out.
                server.Time.Advance(TimeSpan.FromMinutes(11));
            }

            var answer = await read;
            Assert.True(
                (int)answer.Status is 200 or 400 or 404 || answer.Body == "No path to datacenter",
                $"round {i}: GET {path}?{query} answered {(int)answer.Status} {answer.Body}");
        }
    }

    private static byte[] Mutate(Random random)
    {
        var text = new StringBuilder(Seeds[random.Next(Seeds.Length)]);
        for (var i = random.Next(4); i > 0; i--)
        {
            var position = random.Next(text.Length + 1);
            switch (random.Next(4))
            {
                case 0:
                    text.Insert(position, Pieces[random.Next(Pieces.Length)]);
                    break;
                case 1:
                    text.Remove(position, Math.Min(random.Next(12), text.Length - position));
                    break;
                case 2:
                    text.Length = position;
                    break;
                default:
                    // A value for another one, so that the body stays JSON and gets past the parser.
                    var from = text.ToString().IndexOf(':', position);
                    if (from >= 0)
                    {
                        var to = text.ToString().IndexOfAny([',', '}'], from);
                        text.Remove(from + 1, (to < 0 ? text.Length : to) - from - 1).Insert(from + 1, Pieces[random.Next(Pieces.Length)]);
                    }

                    break;
            }
        }

        var bytes = Encoding.UTF8.GetBytes(text.ToString());
        if (bytes.Length > 0 && random.Next(10) == 0)
        {
            bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
        }

        return bytes;
    }
}
