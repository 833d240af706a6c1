using System.Net;
using System.Net.Sockets;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using MeshClient.Server.HealthChecks;
using MeshClient.Server.Tests.Support;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace MeshClient.Server.Tests.HealthChecks;

/// <summary>One probe of each kind, against real sockets.</summary>
public sealed class ProberTests
{
    [Theory]
    [InlineData(200, "Passing", "200 OK")]
    [InlineData(204, "Passing", "204 No Content")]
    [InlineData(429, "Warning", "429 Too Many Requests")]
    [InlineData(404, "Critical", "404 Not Found")]
    [InlineData(500, "Critical", "500 Internal Server Error")]
    public async Task Http_OfAnAnswer_JudgesItsStatus(int code, string expected, string text)
    {
        var status = Enum.Parse<CheckStatus>(expected);
        await using var target = await ProbeTarget.StartAsync(http =>
        {
            http.Response.StatusCode = code;
            return code == 204 ? Task.CompletedTask : http.Response.WriteAsync("body");
        });
        var url = $"http://{target.Address}/health";
        var result = await ProbeAsync(new ProbeDefinition { Type = ProbeDefinition.HttpType, Target = url });
        Assert.Equal(new ProbeResult(status, $"HTTP GET {url}: {text} Output: {(code == 204 ? "" : "body")}"), result);
    }

    [Fact]
    public async Task Http_WithMethodHeadersAndBody_SendsThem()
    {
        var seen = string.Empty;
        await using var target = await ProbeTarget.StartAsync(async http =>
        {
            using var reader = new StreamReader(http.Request.Body);
            seen = $"{http.Request.Method} {http.Request.Headers["x-a"]} {http.Request.Headers.Host} {http.Request.Headers.ContentType} {await reader.ReadToEndAsync()}";
            Assert.False(http.Request.Headers.ContainsKey("traceparent"));
        });
        var result = await ProbeAsync(new ProbeDefinition
        {
            Type = ProbeDefinition.HttpType,
            Target = $"http://{target.Address}/",
            Method = "PUT",
            Headers = [new("x-a", "1"), new("x-a", "2"), new("Host", "other"), new("Content-Type", "text/x")],
            Body = "ping",
        });
        Assert.Equal(CheckStatus.Passing, result.Status);
        Assert.Equal("PUT 1, 2 other text/x ping", seen);
    }

