using System.Buffers;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Identity;
using MeshClient.Core.Intentions;

namespace MeshClient.Consul.Wire;

/// <summary>
/// Sends calls to the agent and turns everything that can go wrong into a <see cref="ControlPlaneException"/>. Repeats
/// nothing: whoever runs the watch owns the back-off.
/// </summary>
internal sealed class ConsulTransport : IDisposable
{
    private const string TokenHeader = "X-Consul-Token";
    private const string IndexHeader = "X-Consul-Index";
    private const string DefaultPolicyHeader = "X-Consul-Default-ACL-Policy";
    private const string FilteredHeader = "X-Consul-Results-Filtered-By-ACLs";

    private readonly HttpClient _http;
    private readonly ConsulOptions _options;
    private readonly TimeProvider _timeProvider;
    private readonly ParkedQueryGate _gate;
    private readonly Uri _base;

    public ConsulTransport(ConsulOptions options, TimeProvider timeProvider, HttpMessageHandler? handler)
    {
        _options = options;
        _timeProvider = timeProvider;
        _gate = new ParkedQueryGate(options.MaxParkedQueries, options.Wait, ConsulDefaults.RotationPeriod, timeProvider);
        var address = options.Address.AbsoluteUri;
        _base = new Uri(address.EndsWith('/') ? address : address + "/");

        // Each call has a time limit of its own, which fits its kind.
        _http = new HttpClient(handler ?? CreateHandler(options), disposeHandler: true) { Timeout = Timeout.InfiniteTimeSpan };
        if (options.Token is not null)
        {
            _http.DefaultRequestHeaders.Add(TokenHeader, options.Token);
        }
    }

    /// <summary>Reads without waiting for a change.</summary>
    public Task<ConsulAnswer> GetAsync(string path, CancellationToken cancellationToken) =>
        SendAsync(new ConsulRequest(HttpMethod.Get, path, _options.RequestTimeout), cancellationToken);

