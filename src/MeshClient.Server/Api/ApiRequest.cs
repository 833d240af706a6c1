using System.Buffers;
using System.Globalization;
using System.IO.Compression;
using System.Net;
using System.Text.Json;
using MeshClient.Server.AccessControl;
using MeshClient.Server.Api.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace MeshClient.Server.Api;

/// <summary>One call of the API and the ways to answer it.</summary>
/// <param name="http">The exchange.</param>
internal sealed class ApiRequest(HttpContext http)
{
    /// <summary>How large a body may be, as for Consul's own limits on values and transactions.</summary>
    public const int MaxBodyBytes = 512 * 1024;

    /// <summary>Below this an answer fits into one packet as it is.</summary>
    private const int MinCompressedBytes = 1024;

    /// <summary>Says that things were left out of an answer because the sender may not see them (Consul 1.11 and later).</summary>
    private const string FilteredHeader = "X-Consul-Results-Filtered-By-ACLs";

    public HttpContext Http => http;

    /// <summary>What the sender may do: nothing until that is known. To be asked before anything is answered or changed.</summary>
    public RequestAccess Access { get; set; } = RequestAccess.Nobody();

    /// <summary>The path of the route that was found, as it was mapped; what metrics name the request by.</summary>
    public string Route { get; set; } = "none";

    /// <summary>What follows the route's own path, decoded; empty when nothing does.</summary>
    public string Rest { get; set; } = string.Empty;

    public CancellationToken Aborted => http.RequestAborted;

    /// <summary>Who calls, as an IPv4 address where it is one.</summary>
    public IPAddress? Caller =>
        http.Connection.RemoteIpAddress is { IsIPv4MappedToIPv6: true } mapped ? mapped.MapToIPv4() : http.Connection.RemoteIpAddress;

    private IHeaderDictionary Headers => http.Response.Headers;

    /// <summary>The first value of a query parameter; null when it is not there.</summary>
    public string? Query(string name) => http.Request.Query.TryGetValue(name, out var values) ? values.FirstOrDefault() ?? string.Empty : null;

    public IReadOnlyList<string?> QueryAll(string name) => http.Request.Query[name];

    public bool Has(string name) => http.Request.Query.ContainsKey(name);

    /// <summary>Reads the body as JSON and decodes it.</summary>
    /// <param name="decode">Reads the value; may throw <see cref="JsonDecodeException"/>.</param>
    /// <param name="prefix">How the sentence begins when it cannot be decoded.</param>
    public async Task<T> DecodeAsync<T>(Func<JsonElement, T> decode, string prefix)
    {
        var body = await ReadBodyAsync().ConfigureAwait(false);
        try
        {
            using var document = JsonBody.Parse(body);
            return decode(document.RootElement);
        }
        catch (JsonDecodeException e)
        {
            throw RequestRefusedException.Invalid(prefix + e.Message);
        }
    }

    /// <summary>Reads a body of the usual size.</summary>
    public async Task<byte[]> ReadBodyAsync()
    {
        if (http.Request.ContentLength > MaxBodyBytes)
        {
            throw TooLarge(http.Request.ContentLength.Value, MaxBodyBytes);
        }

        var reader = http.Request.BodyReader;
        while (true)
        {
            var result = await reader.ReadAsync(Aborted).ConfigureAwait(false);
            if (result.Buffer.Length > MaxBodyBytes)
            {
                throw TooLarge(result.Buffer.Length, MaxBodyBytes);
            }

            if (result.IsCompleted)
            {
                var body = result.Buffer.ToArray();
                reader.AdvanceTo(result.Buffer.End);
                return body;
            }

            reader.AdvanceTo(result.Buffer.Start, result.Buffer.End);
        }
    }

    /// <summary>Reads a body that may be larger than a web server takes by default.</summary>
    public async Task<MemoryStream> ReadLargeBodyAsync(long limit)
    {
        if (http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } feature)
        {
            feature.MaxRequestBodySize = limit;
        }

        const int partBytes = 64 * 1024;
        var body = new MemoryStream();
        var part = new byte[partBytes];
        while (await http.Request.Body.ReadAsync(part, Aborted).ConfigureAwait(false) is > 0 and var count)
        {
            if (body.Length + count > limit)
            {
                throw TooLarge(body.Length + count, limit);
            }

            body.Write(part, 0, count);
        }