    [Fact]
    public async Task Http_OfABodyWithoutEnd_ShowsItsBeginningAndEnds()
    {
        await using var target = await ProbeTarget.StartAsync(async http =>
        {
            while (!http.RequestAborted.IsCancellationRequested)
            {
                await http.Response.WriteAsync(new string('x', 1000), http.RequestAborted);
            }
        });
        var result = await ProbeAsync(new ProbeDefinition { Type = ProbeDefinition.HttpType, Target = $"http://{target.Address}/", OutputMaxSize = 20 });
        Assert.Equal(CheckStatus.Passing, result.Status);
        Assert.EndsWith($"Output: {new string('x', 20)}", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Http_OfATargetThatHangs_EndsWithItsTime()
    {
        await using var target = await ProbeTarget.StartAsync(http => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, http.RequestAborted));
        var url = $"http://{target.Address}/";
        var result = await ProbeAsync(new ProbeDefinition { Type = ProbeDefinition.HttpType, Target = url }, TimeSpan.FromMilliseconds(100));
        Assert.Equal(new ProbeResult(CheckStatus.Critical, $"Get \"{url}\": context deadline exceeded"), result);
    }

    [Fact]
    public async Task Http_WhereNobodyListens_SaysSo()
    {
        var address = $"127.0.0.1:{ProbeTarget.UnusedPort()}";
        var result = await ProbeAsync(new ProbeDefinition { Type = ProbeDefinition.HttpType, Target = $"http://{address}/" });
        Assert.Equal(new ProbeResult(CheckStatus.Critical, $"Get \"http://{address}/\": dial tcp {address}: connect: connection refused"), result);
    }

    [Theory]
    [InlineData(false, "Critical")]
    [InlineData(true, "Passing")]
    public async Task Https_OfACertificateNobodyKnows_PassesOnlyWithoutVerification(bool skip, string expected)
    {
        var status = Enum.Parse<CheckStatus>(expected);
        await using var target = await ProbeTarget.StartAsync(_ => Task.CompletedTask, tls: true);
        var result = await ProbeAsync(new ProbeDefinition { Type = ProbeDefinition.HttpType, Target = $"https://{target.Address}/", SkipVerify = skip });
        Assert.Equal(status, result.Status);
    }

    [Theory]
    [InlineData(false, "Passing")]
    [InlineData(true, "Critical")]
    public async Task Http_OfARedirect_FollowsItUnlessToldNotTo(bool disabled, string expected)
    {
        var status = Enum.Parse<CheckStatus>(expected);
        await using var target = await ProbeTarget.StartAsync(http =>
        {
            if (http.Request.Path == "/")
            {
                http.Response.Redirect("/there");
            }

            return Task.CompletedTask;
        });
        var result = await ProbeAsync(new ProbeDefinition { Type = ProbeDefinition.HttpType, Target = $"http://{target.Address}/", DisableRedirects = disabled });
        Assert.Equal(status, result.Status);
    }

    [Fact]
    public async Task Tcp_OfAListener_Passes()
    {
        await using var target = await ProbeTarget.StartAsync(_ => Task.CompletedTask);
        Assert.Equal(
            new ProbeResult(CheckStatus.Passing, $"TCP connect {target.Address}: Success"),
            await ProbeAsync(new ProbeDefinition { Type = ProbeDefinition.TcpType, Target = target.Address }));
    }

    [Fact]
    public async Task Tcp_WhereNobodyListens_SaysSo()
    {
        var address = $"127.0.0.1:{ProbeTarget.UnusedPort()}";
        Assert.Equal(
            new ProbeResult(CheckStatus.Critical, $"dial tcp {address}: connect: connection refused"),
            await ProbeAsync(new ProbeDefinition { Type = ProbeDefinition.TcpType, Target = address }));
    }

    [Theory]
    [InlineData(false, true, "Critical")]
    [InlineData(true, true, "Passing")]
    [InlineData(true, false, "Critical")]
    public async Task Tcp_WithTls_ShakesHands(bool skip, bool tls, string expected)
    {
        var status = Enum.Parse<CheckStatus>(expected);
        await using var target = await ProbeTarget.StartAsync(_ => Task.CompletedTask, tls: tls);
        var result = await ProbeAsync(new ProbeDefinition { Type = ProbeDefinition.TcpType, Target = target.Address, UseTls = true, SkipVerify = skip });
        Assert.Equal(status, result.Status);
    }

    [Fact]
    public async Task Tcp_OfATargetThatTakesNoTlsHello_EndsWithItsTime()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var address = $"127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}";
        var result = await ProbeAsync(new ProbeDefinition { Type = ProbeDefinition.TcpType, Target = address, UseTls = true }, TimeSpan.FromMilliseconds(100));
        Assert.Equal(new ProbeResult(CheckStatus.Critical, $"dial tcp {address}: i/o timeout"), result);
    }

    [Theory]
    [InlineData(1, "Passing")]
    [InlineData(2, "Critical")]
    [InlineData(0, "Critical")]
    public async Task Grpc_OfAServingStatus_JudgesIt(int serving, string expected)
    {
        var status = Enum.Parse<CheckStatus>(expected);
        var asked = new List<byte>();
        await using var target = await ProbeTarget.StartAsync(
            async http =>
            {
                Assert.Equal(("POST", "/grpc.health.v1.Health/Check", "application/grpc"), (http.Request.Method, http.Request.Path.Value, http.Request.ContentType));
                using var body = new MemoryStream();
                await http.Request.Body.CopyToAsync(body);
                asked.AddRange(body.ToArray());
                http.Response.ContentType = "application/grpc";
                await http.Response.Body.WriteAsync(serving == 0 ? new byte[] { 0, 0, 0, 0, 0 } : [0, 0, 0, 0, 2, 8, (byte)serving]);
                http.Response.AppendTrailer("grpc-status", "0");
            },
            HttpProtocols.Http2);
        var result = await ProbeAsync(new ProbeDefinition { Type = ProbeDefinition.GrpcType, Target = target.Address + "/svc" });
        var output = status == CheckStatus.Passing ? $"gRPC check {target.Address}/svc: success" : "gRPC application didn't report service healthy";
        Assert.Equal(new ProbeResult(status, output), result);
        Assert.Equal([0, 0, 0, 0, 5, 10, 3, .. "svc"u8], asked);
    }

