using System.IO.Pipelines;
using System.Net;
using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Text;
using System.Threading.Channels;
using MeshClient.Outbound;
using MeshClient.Resilience;
using MeshClient.Testing;
using MeshClient.Tests.Support;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.Tests.Outbound;

/// <summary>Bodies flow as they come, both ways, and a call is in flight until its own has ended.</summary>
public sealed class StreamingTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<string> Protocols => new("HTTP/2", "HTTP/1.1");

    [Theory(Timeout = Eventually.TestLimit)]
    [MemberData(nameof(Protocols))]
    public async Task ResponseBody_SecondChunkWaitsForTheFirst_NothingIsBuffered(string protocol)
    {
        await using var env = new MeshTestEnvironment();
        var confirmed = new TaskCompletionSource();
        await env.StartAsync(
            "orders",
            async context =>
            {
                await context.Response.WriteAsync("one ", context.RequestAborted);
                await context.Response.Body.FlushAsync(context.RequestAborted);
                await confirmed.Task.WaitAsync(context.RequestAborted);
                await context.Response.WriteAsync("two", context.RequestAborted);
            },
            Only(protocol));
        using var response = await env.Client().GetAsync("http://orders/", HttpCompletionOption.ResponseHeadersRead, Token).BoundedAsync();
        Assert.Equal(protocol, $"HTTP/{(response.Version.Major == 2 ? "2" : "1.1")}");
        await using var body = await response.Content.ReadAsStreamAsync(Token);
        var buffer = new byte[64];
        var read = await body.ReadAsync(buffer, Token).AsTask().BoundedAsync();
        Assert.Equal("one ", Encoding.ASCII.GetString(buffer, 0, read));
        confirmed.SetResult();
        using var rest = new StreamReader(body);
        Assert.Equal("two", await rest.ReadToEndAsync(Token).BoundedAsync());
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [MemberData(nameof(Protocols))]
    public async Task RequestBody_SecondChunkWaitsForTheFirst_NothingIsBuffered(string protocol)
    {
        await using var env = new MeshTestEnvironment();
        var firstSeen = new TaskCompletionSource();
        await env.StartAsync(
            "orders",
            async context =>
            {
                var buffer = new byte[64];
                var read = await context.Request.Body.ReadAsync(buffer, context.RequestAborted);
                Assert.Equal("one ", Encoding.ASCII.GetString(buffer, 0, read));
                firstSeen.SetResult();
                using var rest = new StreamReader(context.Request.Body);
                await context.Response.WriteAsync(await rest.ReadToEndAsync(context.RequestAborted), context.RequestAborted);
            },
            Only(protocol));
        var pipe = new Pipe();
        using var content = new PipeContent(pipe.Reader);
        var call = env.Client().PostAsync("http://orders/", content, Token);
        await pipe.Writer.WriteAsync("one "u8.ToArray(), Token);
        await firstSeen.Task.BoundedAsync();
        await pipe.Writer.WriteAsync("two"u8.ToArray(), Token);
        await pipe.Writer.CompleteAsync();
        using var response = await call.BoundedAsync();
        Assert.Equal("two", await response.Content.ReadAsStringAsync(Token));
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [MemberData(nameof(Protocols))]
    public async Task RequestBody_KeptForAReplay_EachPieceIsSentBeforeTheNextIsThere(string protocol)
    {
        await using var env = new MeshTestEnvironment(options => options.Defaults.Retry.ReplayStreams = true);
        var server = await FailingOnce.StartAsync(env, protocol);
        var pipe = new Pipe();
        using var content = new PipeContent(pipe.Reader);
        var call = env.Client().PutAsync("http://orders/", content, Token);
        await Eventually.HoldsAsync(() => server.Requests == 1, "the head, before there is any body");
        var text = "";
        for (var i = 0; i < 20; i++)
        {
            var piece = $"{i:D4}";
            text += piece;
            await pipe.Writer.WriteAsync(Encoding.ASCII.GetBytes(piece), Token);
            await Eventually.HoldsAsync(() => server.Received == text.Length, $"piece {i}");
        }

        await pipe.Writer.CompleteAsync();
        using var response = await call.BoundedAsync();
        Assert.Equal((HttpStatusCode.OK, 2), (response.StatusCode, server.Requests));
        Assert.Equal(text, await response.Content.ReadAsStringAsync(Token));
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [MemberData(nameof(Protocols))]
    public async Task RequestBody_StreamKeptForAReplay_IsReadNoFurtherThanItIsSent(string protocol)
    {
        // More than the runtime gathers before it writes to the connection, and less than it reads at once.
        const int Piece = 64 * 1024;
        await using var env = new MeshTestEnvironment(options =>
            (options.Defaults.Retry.ReplayStreams, options.Defaults.Retry.MaxReplayBytes) = (true, 8 * Piece));
        var server = await FailingOnce.StartAsync(env, protocol);
        var bytes = new byte[4 * Piece];
        new Random(5).NextBytes(bytes);
        await using var stream = new PiecesStream();
        using var content = new StreamContent(stream);
        var call = env.Client().PutAsync("http://orders/", content, Token);
        for (var sent = 0; sent < bytes.Length; sent += Piece)
        {
            stream.Offer(bytes.AsMemory(sent, Piece));
            // The last few bytes may wait for the next.
            await Eventually.HoldsAsync(() => server.Received > sent, $"something of what begins at {sent}");
        }

        stream.End();
        using var response = await call.BoundedAsync();
        Assert.Equal((HttpStatusCode.OK, 2), (response.StatusCode, server.Requests));
        Assert.Equal(bytes, await response.Content.ReadAsByteArrayAsync(Token));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Duplex_Http2_BothSidesTalkAtOnce()
    {
        await using var env = new MeshTestEnvironment(options => options.Defaults.AttemptTimeout = TimeSpan.FromSeconds(2));
        await env.StartAsync("orders", async context =>
        {
            await context.Response.Body.FlushAsync(context.RequestAborted);
            var buffer = new byte[64];
            int read;
            while ((read = await context.Request.Body.ReadAsync(buffer, context.RequestAborted)) > 0)
            {
                await context.Response.Body.WriteAsync(buffer.AsMemory(0, read), context.RequestAborted);
                await context.Response.Body.FlushAsync(context.RequestAborted);
            }
        });
        var pipe = new Pipe();
        using var request = new HttpRequestMessage(HttpMethod.Post, "http://orders/")
        {
            Content = new PipeContent(pipe.Reader),
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        using var response = await env.Client().SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Token).BoundedAsync();
        await using var body = await response.Content.ReadAsStreamAsync(Token);
        for (var i = 0; i < 20; i++)
        {
            await pipe.Writer.WriteAsync(Encoding.ASCII.GetBytes($"{i:D4}"), Token);
            var echo = new byte[4];
            await body.ReadExactlyAsync(echo, Token).AsTask().BoundedAsync();
            Assert.Equal($"{i:D4}", Encoding.ASCII.GetString(echo));
            Assert.Equal(1, env.State("orders").InFlight);
        }

        await pipe.Writer.CompleteAsync();
        Assert.Equal(0, await body.ReadAsync(new byte[1], Token).AsTask().BoundedAsync());
        Assert.Equal(0, env.State("orders").InFlight);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Duplex_AnswerDisposedWhileTheRequestGoesOn_ServerIsTold()
    {
        await using var env = new MeshTestEnvironment();
        var aborted = new TaskCompletionSource();
        await env.StartAsync("orders", async context =>
        {
            context.RequestAborted.Register(aborted.SetResult);
            await context.Response.Body.FlushAsync(context.RequestAborted);
            await aborted.Task;
        });
        var pipe = new Pipe();
        using var request = new HttpRequestMessage(HttpMethod.Post, "http://orders/")
        {
            Content = new PipeContent(pipe.Reader),
            Version = HttpVersion.Version20,
        };
        var response = await env.Client().SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Token).BoundedAsync();
        Assert.Equal(1, env.State("orders").InFlight);
        response.Dispose();
        await aborted.Task.BoundedAsync();
        Assert.Equal(0, env.State("orders").InFlight);
        await pipe.Writer.CompleteAsync();
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [MemberData(nameof(Protocols))]
    public async Task Expect100Continue_ServerRefusesEarly_BodyIsNotSent(string protocol)
    {
        await using var env = new MeshTestEnvironment(services: WaitForContinue);
        await env.StartAsync(
            "orders",
            async context =>
            {
                if (context.Request.Headers.ContainsKey("X-Refuse"))
                {
                    context.Response.StatusCode = 413;
                    return;
                }

                using var reader = new StreamReader(context.Request.Body);
                await context.Response.WriteAsync($"{context.Request.Headers.Expect} {await reader.ReadToEndAsync(context.RequestAborted)}");
            },
            Only(protocol));
        using var accepted = Request(out var read);
        using var response = await env.Client().SendAsync(accepted, Token).BoundedAsync();
        Assert.Equal($"100-continue {new string('b', 5000)}", await response.Content.ReadAsStringAsync(Token));
        Assert.True(read());

        using var refused = Request(out read);
        refused.Headers.Add("X-Refuse", "1");
        using var refusal = await env.Client().SendAsync(refused, Token).BoundedAsync();
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, refusal.StatusCode);
        Assert.False(read());

        static HttpRequestMessage Request(out Func<bool> read)
        {
            var content = new WatchedContent(new string('b', 5000));
            read = () => content.WasRead;
            return new HttpRequestMessage(HttpMethod.Post, "http://orders/") { Content = content, Headers = { ExpectContinue = true } };
        }
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [MemberData(nameof(Protocols))]
    public async Task Trailers_OfTheAnswer_ArriveAfterTheBody(string protocol)
    {
        await using var env = new MeshTestEnvironment();
        if (protocol == "HTTP/2")
        {
            await env.StartAsync("orders", async context =>
            {
                context.Response.DeclareTrailer("grpc-status");
                await context.Response.WriteAsync("body", context.RequestAborted);
                context.Response.AppendTrailer("grpc-status", "7");
            });
        }
        else
        {
            env.StartRaw("orders", async (stream, _, token) =>
            {
                await RawPeer.ReadHeadAsync(stream, token);
                await RawPeer.WriteAsync(
                    stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\ngrpc-status: 7\r\n\r\n", token);
                await RawPeer.ReadHeadAsync(stream, token);
            });
        }

        using var response = await env.Client().GetAsync("http://orders/", HttpCompletionOption.ResponseHeadersRead, Token);
        Assert.Equal("body", await response.Content.ReadAsStringAsync(Token));
        Assert.Equal("7", Assert.Single(response.TrailingHeaders.GetValues("grpc-status")));
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [MemberData(nameof(Protocols))]
    public async Task LargeBodies_BothWays_ArriveUnchanged(string protocol)
    {
        await using var env = new MeshTestEnvironment();
        await env.StartAsync(
            "orders",
            async context =>
            {
                using var all = new MemoryStream();
                await context.Request.Body.CopyToAsync(all, context.RequestAborted);
                await context.Response.Body.WriteAsync(all.ToArray(), context.RequestAborted);
            },
            Only(protocol));
        var bytes = new byte[8 * 1024 * 1024];
        new Random(1).NextBytes(bytes);
        using var content = new ByteArrayContent(bytes);
        using var response = await env.Client().PostAsync("http://orders/", content, Token);
        var back = await response.Content.ReadAsByteArrayAsync(Token);
        Assert.Equal(SHA256.HashData(bytes), SHA256.HashData(back));
        using var copy = new MemoryStream();
        using var again = await env.Client().PostAsync("http://orders/", new ByteArrayContent(bytes), Token);
        await again.Content.CopyToAsync(copy, Token);
        Assert.Equal(bytes.Length, copy.Length);
        Assert.Equal(0, env.State("orders").InFlight);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData("ws://orders/chat")]
    [InlineData("wss://orders/chat")]
    public async Task WebSocket_OverTheMesh_TalksBothWaysAndIsInFlight(string address)
    {
        await using var env = new MeshTestEnvironment();
        var peer = await env.StartAsync("orders", async context =>
        {
            Assert.Equal("HTTP/1.1", context.Request.Protocol);
            using var socket = await context.WebSockets.AcceptWebSocketAsync();
            var buffer = new byte[64];
            while (await socket.ReceiveAsync(buffer, context.RequestAborted) is { MessageType: not WebSocketMessageType.Close } message)
            {
                await socket.SendAsync(buffer.AsMemory(0, message.Count), message.MessageType, true, context.RequestAborted);
            }

            await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, null, context.RequestAborted);
        });
        using (var invoker = new HttpMessageInvoker(env.Handlers.Create()))
        using (var socket = new ClientWebSocket())
        {
            await socket.ConnectAsync(new Uri(address), invoker, Token).BoundedAsync();
            for (var i = 0; i < 3; i++)
            {
                await socket.SendAsync(Encoding.ASCII.GetBytes($"hello {i}"), WebSocketMessageType.Text, true, Token);
                var buffer = new byte[64];
                var received = await socket.ReceiveAsync(buffer, Token).BoundedAsync();
                Assert.Equal($"hello {i}", Encoding.ASCII.GetString(buffer, 0, received.Count));
                Assert.Equal(1, env.State("orders").InFlight);
            }

            await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, null, Token).BoundedAsync();
        }

        Assert.Equal(1, peer.Tls!.Handshakes);
        await Eventually.HoldsAsync(() => env.State("orders").InFlight == 0);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(1)]
    [InlineData(2)]
    public async Task WebSocket_OpenedForARequest_OutlivesItsDeadline(int version)
    {
        var time = new FakeTimeProvider();
        await using var env = new MeshTestEnvironment(services: services => services.AddSingleton<TimeProvider>(time));
        await env.StartAsync("orders", async context =>
        {
            Assert.Equal(version == 2 ? "CONNECT" : "GET", context.Request.Method);
            using var socket = await context.WebSockets.AcceptWebSocketAsync();
            var buffer = new byte[64];
            while (await socket.ReceiveAsync(buffer, context.RequestAborted) is { MessageType: not WebSocketMessageType.Close } message)
            {
                await socket.SendAsync(buffer.AsMemory(0, message.Count), message.MessageType, true, context.RequestAborted);
            }
        });
        using var invoker = new HttpMessageInvoker(env.Handlers.Create());
        using var socket = new ClientWebSocket();
        socket.Options.HttpVersion = new Version(version, version == 1 ? 1 : 0);
        socket.Options.HttpVersionPolicy = HttpVersionPolicy.RequestVersionExact;
        using var deadline = MeshDeadline.Begin(TimeSpan.FromSeconds(3), time);
        await socket.ConnectAsync(new Uri("wss://orders/chat"), invoker, Token).BoundedAsync();
        var buffer = new byte[64];
        var receiving = socket.ReceiveAsync(buffer, Token);
        time.Advance(TimeSpan.FromSeconds(3));
        await socket.SendAsync("hello"u8.ToArray(), WebSocketMessageType.Text, true, Token);
        Assert.Equal("hello", Encoding.ASCII.GetString(buffer, 0, (await receiving.BoundedAsync()).Count));
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData("read")]
    [InlineData("dispose response")]
    [InlineData("dispose stream")]
    [InlineData("copy")]
    public async Task InFlight_BodyHeldOpen_IsCountedUntilItEnds(string end)
    {
        await using var env = new MeshTestEnvironment(options => options.Defaults.MaxConcurrency = 1);
        await using var held = await HeldCall.StartAsync(env);
        var failure = await Assert.ThrowsAsync<MeshCallException>(() => env.Client().GetAsync("http://orders/", Token));
        Assert.Equal((MeshFailureReason.Overloaded, "Admission", 0), (failure.Reason, failure.Stage, failure.Attempts));
        Assert.Null(failure.Instance);
        Assert.Contains("MaxConcurrency", failure.Message, StringComparison.Ordinal);
        Assert.Equal((1, 1), (env.State("orders").InFlight, env.Instance("orders", held.Peer.Port).Load.InFlight));
        switch (end)
        {
            case "read":
                await held.EndAsync();
                break;
            case "dispose response":
                held.Response.Dispose();
                break;
            case "dispose stream":
                await (await held.Response.Content.ReadAsStreamAsync(Token)).DisposeAsync();
                break;
            default:
                held.LetEnd();
                await held.Response.Content.CopyToAsync(Stream.Null, Token);
                break;
        }

        Assert.Equal((0, 0), (env.State("orders").InFlight, env.Instance("orders", held.Peer.Port).Load.InFlight));
        held.LetEnd();
        Assert.Equal("a", await env.Client().GetStringAsync("http://orders/", Token));
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData("HEAD", 200)]
    [InlineData("GET", 204)]
    [InlineData("GET", 304)]
    [InlineData("GET", 200)]
    public async Task InFlight_AnswerWithoutABody_EndsWithItsHead(string method, int status)
    {
        await using var env = new MeshTestEnvironment();
        await env.StartAsync("orders", context =>
        {
            context.Response.StatusCode = status;
            if (method != "HEAD" && status == 200)
            {
                context.Response.ContentLength = 0;
            }

            return Task.CompletedTask;
        });
        using var request = new HttpRequestMessage(new HttpMethod(method), "http://orders/");
        using var response = await env.Client().SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Token);
        Assert.Equal(status, (int)response.StatusCode);
        Assert.Equal(0, env.State("orders").InFlight);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(HttpCompletionOption.ResponseHeadersRead)]
    [InlineData(HttpCompletionOption.ResponseContentRead)]
    public async Task Body_ConnectionBreaksInTheMiddle_ReaderIsTold(HttpCompletionOption option)
    {
        await using var env = new MeshTestEnvironment();
        var broken = StartBreakingBody(env);
        var error = await Assert.ThrowsAnyAsync<Exception>(async () =>
        {
            using var response = await env.Client().GetAsync("http://orders/", option, Token);
            await response.Content.ReadAsStringAsync(Token);
        });
        Assert.True(error is HttpRequestException or IOException, error.GetType().Name);
        Assert.Equal((0, 0), (env.State("orders").InFlight, env.Instance("orders", broken.Port).Load.InFlight));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Body_BrokenFiveTimes_EjectsTheInstance()
    {
        await using var env = new MeshTestEnvironment();
        var good = await env.StartAsync("orders", context => context.Response.WriteAsync("good body."));
        var broken = StartBreakingBody(env);
        var failed = (await CallAsync() ? 0 : 1) + (await CallAsync() ? 0 : 1);
        for (var i = 0; i < 400 && !env.Instance("orders", broken.Port).Ejection.IsEjected; i++)
        {
            // Two at a time, so that both instances are used, and the broken one in spite of what its failures count as.
            env.Instance("orders", broken.Port).Load.Forget();
            var pair = await Task.WhenAll(CallAsync(), CallAsync());
            failed += pair.Count(ok => !ok);
        }

        Assert.True(env.Instance("orders", broken.Port).Ejection.IsEjected);
        Assert.InRange(failed, 5, 8);
        var before = good.Requests;
        for (var i = 0; i < 20; i++)
        {
            Assert.True(await CallAsync());
        }

        Assert.Equal(20, good.Requests - before);

        async Task<bool> CallAsync()
        {
            try
            {
                await env.Client().GetStringAsync("http://orders/", Token);
                return true;
            }
            catch (HttpRequestException)
            {
                return false;
            }
        }
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData("cancelled read")]
    [InlineData("cancelled buffering")]
    [InlineData("disposed")]
    [InlineData("destination that fails")]
    [InlineData("buffer limit")]
    public async Task Body_ReaderGivesUp_InstanceIsNotBlamed(string how)
    {
        await using var env = new MeshTestEnvironment();
        var peer = await env.StartAsync("orders", async context =>
        {
            await context.Response.Body.WriteAsync(new byte[1000], context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
        });
        for (var i = 0; i < 6; i++)
        {
            using var caller = CancellationTokenSource.CreateLinkedTokenSource(Token);
            var option = how is "cancelled buffering" or "buffer limit" ? HttpCompletionOption.ResponseContentRead : HttpCompletionOption.ResponseHeadersRead;
            var client = env.Client();
            if (how == "buffer limit")
            {
                client.MaxResponseContentBufferSize = 10;
            }

            var call = client.GetAsync("http://orders/", option, caller.Token);
            switch (how)
            {
                case "cancelled buffering":
                    var before = i;
                    await Eventually.HoldsAsync(() => peer.Requests > before && env.Instance("orders", peer.Port).Load.InFlight == 1);
                    await caller.CancelAsync();
                    await Assert.ThrowsAnyAsync<OperationCanceledException>(call.BoundedAsync);
                    break;
                case "buffer limit":
                    await Assert.ThrowsAsync<HttpRequestException>(call.BoundedAsync);
                    break;
                case "cancelled read":
                    using (var response = await call.BoundedAsync())
                    {
                        await using var body = await response.Content.ReadAsStreamAsync(Token);
                        await body.ReadExactlyAsync(new byte[1000], Token);
                        var reading = body.ReadAsync(new byte[1], caller.Token).AsTask();
                        await caller.CancelAsync();
                        await Assert.ThrowsAnyAsync<OperationCanceledException>(reading.BoundedAsync);
                    }

                    break;
                case "destination that fails":
                    using (var response = await call.BoundedAsync())
                    {
                        await Assert.ThrowsAnyAsync<Exception>(() => response.Content.CopyToAsync(new FullStream(), Token).BoundedAsync());
                    }

                    break;
                default:
                    (await call.BoundedAsync()).Dispose();
                    break;
            }
        }

        var instance = env.Instance("orders", peer.Port);
        await Eventually.HoldsAsync(() => instance.Load.InFlight == 0 && env.State("orders").InFlight == 0);
        var quotaForTwo = env.List("orders", RawPeer.ClosedPort());
        await Eventually.HoldsAsync(() => env.State("orders").Snapshot!.Instances.Count == 2);
        for (var i = 0; i < 4; i++)
        {
            instance.Ejection.Failed(MeshClient.Health.Admission.Ordinary, TimeProvider.System.GetTimestamp());
        }

        Assert.False(instance.Ejection.IsEjected);
        Assert.NotNull(quotaForTwo);
    }

    // By default the runtime waits a second for the server's word, and then sends all the same: not enough on a busy machine.
    private static void WaitForContinue(IServiceCollection services) => services.AddTransports(connector => new SocketsHttpHandler
    {
        ConnectCallback = connector.ConnectAsync,
        UseProxy = false,
        Expect100ContinueTimeout = TimeSpan.FromMinutes(1),
    });

    private static HttpProtocols Only(string protocol) => protocol == "HTTP/2" ? HttpProtocols.Http2 : HttpProtocols.Http1;

    // In order, so that the half that was sent is sure to be seen.
    private static RawPeer StartBreakingBody(MeshTestEnvironment env) => env.StartRaw(
        "orders",
        async (stream, _, token) =>
        {
            if (await RawPeer.ReadHeadAsync(stream, token) is not null)
            {
                await RawPeer.WriteAsync(stream, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", token);
            }
        },
        end: PeerEnd.Orderly);

    private sealed class WatchedContent(string text) : HttpContent
    {
        public bool WasRead { get; private set; }

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            WasRead = true;
            await stream.WriteAsync(Encoding.ASCII.GetBytes(text));
        }

        protected override bool TryComputeLength(out long length)
        {
            length = text.Length;
            return true;
        }
    }

    /// <summary>A body that is sent as it is written. Unlike a stream's, it may go on after the answer has begun.</summary>
    private sealed class PipeContent(PipeReader reader) : HttpContent
    {
        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
            SerializeToStreamAsync(stream, context, CancellationToken.None);

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
        {
            await stream.FlushAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken) is { } read && !(read.IsCompleted && read.Buffer.IsEmpty))
            {
                foreach (var part in read.Buffer)
                {
                    await stream.WriteAsync(part, cancellationToken);
                }

                reader.AdvanceTo(read.Buffer.End);
                await stream.FlushAsync(cancellationToken);
            }
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }

    /// <summary>Two instances that are asked once each: the first to be asked takes the body and fails, the other sends it back.</summary>
    private sealed class FailingOnce
    {
        private int _requests;
        private int _received;

        public int Requests => Volatile.Read(ref _requests);

        /// <summary>How much of the body has arrived at the first.</summary>
        public int Received => Volatile.Read(ref _received);

        public static async Task<FailingOnce> StartAsync(MeshTestEnvironment env, string protocol)
        {
            var server = new FailingOnce();
            for (var i = 0; i < 2; i++)
            {
                await env.StartAsync("orders", server.AnswerAsync, Only(protocol));
            }

            return server;
        }

        private async Task AnswerAsync(HttpContext context)
        {
            if (Interlocked.Increment(ref _requests) > 1)
            {
                await context.Request.Body.CopyToAsync(context.Response.Body, context.RequestAborted);
                return;
            }

            var buffer = new byte[4096];
            while (await context.Request.Body.ReadAsync(buffer, context.RequestAborted) is > 0 and var read)
            {
                Interlocked.Add(ref _received, read);
            }

            context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
        }
    }

    /// <summary>A body that hands out one piece at a time, as the app comes by it.</summary>
    private sealed class PiecesStream : MemoryStream
    {
        private readonly Channel<ReadOnlyMemory<byte>> _pieces = Channel.CreateUnbounded<ReadOnlyMemory<byte>>();

        public override bool CanSeek => false;

        public void Offer(ReadOnlyMemory<byte> piece) => Assert.True(_pieces.Writer.TryWrite(piece));

        public void End() => _pieces.Writer.Complete();

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (!await _pieces.Reader.WaitToReadAsync(cancellationToken) || !_pieces.Reader.TryRead(out var piece))
            {
                return 0;
            }

            piece.CopyTo(buffer);
            return piece.Length;
        }

        public override async Task CopyToAsync(Stream destination, int bufferSize, CancellationToken cancellationToken)
        {
            var buffer = new byte[bufferSize];
            while (await ReadAsync(buffer, cancellationToken) is > 0 and var read)
            {
                await destination.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
            }
        }
    }

    private sealed class FullStream : MemoryStream
    {
        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            throw new IOException("The disk is full.");
    }
}
