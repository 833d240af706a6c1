using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace MeshClient.Consul.Tests.Contract;

/// <summary>
/// Keys, sessions, transactions, events and snapshots: the same conversations, of several calls each, with real Consul and with
/// MeshClient.Server. Where these differ, a test names the entry of <see cref="KnownDifferences"/>.
/// </summary>
public abstract partial class StoreContract : IAsyncLifetime
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    private HttpClient? _http;

    /// <summary>A registry that is running and empty but for what other tests left.</summary>
    protected abstract ValueTask<Uri> GetAddressAsync();

    /// <summary>Whether it is the original.</summary>
    protected abstract bool IsConsul { get; }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>The beginning of the names of this test, so that all can share one registry.</summary>
    private string Prefix { get; } = $"c{Guid.NewGuid().ToString("N")[..8]}";

    public virtual async ValueTask InitializeAsync() => _http = new HttpClient { BaseAddress = await GetAddressAsync(), Timeout = Limit };

    public virtual ValueTask DisposeAsync()
    {
        _http?.Dispose();
        GC.SuppressFinalize(this);
        return ValueTask.CompletedTask;
    }

    /// <summary>What is expected where the two differ.</summary>
    private T Differing<T>(KnownBehavior difference, T consul, T meshServer)
    {
        Assert.NotEmpty(difference.Reason);
        return IsConsul ? consul : meshServer;
    }

    /// <summary>The status of input the store refuses.</summary>
    private int RefusedStatus => Differing(KnownDifferences.WrongInputIsTheCallers, 500, 400);

    private Task<StoreAnswer> GetAsync(string path) => SendAsync("GET", path);

    private Task<StoreAnswer> PutAsync(string path, string? body = null) => SendAsync("PUT", path, body);

    private async Task<StoreAnswer> SendAsync(string method, string path, string? body = null)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        if (body is not null)
        {
            request.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
        }

        using var response = await _http!.SendAsync(request, Cancellation);
        var index = response.Headers.TryGetValues("X-Consul-Index", out var values) ? ulong.Parse(values.Single(), CultureInfo.InvariantCulture) : (ulong?)null;
        return new StoreAnswer((int)response.StatusCode, await response.Content.ReadAsStringAsync(Cancellation), index);
    }

    /// <summary>Waits a moment for a read that is to wait on, and then does a write.</summary>
    private async Task<(StoreAnswer Answer, bool Waited)> WatchAsync(string path, ulong index, Func<Task> write, string wait = "10s")
    {
        var separator = path.Contains('?', StringComparison.Ordinal) ? '&' : '?';
        var read = GetAsync($"{path}{separator}index={index}&wait={wait}");
        await Task.WhenAny(read, Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, Cancellation));
        var waited = !read.IsCompleted;
        await write();
        return (await read, waited);
    }
}

/// <summary>What came back.</summary>
internal sealed partial record StoreAnswer(int Status, string Body, ulong? Index)
{
    public JsonElement Json => JsonDocument.Parse(Body).RootElement;

    /// <summary>The JSON without white space, with indexes as 0, for comparing: an agent in development mode indents.</summary>
    public string Compact
    {
        get
        {
            using var document = JsonDocument.Parse(Body);
            return Indexes().Replace(JsonSerializer.Serialize(document.RootElement), "$1:0");
        }
    }

    [GeneratedRegex("(\"(Create|Modify)Index\"):\\d+")]
    private static partial Regex Indexes();
}