    [Fact]
    public async Task Grpc_OfAnErrorWithoutAMessage_SaysWhichAndWhy()
    {
        await using var target = await ProbeTarget.StartAsync(
            http =>
            {
                http.Response.ContentType = "application/grpc";
                http.Response.Headers["grpc-status"] = "5";
                http.Response.Headers["grpc-message"] = "unknown%20service";
                return Task.CompletedTask;
            },
            HttpProtocols.Http2);
        Assert.Equal(
            new ProbeResult(CheckStatus.Critical, "rpc error: code = NotFound desc = unknown service"),
            await ProbeAsync(new ProbeDefinition { Type = ProbeDefinition.GrpcType, Target = target.Address }));
    }

    [Theory]
    [InlineData(true, "Passing")]
    [InlineData(false, "Critical")]
    public async Task Grpc_OverTls_VerifiesUnlessToldNotTo(bool skip, string expected)
    {
        var status = Enum.Parse<CheckStatus>(expected);
        await using var target = await ProbeTarget.StartAsync(AnswerServingAsync, HttpProtocols.Http2, tls: true);
        var result = await ProbeAsync(new ProbeDefinition { Type = ProbeDefinition.GrpcType, Target = target.Address, UseTls = true, SkipVerify = skip });
        Assert.Equal(status, result.Status);
    }

    [Fact]
    public async Task Grpc_OfAServerThatSpeaksNoHttp2_IsCritical()
    {
        await using var target = await ProbeTarget.StartAsync(_ => Task.CompletedTask);
        var result = await ProbeAsync(new ProbeDefinition { Type = ProbeDefinition.GrpcType, Target = target.Address });
        Assert.Equal(CheckStatus.Critical, result.Status);
        Assert.StartsWith("rpc error: code = Unavailable", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Grpc_OfATargetThatHangs_EndsWithItsTime()
    {
        await using var target = await ProbeTarget.StartAsync(
            http => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, http.RequestAborted), HttpProtocols.Http2);
        Assert.Equal(
            new ProbeResult(CheckStatus.Critical, "rpc error: code = DeadlineExceeded desc = context deadline exceeded"),
            await ProbeAsync(new ProbeDefinition { Type = ProbeDefinition.GrpcType, Target = target.Address }, TimeSpan.FromMilliseconds(100)));
    }

    // Whatever a server sends, it is read or it is no message; it never breaks the reader.
    [Fact]
    public void StatusOf_OfAnyBytes_NeverThrows() => Prop.ForAll<byte[]>(bytes =>
    {
        _ = GrpcProber.StatusOf(bytes);
        _ = GrpcProber.StatusOf([0, 0, 0, 0, (byte)Math.Min(bytes.Length, 255), .. bytes]);
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void Encode_OfAnyService_IsAFrameOfTheLengthItSays() => Prop.ForAll<NonNull<string>>(service =>
    {
        var framed = GrpcProber.Encode(service.Get);
        Assert.Equal(framed.Length - 5, (framed[1] << 24) | (framed[2] << 16) | (framed[3] << 8) | framed[4]);
        Assert.EndsWith(Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(service.Get)), Encoding.UTF8.GetString(framed), StringComparison.Ordinal);
    }).QuickCheckThrowOnFailure();

    internal static async Task AnswerServingAsync(HttpContext http)
    {
        http.Response.ContentType = "application/grpc";
        await http.Response.Body.WriteAsync(new byte[] { 0, 0, 0, 0, 2, 8, 1 });
        http.Response.AppendTrailer("grpc-status", "0");
    }

    private static async Task<ProbeResult> ProbeAsync(ProbeDefinition probe, TimeSpan? timeout = null)
    {
        using var prober = Prober.Create(probe, new NameLookUp(Dns.GetHostAddresses));
        using var limit = new CancellationTokenSource(timeout ?? TestServer.Limit);
        return await prober.ProbeAsync(limit.Token);
    }
}
