using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Http.Headers;
using MeshClient.Resilience;
using MeshClient.Server;
using Microsoft.AspNetCore.Builder;

namespace MeshClient.FunctionalTests;

/// <summary>Both ends at once: what an overloaded service says, and what its caller makes of it.</summary>
public sealed class OverloadTests
{
    private const int Calls = 20;

    /// <summary>Of all kinds of calls.</summary>
    /// <param name="isGrpc">Whether the calls are gRPC.</param>
    /// <param name="isRate">Whether the rate is limited, or the number at a time.</param>
    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task Call_BothInstancesAreFull_IsShedByTheFirstAndNotTriedAtTheSecond(bool isGrpc, bool isRate)
    {
        await using var server = new MeshServer(new MeshServerOptions { ListenAddress = new Uri("http://127.0.0.1:0") });
        await server.StartAsync(MeshHosts.Cancellation);
        await using var mesh = new MeshHosts(server.Address!);
        await mesh.SetIntentionAsync(mesh.Web, mesh.Orders, "allow");
        await mesh.StartOrdersAsync(1, build: Limit);
        await mesh.StartOrdersAsync(2, build: Limit);
        await mesh.WaitForHealthyAsync(2);
        var web = await mesh.StartWebAsync();
        var held = new List<HttpResponseMessage>();
        await MeshHosts.WaitUntilAsync(async () =>
        {
            var answer = await web.GetAsync(new Uri("/stream", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead, MeshHosts.Cancellation);
            if (answer.IsSuccessStatusCode)
            {
                held.Add(answer);
            }
            else
            {
                answer.Dispose();
            }

            return held.Count == 2;
        });

        using var attempts = new AttemptCount(mesh.Orders);
        for (var i = 0; i < Calls; i++)
        {
            using var request = Request(isGrpc);
            using var answer = await web.SendAsync(request, MeshHosts.Cancellation);
            Assert.Equal(
                isGrpc ? HttpStatusCode.OK : isRate ? HttpStatusCode.TooManyRequests : HttpStatusCode.ServiceUnavailable, answer.StatusCode);
            Assert.Equal(isRate ? "rate" : "concurrency", Assert.Single(answer.Headers.GetValues("mesh-shed")));
            if (isGrpc)
            {
                Assert.Equal(isRate ? "8" : "14", Assert.Single(answer.Headers.GetValues("grpc-status")));
            }
        }

        Assert.Equal((Calls, 0), (attempts.Attempts, attempts.Retries));
        held.ForEach(one => one.Dispose());

        void Limit(WebApplicationBuilder builder)
        {
            builder.Configuration["Mesh:Inbound:Overload:MaxConcurrency"] = isRate ? null : "1";
            builder.Configuration["Mesh:Inbound:Overload:RateLimit:PerSecond"] = isRate ? "0.001" : null;
            builder.Configuration["Mesh:Inbound:Overload:RateLimit:Burst"] = isRate ? "1" : null;
        }
    }

    // One that may be repeated, whichever it is.
    private static HttpRequestMessage Request(bool isGrpc)
    {
        if (!isGrpc)
        {
            return new HttpRequestMessage(HttpMethod.Get, new Uri("/", UriKind.Relative));
        }

        var request = new HttpRequestMessage(HttpMethod.Post, new Uri("/", UriKind.Relative))
        {
            Version = HttpVersion.Version20,
            Content = new ByteArrayContent([0, 0, 0, 0, 0]),
        };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        request.Options.Set(MeshRequestOptions.Idempotent, true);
        return request;
    }

    /// <summary>Counts the attempts that go to a service, and those after the first.</summary>
    private sealed class AttemptCount : IDisposable
    {
        private readonly MeterListener _listener = new();
        private int _attempts;
        private int _retries;

        public AttemptCount(string service)
        {
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == "MeshClient" && instrument.Name is "meshclient.attempt.duration" or "meshclient.retries")
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            };
            _listener.SetMeasurementEventCallback<double>((_, _, tags, _) => Count(tags, ref _attempts));
            _listener.SetMeasurementEventCallback<long>((_, _, tags, _) => Count(tags, ref _retries));
            _listener.Start();

            void Count(ReadOnlySpan<KeyValuePair<string, object?>> tags, ref int count)
            {
                foreach (var (name, value) in tags)
                {
                    if (name == "meshclient.service" && value is string called && called == service)
                    {
                        Interlocked.Increment(ref count);
                    }
                }
            }
        }

        public int Attempts => Volatile.Read(ref _attempts);

        public int Retries => Volatile.Read(ref _retries);

        public void Dispose() => _listener.Dispose();
    }
}
