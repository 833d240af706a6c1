using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;

namespace MeshClient.Server.HealthChecks;

/// <summary>Sends a request: 2xx is passing, 429 is warning, everything else critical.</summary>
internal sealed class HttpProber(ProbeDefinition probe, NameLookUp names) : Prober
{
    private readonly HttpMessageInvoker _http = new(CreateHandler(probe, names));
    private readonly Uri _target = new(probe.Target);

    public override async Task<ProbeResult> ProbeAsync(CancellationToken cancellationToken)
    {
        try
        {
            using var request = CreateRequest();
            using var response = await _http.SendAsync(request, cancellationToken).ConfigureAwait(false);
            var body = await ReadAsync(response.Content, cancellationToken).ConfigureAwait(false);
            var status = (int)response.StatusCode;
            return new ProbeResult(
                status is >= 200 and < 300 ? CheckStatus.Passing
                : response.StatusCode == HttpStatusCode.TooManyRequests ? CheckStatus.Warning
                : CheckStatus.Critical,
                $"HTTP {probe.Method} {probe.Target}: {status} {response.ReasonPhrase} Output: {body}");
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            var method = probe.Method[..1].ToUpperInvariant() + probe.Method[1..].ToLowerInvariant();
            return new ProbeResult(CheckStatus.Critical, $"{method} \"{probe.Target}\": {ProbeErrorText.Of(e, _target.Authority)}");
        }
    }

    public override void Dispose() => _http.Dispose();

    /// <summary>A handler that sends what the check says and nothing of this process: no proxy, cookies, credentials or trace.</summary>
    public static SocketsHttpHandler CreateHandler(ProbeDefinition probe, NameLookUp names)
    {
        const int maxRedirects = 10;
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = !probe.DisableRedirects,
            MaxAutomaticRedirections = maxRedirects,
            UseCookies = false,
            UseProxy = false,
            ActivityHeadersPropagator = null,
            // A connection of its own for each probe: an old one says nothing of whether a new one would be taken.
            PooledConnectionLifetime = TimeSpan.Zero,
            ConnectCallback = async (context, token) => new NetworkStream(
                await names.ConnectAsync(context.DnsEndPoint.Host, context.DnsEndPoint.Port, token).ConfigureAwait(false), ownsSocket: true),
        };
        if (probe.ServerName.Length > 0)
        {
            handler.SslOptions.TargetHost = probe.ServerName;
        }

        if (probe.SkipVerify)
        {
            handler.SslOptions.RemoteCertificateValidationCallback = AnyCertificate;
        }

        return handler;
    }

    /// <summary>For checks that were registered with TLSSkipVerify.</summary>
    public static readonly RemoteCertificateValidationCallback AnyCertificate = static (_, certificate, _, _) => certificate is not null;

    private HttpRequestMessage CreateRequest()
    {
        var request = new HttpRequestMessage(new HttpMethod(probe.Method), _target);
        if (probe.Body.Length > 0)
        {
            request.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(probe.Body));
        }

        foreach (var header in probe.Headers)
        {
            if (!request.Headers.TryAddWithoutValidation(header.Name, header.Value))
            {
                (request.Content ??= new ByteArrayContent([])).Headers.TryAddWithoutValidation(header.Name, header.Value);
            }
        }

        if (request.Headers.UserAgent.Count == 0)
        {
            request.Headers.UserAgent.Add(new ProductInfoHeaderValue("MeshClient-Health-Check", "1.0"));
        }

        if (request.Headers.Accept.Count == 0)
        {
            request.Headers.TryAddWithoutValidation("Accept", "text/plain, text/*, */*");
        }

        return request;
    }

    // No more than is shown is read, so a body without an end costs nothing.
    private async Task<string> ReadAsync(HttpContent content, CancellationToken cancellationToken)
    {
        var stream = await content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        var bytes = new byte[probe.OutputMaxSize];
        var length = await stream.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        return Encoding.UTF8.GetString(bytes, 0, length);
    }
}
