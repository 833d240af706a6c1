using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Http.Json;
using MeshClient.Configuration;
using MeshClient.Health;
using MeshClient.Outbound;
using MeshClient.Resilience;
using MeshClient.Telemetry;
using MeshClient.Testing;
using MeshClient.Tests.Support;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.Tests.Outbound;

/// <summary>What the app itself breaks is its own failure: no instance is blamed, and nothing is tried again.</summary>
public sealed class AppFailureTests
{
    // More than eject an instance.
    private const int Calls = 2 * MeshDefaults.ConsecutiveFailures;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<string, string> Failures()
    {
        var data = new TheoryData<string, string>();
        foreach (var kind in (string[])["invalid", "io", "cancelled", "disposed", "own"])
        {
            data.Add(kind, "1.1");
            data.Add(kind, "2.0");
        }

        return data;
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [MemberData(nameof(Failures))]
    public async Task SendAsync_UploadThrows_AppGetsItsOwnExceptionAndNoInstanceIsBlamed(string kind, string version)
    {
        using var meters = new MetricRecorder();
        await using var env = new MeshTestEnvironment(services: meters.Attach);
        var ports = await StartTwoAsync(env);
        foreach (var failure in Enumerable.Range(0, Calls).Select(_ => Failure(kind)))
        {
            using var request = Put(new StreamContent(new TornUpload(100, failure)), version);
            Assert.Same(failure, await Assert.ThrowsAnyAsync<Exception>(() => env.Client().SendAsync(request, Token)));
        }

        AssertUnblamed(env, ports);
        var told = meters.Of("meshclient.call.duration").TakeLast(Calls);
        Assert.All(told, one => Assert.Equal(("app_failure", Failure(kind).GetType().Name, 0), (one.Tag("meshclient.outcome"), one.Tag("error.type"), one.Tag("http.request.resend_count"))));
        Assert.All(meters.Of("meshclient.attempt.duration").TakeLast(Calls), one => Assert.Equal("app_failure", one.Tag("meshclient.outcome")));
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData("1.1")]
    [InlineData("2.0")]
    public async Task SendAsync_JsonCannotBeWritten_AppGetsItsOwnExceptionAtTheFirstAttempt(string version)
    {
        using var meters = new MetricRecorder();
        await using var env = new MeshTestEnvironment(services: meters.Attach);
        var ports = await StartTwoAsync(env);
        for (var i = 0; i < Calls; i++)
        {
            using var looped = Put(JsonContent.Create(new Loop()), version);
            await Assert.ThrowsAsync<System.Text.Json.JsonException>(() => env.Client().SendAsync(looped, Token));
            using var broken = Put(JsonContent.Create(new Broken()), version);
            var failure = await Assert.ThrowsAsync<InvalidOperationException>(() => env.Client().SendAsync(broken, Token));
            Assert.Equal("no value", failure.Message);
        }

        AssertUnblamed(env, ports);
        Assert.Empty(meters.Of("meshclient.retries"));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ReadAsync_UploadThrowsAfterTheHeadOfTheAnswer_NoInstanceIsBlamed()
    {
        await using var env = new MeshTestEnvironment();
        var ports = await StartTwoAsync(env, async context =>
        {
            await context.Response.Body.FlushAsync();
            await context.Request.Body.CopyToAsync(Stream.Null);
        });
        for (var i = 0; i < Calls; i++)
        {
            var answered = new TaskCompletionSource();
            var failure = new InvalidOperationException("nothing more to send");
            using var request = Put(new TornContent(failure, answered.Task), "2.0");
            using var response = await env.Client().SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Token);
            answered.SetResult();
            await Assert.ThrowsAnyAsync<Exception>(() => response.Content.ReadAsByteArrayAsync(Token));
        }

        AssertUnblamed(env, ports);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_UploadThrows_NeitherBreakerNorFallbackHearsOfIt()
    {
        var asked = 0;
        await using var env = new MeshTestEnvironment(options =>
        {
            (options.Defaults.CircuitBreaker.Enabled, options.Defaults.CircuitBreaker.MinimumThroughput) = (true, 2);
            options.Defaults.Fallback = _ =>
            {
                asked++;
                return ValueTask.FromResult<HttpResponseMessage?>(new HttpResponseMessage());
            };
        });
        await StartTwoAsync(env);
        for (var i = 0; i < Calls; i++)
        {
            using var request = Put(new StreamContent(new TornUpload(100, new InvalidOperationException())), "2.0");
            await Assert.ThrowsAsync<InvalidOperationException>(() => env.Client().SendAsync(request, Token));
        }

        Assert.Equal(MeshCircuitState.Closed, env.Services.GetRequiredService<MeshCircuitBreakers>().StateOf("orders"));
        Assert.Equal(0, asked);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_PeerBreaksTheUpload_IsStillTheInstancesFailure()
    {
        using var meters = new MetricRecorder();
        await using var env = new MeshTestEnvironment(services: meters.Attach);
        var peer = await env.StartAsync("orders", async context =>
        {
            await context.Request.Body.ReadAtLeastAsync(new byte[1], 1);
            context.Abort();
        });
        await env.StartAsync("orders", context => context.Request.Body.CopyToAsync(Stream.Null));
        while (!env.Destinations.Services.Any() || !env.Instance("orders", peer.Port).Ejection.IsEjected)
        {
            using var request = Put(new StreamContent(new TornUpload(1 << 24, new InvalidOperationException())), "2.0");
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(Token);
            if (peer.Requests > 0)
            {
                env.Instance("orders", peer.Port).Load.Forget();
            }

            var failure = await Assert.ThrowsAnyAsync<Exception>(() => env.Client().SendAsync(request, limit.Token));
            Assert.True(failure is InvalidOperationException or MeshCallException { Reason: MeshFailureReason.TransportFailed }, failure.ToString());
        }
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_RequestDisposedBeforeItsRetry_NoInstanceIsBlamed()
    {
        await using var env = new MeshTestEnvironment(options => options.Defaults.Retry.BaseDelay = TimeSpan.Zero);
        var fails = false;
        var ports = await StartTwoAsync(env, context =>
        {
            context.Response.StatusCode = Volatile.Read(ref fails) ? 503 : 200;
            return Task.CompletedTask;
        });
        Volatile.Write(ref fails, true);
        using var invoker = new HttpMessageInvoker(env.Handlers.Create());
        HttpRequestMessage? request = null;
        // The figure of the attempt is written between its answer and the decision to try again.
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, self) =>
            {
                if (ReferenceEquals(instrument, env.Services.GetRequiredService<MeshTelemetry>().AttemptDuration))
                {
                    self.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<double>((_, _, _, _) => request!.Dispose());
        listener.Start();
        request = new HttpRequestMessage(HttpMethod.Get, "http://orders/");

        await Assert.ThrowsAsync<ObjectDisposedException>(() => invoker.SendAsync(request, Token));

        // One answered 503; the other was never called.
        Assert.All(ports, port => Assert.False(env.Instance("orders", port).Ejection.IsOut));
        await Eventually.HoldsAsync(() => env.State("orders").InFlight == 0 && ports.All(port => env.Instance("orders", port).Load.InFlight == 0));
    }

    private static async Task<int[]> StartTwoAsync(MeshTestEnvironment env, RequestDelegate? handler = null)
    {
        handler ??= context => context.Request.Body.CopyToAsync(Stream.Null);
        int[] ports = [(await env.StartAsync("orders", handler)).Port, (await env.StartAsync("orders", handler)).Port];
        using var first = Put(new ByteArrayContent([1]), "2.0");
        using var response = await env.Client().SendAsync(first, Token);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        return ports;
    }

    private static void AssertUnblamed(MeshTestEnvironment env, int[] ports)
    {
        Assert.All(ports, port =>
        {
            var instance = env.Instance("orders", port);
            Assert.Equal((EjectionReason.None, 0), (instance.Ejection.Reason, instance.Load.InFlight));
            Assert.Equal(0, instance.Ejection.Read(TimeProvider.System.GetTimestamp()).Failures);
        });
        Assert.Equal(0, env.State("orders").InFlight);
    }

    private static HttpRequestMessage Put(HttpContent content, string version) => new(HttpMethod.Put, "http://orders/")
    {
        Content = content,
        Version = Version.Parse(version),
        VersionPolicy = HttpVersionPolicy.RequestVersionExact,
    };

    private static Exception Failure(string kind) => kind switch
    {
        "invalid" => new InvalidOperationException("nothing to send"),
        "io" => new IOException("the disk is gone"),
        "cancelled" => new OperationCanceledException("the source was given up"),
        "disposed" => new ObjectDisposedException("source"),
        _ => new OwnException(),
    };

    private sealed class OwnException : Exception;

    private sealed class Loop
    {
        public Loop Next => this;
    }

    private sealed class Broken
    {
        public int Value => throw new InvalidOperationException("no value");
    }

    /// <summary>A body of which the peer has the beginning when it breaks.</summary>
    private sealed class TornContent(Exception failure, Task until) : HttpContent
    {
        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            await stream.WriteAsync(new byte[100], Token);
            await stream.FlushAsync(Token);
            await until.WaitAsync(Token);
            throw failure;
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }

    /// <summary>A body that breaks where it comes from.</summary>
    private sealed class TornUpload(int length, Exception failure) : Stream
    {
        private int _left = length;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (_left == 0)
            {
                await Task.Yield();
                throw failure;
            }

            var read = Math.Min(_left, buffer.Length);
            _left -= read;
            return read;
        }

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
