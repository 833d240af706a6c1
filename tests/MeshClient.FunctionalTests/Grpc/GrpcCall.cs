using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;

namespace MeshClient.FunctionalTests.Grpc;

/// <summary>How a call ended.</summary>
/// <param name="Code">The number of the status; 0 is good.</param>
/// <param name="Message">What the peer says of it.</param>
/// <param name="IsTrailersOnly">Whether it stood in the head of an answer without a body.</param>
/// <param name="Fields">The headers or trailers it stood among.</param>
internal sealed record GrpcStatus(int Code, string Message, bool IsTrailersOnly, IReadOnlyDictionary<string, string> Fields);

/// <summary>A gRPC call made by hand with an <see cref="HttpClient"/>, as a gRPC client does it.</summary>
internal sealed class GrpcCall : IDisposable
{
    private readonly HttpRequestMessage _request;
    private readonly GrpcRequestContent _content = new();
    private readonly CancellationTokenSource _cancellation = CancellationTokenSource.CreateLinkedTokenSource(Waiting.Cancellation);
    private readonly Task<HttpResponseMessage> _sending;
    private Stream? _body;

    /// <param name="client">A client of the mesh.</param>
    /// <param name="method">The method, of the service that the peers have.</param>
    /// <param name="timeout">The header that tells the peer when the caller gives up; null for none.</param>
    public GrpcCall(HttpClient client, string method, string? timeout = null)
    {
        _request = new HttpRequestMessage(HttpMethod.Post, $"https://orders/pkg.Service/{method}")
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = _content,
            Headers = { TE = { new TransferCodingWithQualityHeaderValue("trailers") } },
        };
        if (timeout is not null)
        {
            _request.Headers.Add("grpc-timeout", timeout);
        }

        _sending = client.SendAsync(_request, HttpCompletionOption.ResponseHeadersRead, _cancellation.Token);
    }

    /// <summary>The head of the answer, when there is one.</summary>
    public Task<HttpResponseMessage> Response => _sending.Bounded();

    /// <summary>Makes a call of one message up.</summary>
    public static GrpcCall Of(HttpClient client, string method, string message, string? timeout = null) =>
        Of(client, method, Encoding.UTF8.GetBytes(message), timeout);

    /// <summary>Makes a call of one message up.</summary>
    public static GrpcCall Of(HttpClient client, string method, byte[] message, string? timeout = null)
    {
        var call = new GrpcCall(client, method, timeout);
        _ = call._content.WriteAsync(message);
        call.Complete();
        return call;
    }

    public Task SendAsync(string message) => _content.WriteAsync(Encoding.UTF8.GetBytes(message)).Bounded();

    public void Complete() => _content.Complete();

    /// <summary>Gives up.</summary>
    public void Cancel() => _cancellation.Cancel();

    /// <summary>Reads the next message; null when there are no more.</summary>
    public async Task<byte[]?> ReceiveBytesAsync()
    {
        var response = await Response;
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(HttpVersion.Version20, response.Version);
        Assert.StartsWith("application/grpc", response.Content.Headers.ContentType?.MediaType, StringComparison.Ordinal);
        _body ??= await response.Content.ReadAsStreamAsync(Waiting.Cancellation).Bounded();
        return await GrpcFrame.ReadAsync(_body, Waiting.Cancellation).Bounded();
    }

    /// <summary>Reads the next message as text; null when there are no more.</summary>
    public async Task<string?> ReceiveAsync() => await ReceiveBytesAsync() is { } message ? Encoding.UTF8.GetString(message) : null;

    /// <summary>Reads the end, and how the call ended.</summary>
    public async Task<GrpcStatus> EndAsync()
    {
        Assert.Null(await ReceiveAsync());
        var response = await Response;
        var isTrailersOnly = response.Headers.NonValidated.Contains("grpc-status");
        HttpHeaders headers = isTrailersOnly ? response.Headers : response.TrailingHeaders;
        var fields = headers.NonValidated.ToDictionary(
            header => header.Key, header => header.Value.ToString(), StringComparer.OrdinalIgnoreCase);
        return new GrpcStatus(
            int.Parse(fields["grpc-status"], CultureInfo.InvariantCulture),
            Uri.UnescapeDataString(fields.GetValueOrDefault("grpc-message", string.Empty)),
            isTrailersOnly,
            fields);
    }

    public void Dispose()
    {
        if (_sending.IsCompletedSuccessfully)
        {
            _sending.Result.Dispose();
        }

        _cancellation.Cancel();
        _cancellation.Dispose();
        _request.Dispose();
    }
}
