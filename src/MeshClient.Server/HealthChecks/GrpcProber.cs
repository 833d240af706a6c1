using System.Buffers.Binary;
using System.Net;
using System.Net.Http.Headers;
using System.Text;

namespace MeshClient.Server.HealthChecks;

/// <summary>
/// Calls <c>grpc.health.v1.Health/Check</c> (github.com/grpc/grpc, doc/health-checking.md) over HTTP/2, without a gRPC
/// library: one message of one field each way. SERVING is passing, everything else critical.
/// </summary>
internal sealed class GrpcProber : Prober
{
    private const int PrefixLength = 5;
    private const int MaxMessage = 64;

    private readonly ProbeDefinition _probe;
    private readonly HttpMessageInvoker _http;
    private readonly Uri _method;
    private readonly string _authority;
    private readonly byte[] _request;

    public GrpcProber(ProbeDefinition probe, NameLookUp names)
    {
        _probe = probe;
        _http = new HttpMessageInvoker(HttpProber.CreateHandler(probe, names));
        (_authority, var service) = Split(probe.Target);
        _method = new Uri($"{(probe.UseTls ? Uri.UriSchemeHttps : Uri.UriSchemeHttp)}://{_authority}/grpc.health.v1.Health/Check");
        _request = Encode(service);
    }

    /// <summary>The address, and the service that is asked about; empty: the server as a whole.</summary>
    public static (string Address, string Service) Split(string target)
    {
        var slash = target.IndexOf('/', StringComparison.Ordinal);
        return slash < 0 ? (target, string.Empty) : (target[..slash], target[(slash + 1)..]);
    }

    public override async Task<ProbeResult> ProbeAsync(CancellationToken cancellationToken)
    {
        try
        {
            using var request = CreateRequest();
            using var response = await _http.SendAsync(request, cancellationToken).ConfigureAwait(false);
            if (response.StatusCode != HttpStatusCode.OK)
            {
                return Bad($"rpc error: code = Unavailable desc = HTTP status {(int)response.StatusCode}");
            }

            var message = await ReadAsync(response.Content, cancellationToken).ConfigureAwait(false);
            var code = Trailer(response, "grpc-status");
            if (code != "0")
            {
                return Bad($"rpc error: code = {NameOf(code)} desc = {Uri.UnescapeDataString(Trailer(response, "grpc-message"))}");
            }

            const int serving = 1;
            return StatusOf(message) == serving
                ? new ProbeResult(CheckStatus.Passing, $"gRPC check {_probe.Target}: success")
                : Bad("gRPC application didn't report service healthy");
        }
        catch (OperationCanceledException)
        {
            return Bad($"rpc error: code = DeadlineExceeded desc = {ProbeErrorText.TimedOut}");
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            return Bad($"rpc error: code = Unavailable desc = connection error: {ProbeErrorText.Of(e, _authority)}");
        }
    }

    public override void Dispose() => _http.Dispose();

    /// <summary>The request with its prefix: <c>HealthCheckRequest { string service = 1; }</c>.</summary>
    public static byte[] Encode(string service)
    {
        const byte textField = (1 << 3) | 2;
        var name = Encoding.UTF8.GetBytes(service);
        var message = new List<byte>();
        if (name.Length > 0)
        {
            message.Add(textField);
            for (var rest = name.Length; ; rest >>= 7)
            {
                if (rest < 0x80)
                {
                    message.Add((byte)rest);
                    break;
                }

                message.Add((byte)(rest | 0x80));
            }

            message.AddRange(name);
        }

        var framed = new byte[PrefixLength + message.Count];
        BinaryPrimitives.WriteInt32BigEndian(framed.AsSpan(1), message.Count);
        message.CopyTo(framed, PrefixLength);
        return framed;
    }

    /// <summary>
    /// The field <c>status</c> of a framed <c>HealthCheckResponse { ServingStatus status = 1; }</c>; 0 (UNKNOWN) when it says
    /// nothing, null when it is no such message.
    /// </summary>
    public static int? StatusOf(ReadOnlySpan<byte> framed)
    {
        if (framed.Length < PrefixLength || framed[0] != 0
            || BinaryPrimitives.ReadUInt32BigEndian(framed[1..]) != framed.Length - PrefixLength)
        {
            return null;
        }

        const ulong statusField = 1 << 3;
        int? status = 0;
        for (var rest = framed[PrefixLength..]; !rest.IsEmpty;)
        {
            if (!TryReadVarint(ref rest, out var key) || (key & 7) != 0 || !TryReadVarint(ref rest, out var value))
            {
                return null;
            }

            status = key == statusField ? unchecked((int)value) : status;
        }

        return status;
    }

    private static bool TryReadVarint(ref ReadOnlySpan<byte> bytes, out ulong value)
    {
        const int maxLength = 10;
        value = 0;
        for (var i = 0; i < bytes.Length && i < maxLength; i++)
        {
            value |= (ulong)(bytes[i] & 0x7F) << (7 * i);
            if ((bytes[i] & 0x80) == 0)
            {
                bytes = bytes[(i + 1)..];
                return true;
            }
        }

        return false;
    }

    private HttpRequestMessage CreateRequest()
    {
        var request = new HttpRequestMessage(HttpMethod.Post, _method)
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(_request),
        };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        request.Headers.TE.Add(new TransferCodingWithQualityHeaderValue("trailers"));
        return request;
    }

    private static async Task<byte[]> ReadAsync(HttpContent content, CancellationToken cancellationToken)
    {
        var stream = await content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        var bytes = new byte[MaxMessage];
        var length = await stream.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        return bytes[..length];
    }

    // An answer without a message has them among its headers.
    private static string Trailer(HttpResponseMessage response, string name) =>
        response.TrailingHeaders.TryGetValues(name, out var values) || response.Headers.TryGetValues(name, out values)
            ? values.First()
            : string.Empty;

    private static string NameOf(string code) => code switch
    {
        "1" => "Canceled",
        "3" => "InvalidArgument",
        "4" => "DeadlineExceeded",
        "5" => "NotFound",
        "7" => "PermissionDenied",
        "8" => "ResourceExhausted",
        "12" => "Unimplemented",
        "13" => "Internal",
        "14" => "Unavailable",
        "16" => "Unauthenticated",
        _ => "Unknown",
    };

    private static ProbeResult Bad(string output) => new(CheckStatus.Critical, output);
}