        body.Position = 0;
        return body;
    }

    /// <summary>Answers with bytes as they are.</summary>
    public async Task AnswerBytesAsync(ReadOnlyMemory<byte> bytes, string contentType)
    {
        ThrowIfNotAsked();
        http.Response.ContentType = contentType;
        http.Response.ContentLength = bytes.Length;
        await http.Response.BodyWriter.WriteAsync(bytes, Aborted).ConfigureAwait(false);
    }

    /// <summary>Puts the headers on that go with indexed data.</summary>
    public void SetIndex(ulong index, bool knownLeader = true)
    {
        Headers["X-Consul-Index"] = index.ToString(CultureInfo.InvariantCulture);
        Headers["X-Consul-Knownleader"] = knownLeader ? "true" : "false";
        Headers["X-Consul-Lastcontact"] = "0";
    }

    public void SetHeader(string name, string value) => Headers[name] = value;

    public Task AnswerEmptyAsync()
    {
        ThrowIfNotAsked();
        http.Response.ContentLength = 0;
        return Task.CompletedTask;
    }

    /// <summary>Answers with JSON, compressed when it is long and the caller takes that.</summary>
    /// <param name="write">Writes it.</param>
    /// <param name="isSecret">Whether a private key is in it: such an answer is never compressed, because its length would tell of it.</param>
    public async Task AnswerJsonAsync(Action<Utf8JsonWriter> write, bool isSecret = false)
    {
        using var buffer = JsonAnswer.Write(write, Has("pretty"));
        ThrowIfNotAsked();
        if (Access.HasFiltered)
        {
            Headers[FilteredHeader] = "true";
        }

        http.Response.ContentType = "application/json";
        if (!isSecret && buffer.Written.Length > MinCompressedBytes && TakesGzip())
        {
            // Without a length: it is known only once all has been compressed.
            Headers.ContentEncoding = "gzip";
            var gzip = new GZipStream(http.Response.Body, CompressionLevel.Fastest, leaveOpen: true);
            await using var disposal = gzip.ConfigureAwait(false);
            await gzip.WriteAsync(buffer.Written, Aborted).ConfigureAwait(false);
            return;
        }

        http.Response.ContentLength = buffer.Written.Length;
        await http.Response.BodyWriter.WriteAsync(buffer.Written, Aborted).ConfigureAwait(false);
    }

    /// <summary>Answers with JSON that is ready, compressed when it is long and the caller takes that.</summary>
    public async Task AnswerJsonAsync(WrittenJson json)
    {
        ThrowIfNotAsked();
        http.Response.ContentType = "application/json";
        var bytes = json.Plain;
        if (bytes.Length > MinCompressedBytes && TakesGzip())
        {
            Headers.ContentEncoding = "gzip";
            bytes = json.Compressed;
        }

        http.Response.ContentLength = bytes.Length;
        await http.Response.BodyWriter.WriteAsync(bytes, Aborted).ConfigureAwait(false);
    }

    public async Task AnswerTextAsync(int statusCode, string text, string contentType = "text/plain; charset=utf-8")
    {
        if (statusCode < StatusCodes.Status400BadRequest)
        {
            ThrowIfNotAsked();
        }

        var bytes = System.Text.Encoding.UTF8.GetBytes(text);
        http.Response.StatusCode = statusCode;
        http.Response.ContentLength = bytes.Length;
        if (bytes.Length > 0)
        {
            http.Response.ContentType = contentType;
            await http.Response.BodyWriter.WriteAsync(bytes, Aborted).ConfigureAwait(false);
        }
    }

    /// <summary>Keeps an answer back that nobody has judged. Refusals may go out without: they tell nothing.</summary>
    public void ThrowIfNotAsked()
    {
        if (!Access.WasAsked)
        {
            throw new InvalidOperationException($"{http.Request.Method} {http.Request.Path} answers without having asked what its sender may do.");
        }
    }

    private bool TakesGzip() => http.Request.Headers.AcceptEncoding.Count > 0 && http.Request.GetTypedHeaders().AcceptEncoding
        .Any(coding => coding.Value.Equals("gzip", StringComparison.OrdinalIgnoreCase) && coding.Quality is not 0);

    private static RequestRefusedException TooLarge(long length, long limit) =>
        new(413, $"Request body({length} bytes) too large, max size: {limit} bytes.");
}
