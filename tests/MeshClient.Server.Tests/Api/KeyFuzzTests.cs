using System.Net;
using System.Text;
using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using MeshClient.Server.Tests.Support;

namespace MeshClient.Server.Tests.Api;

/// <summary>Keys, values and bodies nobody would think of.</summary>
public sealed class KeyFuzzTests
{
    private static readonly string[] Pieces =
        ["a", "/", "//", ".", "..", "%", "%2F", " ", "?", "#", "+", "é", "\ud83d\ude00", "~", "\\", "\"", "<", "&", "=", "A", "index"];

    private static readonly string[] Seeds =
    [
        """[{"KV":{"Verb":"set","Key":"a","Value":"dmFs","Flags":7}},{"KV":{"Verb":"cas","Key":"a","Index":1}},{"KV":{"Verb":"get-tree","Key":"a"}}]""",
        """[{"KV":{"Verb":"lock","Key":"a","Session":"00000000-0000-0000-0000-000000000000"}},{"KV":{"Verb":"delete-tree","Key":""}}]""",
        """{"Name":"lock","TTL":"15s","LockDelay":"2s","Behavior":"delete","NodeChecks":["serfHealth"],"ServiceChecks":[{"ID":"x","Namespace":""}]}""",
    ];

    private static readonly string[] Values =
        ["null", "[]", "{}", "\"\"", "-1", "1e999", "18446744073709551616", "true", "\"\\ud800\"", "\"dmFs\"", "\"set\"", "\"=\"", "1", "[null]", "[[]]"];

    [Fact]
    public async Task AnyKey_IsReadBackAsItWasWritten()
    {
        await using var server = await TestServer.StartAsync();
        var keys = Gen.Elements(Pieces).NonEmptyListOf().Select(pieces => string.Concat(pieces)).Sample(300, 12).Distinct().ToList();
        foreach (var key in keys)
        {
            var value = "value of " + key;
            Assert.Equal((200, "true"), await SendAsync(server, "PUT", key, "", value));
            Assert.Equal((200, value), await SendAsync(server, "GET", key, "?raw", null));
        }

        var listed = (await server.GetAsync("/v1/kv/?keys")).Json.EnumerateArray().Select(key => key.GetString()).ToList();
        Assert.Equal(keys.Order(StringComparer.Ordinal), listed);
        foreach (var key in keys)
        {
            Assert.Equal((200, "true"), await SendAsync(server, "DELETE", key, "", null));
        }

        Assert.Equal(0, server.State.Keys.Count);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task AnyBody_IsTakenOrRefusedButNeverBreaksTheServer(int seed)
    {
        await using var server = await TestServer.StartAsync();
        var random = new Random(seed);
        for (var i = 0; i < 1500; i++)
        {
            var path = random.Next(2) == 0 ? "/v1/txn" : "/v1/session/create";
            var body = Mutate(random);
            using var content = new ByteArrayContent(body);
            using var response = await server.Http.PutAsync(new Uri(server.Address, path), content, TestServer.Cancellation);
            Assert.True(
                (int)response.StatusCode is 200 or 400 or 409,
                $"seed {seed}, round {i}: {path} with {Convert.ToBase64String(body)} answered {(int)response.StatusCode}");
        }

        foreach (var path in (string[])["/v1/session/list", "/v1/snapshot"])
        {
            Assert.Equal(HttpStatusCode.OK, (await server.GetAsync(path)).Status);
        }

        Assert.Equal(JsonValueKind.Array, (await server.GetAsync("/v1/session/list")).Json.ValueKind);
    }

    [Fact]
    public async Task AnyQuery_IsTakenOrRefusedButNeverBreaksTheServer()
    {
        await using var server = await TestServer.StartAsync();
        var random = new Random(3);
        string[] names = ["index", "wait", "recurse", "keys", "separator", "raw", "flags", "cas", "acquire", "release", "dc", "stale", "consistent"];
        string[] values = ["", "1", "0", "-1", "abc", "1ms", "18446744073709551615", "18446744073709551616", "%00", "/", "00000000-0000-0000-0000-000000000000"];
        for (var i = 0; i < 1500; i++)
        {
            var method = ((string[])["GET", "PUT", "DELETE"])[random.Next(3)];
            var query = string.Join('&', Enumerable.Range(0, random.Next(4)).Select(_ => $"{names[random.Next(names.Length)]}={values[random.Next(values.Length)]}"));
            var path = $"/v1/kv/{((string[])["", "a", "a/b", "%2F", "a/"])[random.Next(5)]}?{query}";
            var call = server.SendAsync(method, path, method == "PUT" ? "v" : null);
            while (await Task.WhenAny(call, Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, TestServer.Cancellation)) != call)
            {
                server.Time.Advance(TimeSpan.FromMinutes(11));
            }

            var answer = await call;
            Assert.True(
                (int)answer.Status is 200 or 400 or 404 || answer.Body == "No path to datacenter",
                $"round {i}: {method} {path} answered {(int)answer.Status} {answer.Body}");
        }
    }

    private static async Task<(int Status, string Body)> SendAsync(TestServer server, string method, string key, string query, string? body)
    {
        // Sent as it is: a client that tidies dots and escapes up would ask for another key.
        var uri = new Uri($"{server.Address.GetLeftPart(UriPartial.Authority)}/v1/kv/{Uri.EscapeDataString(key)}{query}", new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });
        using var request = new HttpRequestMessage(new HttpMethod(method), uri);
        if (body is not null)
        {
            request.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
        }

        using var response = await server.Http.SendAsync(request, TestServer.Cancellation);
        return ((int)response.StatusCode, await response.Content.ReadAsStringAsync(TestServer.Cancellation));
    }

    private static byte[] Mutate(Random random)
    {
        var text = new StringBuilder(Seeds[random.Next(Seeds.Length)]);
        for (var i = random.Next(4); i > 0; i--)
        {
            var position = random.Next(text.Length + 1);
            var from = text.ToString().IndexOf(':', position);
            if (from < 0 || random.Next(4) == 0)
            {
                text.Remove(position, Math.Min(random.Next(6), text.Length - position));
                continue;
            }

            // A value for another one, so that the body stays JSON and gets past the parser.
            var to = text.ToString().IndexOfAny([',', '}'], from);
            text.Remove(from + 1, (to < 0 ? text.Length : to) - from - 1).Insert(from + 1, Values[random.Next(Values.Length)]);
        }

        return Encoding.UTF8.GetBytes(text.ToString());
    }
}