    /// <summary>Writes.</summary>
    public async Task PutAsync(string path, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        var request = new ConsulRequest(HttpMethod.Put, path, _options.RequestTimeout) { Body = body };
        using var answer = await SendAsync(request, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Writes about one thing that the agent may have lost.</summary>
    /// <param name="path">Path and query.</param>
    /// <param name="lostTexts">What a 500 says when the agent does not know the thing.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>False when the agent does not know it.</returns>
    public async Task<bool> TryPutAsync(string path, IReadOnlyList<string> lostTexts, CancellationToken cancellationToken)
    {
        var request = new ConsulRequest(HttpMethod.Put, path, _options.RequestTimeout) { LostTexts = lostTexts };
        using var answer = await TrySendAsync(request, cancellationToken).ConfigureAwait(false);
        return answer is not null;
    }

    /// <summary>Makes a call that not every server has.</summary>
    /// <param name="path">Path and query.</param>
    /// <param name="body">What is sent.</param>
    /// <param name="contentType">What that is.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>The answer; null when the server does not have the call.</returns>
    public Task<ConsulAnswer?> TryPostAsync(string path, ReadOnlyMemory<byte> body, string contentType, CancellationToken cancellationToken) =>
        TrySendAsync(
            new ConsulRequest(HttpMethod.Post, path, _options.RequestTimeout) { Body = body, ContentType = contentType, LostTexts = [] },
            cancellationToken);

    /// <summary>Reads when there is something newer than an index, or at the end of a wait.</summary>
    /// <param name="path">Path and query, without index and wait.</param>
    /// <param name="index">The index, 1 or more.</param>
    /// <param name="longest">A limit for the wait; the gate and the options may shorten it further.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<ConsulAnswer> ParkAsync(string path, ulong index, TimeSpan longest, CancellationToken cancellationToken)
    {
        while (true)
        {
            using var slot = await _gate.EnterAsync(cancellationToken).ConfigureAwait(false);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, slot.Cut);
            var wait = slot.Wait < longest ? slot.Wait : longest;
            var milliseconds = (long)Math.Ceiling(wait.TotalMilliseconds);
            var separator = path.Contains('?', StringComparison.Ordinal) ? '&' : '?';
            var call = string.Create(CultureInfo.InvariantCulture, $"{path}{separator}index={index}&wait={milliseconds}ms");

            // Consul adds up to a sixteenth to the wait; a tenth and 5 s more are for the network.
            var limit = (wait * (1 + (1 / 16.0) + 0.1)) + TimeSpan.FromSeconds(5);
            try
            {
                return await SendAsync(new ConsulRequest(HttpMethod.Get, call, limit), either.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (slot.Cut.IsCancellationRequested || cancellationToken.IsCancellationRequested)
            {
                cancellationToken.ThrowIfCancellationRequested();

                // Somebody else's turn; the query goes to the end of the line with the index it had.
            }
        }
    }

    public void Dispose() => _http.Dispose();

    private static SocketsHttpHandler CreateHandler(ConsulOptions options)
    {
        var handler = new SocketsHttpHandler
        {
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            ConnectTimeout = ConsulDefaults.ConnectTimeout,
            PooledConnectionLifetime = ConsulDefaults.ConnectionLifetime,
            MaxConnectionsPerServer = options.MaxParkedQueries + ConsulDefaults.SpareConnections,
            ConnectCallback = ConnectAsync,
        };
        if (options.CaFile is { } roots)
        {
            handler.SslOptions.CertificateChainPolicy = TrustedRoots.CreatePolicy(roots);
        }

        return handler;
    }

    // A parked query is silent for minutes. Without probes, an agent that vanished without a word (a pulled cable, a forgotten
    // entry in an address translator) would be noticed only at the end of the wait.
    private static async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 30);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 10);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 3);
            await socket.ConnectAsync(context.DnsEndPoint, cancellationToken).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static ulong? ReadIndex(HttpResponseHeaders headers) =>
        Find(headers, IndexHeader) is { } text
        && ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var index)
        && index > 0
            ? index
            : null;

    private static IntentionAction? ReadDefaultAction(HttpResponseHeaders headers) => Find(headers, DefaultPolicyHeader) switch
    {
        "allow" => IntentionAction.Allow,
        "deny" => IntentionAction.Deny,
        _ => null,
    };

    private static string? Find(HttpResponseHeaders headers, string name) =>
        headers.TryGetValues(name, out var values) ? values.FirstOrDefault() : null;

    private async Task<ConsulAnswer> SendAsync(ConsulRequest request, CancellationToken cancellationToken) =>
        await TrySendAsync(request, cancellationToken).ConfigureAwait(false)
        ?? throw new InvalidOperationException("Only a call about something that can be lost may have no answer.");

    private async Task<ConsulAnswer?> TrySendAsync(ConsulRequest request, CancellationToken cancellationToken)
    {
        var call = $"{request.Method} /{request.Path}";
        using var timeout = new CancellationTokenSource(request.Limit, _timeProvider);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        try
        {
            using var message = CreateMessage(request);
            using var response = await _http
                .SendAsync(message, HttpCompletionOption.ResponseHeadersRead, either.Token).ConfigureAwait(false);
            return await ReadAsync(request, call, response, either.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            // A call that is given up shows as a broken connection now and then.
            cancellationToken.ThrowIfCancellationRequested();
            var cause = timeout.IsCancellationRequested
                ? string.Create(CultureInfo.InvariantCulture, $"no complete answer within {request.Limit.TotalSeconds:0.#} s")
                : e.Message;
            throw new ControlPlaneException(
                ControlPlaneFailure.Unreachable, $"{call} to {_base.GetLeftPart(UriPartial.Authority)} failed: {cause}", e);
        }
    }

    private HttpRequestMessage CreateMessage(ConsulRequest request)
    {
        var message = new HttpRequestMessage(request.Method, new Uri(_base, request.Path))
        {
            Version = HttpVersion.Version11,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        if (request.Body is { } bytes)
        {
            message.Content = new ReadOnlyMemoryContent(bytes);
            message.Content.Headers.ContentType = new MediaTypeHeaderValue(request.ContentType);
        }

        return message;
    }

    private async Task<ConsulAnswer?> ReadAsync(
        ConsulRequest request, string call, HttpResponseMessage response, CancellationToken cancellationToken)
    {
        var (buffer, length) = await BodyReader
            .ReadAsync(response.Content, ConsulDefaults.MaxAnswerBytes, cancellationToken).ConfigureAwait(false)
            ?? throw new ControlPlaneException(
                ControlPlaneFailure.Malformed, $"{call} was answered with more than {ConsulDefaults.MaxAnswerBytes} bytes.");
        if (response.IsSuccessStatusCode)
        {
            return new ConsulAnswer(call, buffer, length)
            {
                Index = ReadIndex(response.Headers),
                DefaultAction = ReadDefaultAction(response.Headers),
                IsFiltered = Find(response.Headers, FilteredHeader) == "true",
            };
        }

        try
        {
            // The texts that are looked for stand at the beginning.
            var text = Encoding.UTF8.GetString(buffer, 0, Math.Min(length, 4096)).Trim();
            return request.IsLost(response.StatusCode, text)
                ? null
                : throw FailureReader.Read(
                    call, response.StatusCode, text, response.Headers.RetryAfter, _options.Token, _timeProvider.GetUtcNow());
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer, clearArray: true);
        }
    }
}
