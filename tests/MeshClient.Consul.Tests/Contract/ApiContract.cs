using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace MeshClient.Consul.Tests.Contract;

/// <summary>
/// What the calls answer, to the letter but for what differs from server to server: every case is run against
/// MeshClient.Server and a real Consul, with the same expectation, or with both of <see cref="KnownDifferences"/>.
/// Every test uses names of its own, so they can share one registry.
/// </summary>
public abstract partial class ApiContract : IAsyncLifetime
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    private readonly string _suffix = Guid.NewGuid().ToString("N")[..8];
    private HttpClient? _http;
    private string _node = string.Empty;

    /// <summary>A registry that is running and empty but for what other tests left.</summary>
    protected abstract ValueTask<Uri> GetAddressAsync();

    /// <summary>Whether it is a real Consul.</summary>
    protected abstract bool IsConsul { get; }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private HttpClient Http => _http!;

    public async ValueTask InitializeAsync()
    {
        _http = new HttpClient { BaseAddress = await GetAddressAsync(), Timeout = Limit };
        _node = (await GetAsync("/v1/agent/self"))["Config"]!["NodeName"]!.GetValue<string>();
    }

    public ValueTask DisposeAsync()
    {
        _http?.Dispose();
        GC.SuppressFinalize(this);
        return ValueTask.CompletedTask;
    }

    // {s} in paths, bodies and texts is what makes the names of this test its own; {node} is the server's own node.
    private string Fill(string text) => text.Replace("{s}", _suffix, StringComparison.Ordinal).Replace("{node}", _node, StringComparison.Ordinal);

    private async Task<(int Status, string Body, HttpResponseMessage Response)> SendAsync(string method, string path, string? body = null)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), Fill(path));
        if (body is not null)
        {
            request.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(Fill(body)));
        }

        var response = await Http.SendAsync(request, Cancellation);
        return ((int)response.StatusCode, await response.Content.ReadAsStringAsync(Cancellation), response);
    }

    /// <summary>Runs a case whose answer is a sentence, or empty.</summary>
    private async Task ExpectAsync(string name, string method, string path, string? body, int status, string? text)
    {
        if (KnownDifferences.Find(name) is { } difference)
        {
            (status, text) = IsConsul ? (difference.ConsulStatus, difference.ConsulText) : (difference.OurStatus, difference.OurText);
        }

        var answer = await SendAsync(method, path, body);
        using (answer.Response)
        {
            Assert.True(status == answer.Status, $"{name}: {answer.Status} {answer.Body}");
            if (text is not null)
            {
                // Consul in development mode indents JSON, and ends it with a line.
                Assert.Equal(Fill(text), answer.Body.TrimEnd('\n'));
            }
        }
    }

    private Task DoAsync(string method, string path, string? body = null) => ExpectAsync($"{method} {path}", method, path, body, 200, null);

    private async Task<JsonNode> GetAsync(string path, int status = 200)
    {
        var answer = await SendAsync("GET", path);
        using (answer.Response)
        {
            Assert.True(status == answer.Status, $"GET {path}: {answer.Status} {answer.Body}");
            return JsonNode.Parse(answer.Body)!;
        }
    }

    /// <summary>Compares JSON as text, with what differs from server to server made the same: indexes, and the id of the node.</summary>
    private async Task ExpectJsonAsync(string path, string expected, int status = 200)
    {
        var found = await GetAsync(path, status);
        Assert.Equal(Normalize(JsonNode.Parse(Fill(expected))), Normalize(found));
    }

    private static string Normalize(JsonNode? node)
    {
        Level(node);
        return node is null ? "null" : node.ToJsonString(new JsonSerializerOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
    }

    private static void Level(JsonNode? node)
    {
        switch (node)
        {
            case JsonArray list:
                foreach (var item in list)
                {
                    Level(item);
                }

                break;
            case JsonObject parts:
                foreach (var index in new[] { "CreateIndex", "ModifyIndex" })
                {
                    if (parts.ContainsKey(index))
                    {
                        parts[index] = 0;
                    }
                }

                foreach (var (_, value) in parts)
                {
                    Level(value);
                }

                break;
            default:
                break;
        }
    }

    private async Task UntilAsync(string path, Func<JsonNode, bool> condition)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        limit.CancelAfter(Limit);
        while (!condition(await GetAsync(path)))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, limit.Token);
        }
    }
}
