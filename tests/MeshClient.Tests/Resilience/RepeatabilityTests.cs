using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using MeshClient.Discovery;
using MeshClient.Outbound;
using MeshClient.Resilience;
using MeshClient.Testing;
using MeshClient.Tests.Support;
using MeshClient.Transport;

namespace MeshClient.Tests.Resilience;

/// <summary>The whole table: method, content, what happened, how it was marked.</summary>
public sealed class RepeatabilityTests
{
    private static readonly string[] Idempotent = ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "get"];
    private static readonly string[] Others = ["POST", "PATCH", "CONNECT", "MERGE"];
    private static readonly string[] Replayable = ["none", "bytes", "text", "form", "memory", "json"];
    private static readonly string[] Once = ["stream", "multipart", "custom"];
    private static readonly string[] Unsent = ["no pool", "connect", "name", "tls", "not established", "shut down", "unused"];
    private static readonly string[] Refused = ["refused stream", "goaway above"];
    private static readonly string[] MaybeExecuted = ["reset", "ended", "timeout", "unknown", "stream error", "goaway below", "own body"];

    public static TheoryData<string, string, string, string, bool> Table()
    {
        var table = new TheoryData<string, string, string, string, bool>();
        foreach (var method in Idempotent.Concat(Others))
        {
            foreach (var content in Replayable.Concat(Once))
            {
                foreach (var marking in (string[])["none", "header", "option", "option false"])
                {
                    var mayRunTwice = Replayable.Contains(content)
                        && (Idempotent.Contains(method) || marking is "header" or "option");
                    foreach (var failure in Unsent)
                    {
                        table.Add(method, content, marking, failure, true);
                    }

                    foreach (var failure in MaybeExecuted.Concat(["502", "503", "504"]))
                    {
                        table.Add(method, content, marking, failure, mayRunTwice);
                    }

                    foreach (var failure in Refused)
                    {
                        table.Add(method, content, marking, failure, Replayable.Contains(content));
                    }

                    foreach (var failure in (string[])["200", "404", "429", "500", "501", "505", "cancelled", "mesh"])
                    {
                        table.Add(method, content, marking, failure, false);
                    }
                }
            }
        }

        return table;
    }

    [Fact]
    public async Task Allows_EveryRowOfTheTable_AsItSays()
    {
        // One test for the 5 000 rows, which would drown the others in a report.
        await using var service = MakeService();
        foreach (var row in Table())
        {
            var (method, content, marking, failure, expected) = row.Data;
            using var request = new HttpRequestMessage(new HttpMethod(method), "http://orders/") { Content = Content(content) };
            switch (marking)
            {
                case "header":
                    request.Headers.Add("idempotency-key", "1");
                    break;
                case "option":
                    request.Options.Set(MeshRequestOptions.Idempotent, true);
                    break;
                case "option false":
                    request.Options.Set(MeshRequestOptions.Idempotent, false);
                    break;
            }

            var destination = service.GetDestination(new DestinationName(service.Service, null, SchemePreference.Http));
            var call = new OutboundCall(request, destination, 1, rejection: null, new CancellationToken(failure == "cancelled"));
            using var pool = new ConnectionPool(new SocketsHttpHandler(), null);
            var attempt = new OutboundAttempt(call, 1) { Pool = failure == "no pool" ? null : pool, BodyBegun = call.IsUpload && !Unsent.Contains(failure) };
            if (int.TryParse(failure, out var status))
            {
                attempt.Response = new HttpResponseMessage((HttpStatusCode)status);
            }
            else
            {
                attempt.Failure = Failure(failure);
            }

            attempt.JudgeHead(TimeProvider.System);
            Assert.True(
                Repeatability.Allows(attempt) == expected, $"{method} with {content}, marked {marking}, after {failure}: expected {expected}");
        }
    }

    private static ServiceState MakeService() => TestInstances.State(new FakeTimeProvider(), new MeshRandom(1));

    private static HttpContent? Content(string kind) => kind switch
    {
        "none" => null,
        "bytes" => new ByteArrayContent([1]),
        "text" => new StringContent("x"),
        "form" => new FormUrlEncodedContent([]),
        "memory" => new ReadOnlyMemoryContent(new byte[1]),
        "json" => JsonContent.Create(1),
        "stream" => new StreamContent(new MemoryStream()),
        "multipart" => new MultipartFormDataContent { { new StreamContent(new MemoryStream()), "file" } },
        _ => new Custom(),
    };

    private static Exception Failure(string kind) => kind switch
    {
        "no pool" => new ObjectDisposedException("transport"),
        "connect" => new HttpRequestException(HttpRequestError.ConnectionError),
        "name" => new HttpRequestException(HttpRequestError.NameResolutionError),
        "tls" => new HttpRequestException(HttpRequestError.SecureConnectionError),
        // As the runtime words them: RetriesOverHttp2Tests has them from the wire.
        "refused stream" => Protocol(7, wording: "aborted"),
        "goaway above" => Protocol(0, wording: "aborted"),
        "stream error" => Protocol(2, wording: null),
        "goaway below" => Protocol(0, wording: null),
        "reset" => new HttpRequestException(HttpRequestError.Unknown, inner: new IOException("reset", new SocketException())),
        "not established" => new HttpRequestException(
            "An HTTP/2 connection could not be established because the server did not complete the HTTP/2 handshake."),
        "shut down" => new HttpRequestException("The server shut down the connection."),
        "own body" => new HttpRequestException("Sent 1 request content bytes, but Content-Length promised 5."),
        "unused" => new HttpRequestException(HttpRequestError.Unknown, inner: new IOException("none", new UnusedConnectionException(null))),
        "ended" => new HttpRequestException(HttpRequestError.ResponseEnded),
        "timeout" or "cancelled" => new TaskCanceledException(),
        "mesh" => new MeshCallException(MeshFailureReason.NoInstances, "orders", "Pick", "none"),
        _ => new HttpRequestException(HttpRequestError.Unknown),
    };

    private static HttpRequestException Protocol(long code, string? wording)
    {
        var cause = new HttpProtocolException(code, "the server said so", null);
        return new HttpRequestException(HttpRequestError.HttpProtocolError, wording ?? cause.Message, cause);
    }

    private sealed class Custom : HttpContent
    {
        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
            stream.WriteAsync(Encoding.ASCII.GetBytes("x")).AsTask();

        protected override bool TryComputeLength(out long length) => (length = 1) == 1;
    }
}
