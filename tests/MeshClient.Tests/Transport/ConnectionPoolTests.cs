using System.Net;
using MeshClient.Discovery;
using MeshClient.Testing;
using MeshClient.Tests.Support;
using MeshClient.Transport;

namespace MeshClient.Tests.Transport;

public sealed class ConnectionPoolTests
{
    private readonly List<Watched> _handlers = [];

    [Fact]
    public void Retire_CallsOnIt_IsClosedWithTheLast()
    {
        var pool = MakePool();
        Assert.True(pool.TryAcquire() && pool.TryAcquire());
        pool.Retire();
        Assert.False(_handlers[0].IsDisposed);
        Assert.True(pool.TryAcquire());
        pool.Release();
        pool.Release();
        Assert.False(_handlers[0].IsDisposed);
        pool.Release();
        Assert.All(_handlers, handler => Assert.True(handler.IsDisposed));
        Assert.False(pool.TryAcquire());
    }

    [Fact]
    public void Renew_Transport_NewCallsGetANewPoolAndOldOnesKeepTheirs()
    {
        using var transport = MakeTransport();
        var first = transport.Acquire();
        Assert.Same(first, transport.Acquire());
        transport.Renew();
        transport.Renew();
        var second = transport.Acquire();
        Assert.NotSame(first, second);
        Assert.Equal((2, 2), (first.Users, second.Users));
        first.Release();
        first.Release();
        Assert.Equal(2, _handlers.Count(handler => handler.IsDisposed));
        second.Release();
        Assert.Equal(1, second.Users);
    }

    [Fact]
    public void Dispose_Transport_ClosesWhatIsUnusedAndTakesNoMoreCalls()
    {
        var transport = MakeTransport();
        transport.Acquire().Release();
        transport.Dispose();
        Assert.All(_handlers, handler => Assert.True(handler.IsDisposed));
        Assert.Throws<ObjectDisposedException>(() => transport.Acquire());
        transport.Renew();
    }

    [Fact]
    public async Task Acquire_WhileRenewed_NobodyGetsAClosedPool()
    {
        using var transport = MakeTransport();
        var done = false;
        var renewing = Task.Run(
            () =>
            {
                while (!Volatile.Read(ref done))
                {
                    transport.Renew();
                }
            },
            TestContext.Current.CancellationToken);
        try
        {
            await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
            {
                for (var i = 0; i < 2000; i++)
                {
                    var pool = transport.Acquire();
                    using var request = new HttpRequestMessage(HttpMethod.Get, "http://orders/");
                    using var response = await pool.SendAsync(request, TestContext.Current.CancellationToken);
                    pool.Release();
                }
            })));
        }
        finally
        {
            Volatile.Write(ref done, true);
            await renewing;
        }

        transport.Dispose();
        lock (_handlers)
        {
            Assert.All(_handlers, handler => Assert.True(handler.IsDisposed));
        }
    }

    private ConnectionPool MakePool() => new(Make(), new HttpMessageInvoker(Make()));

    private InstanceTransport MakeTransport()
    {
        var description = TestInstances.Describe();
        return new InstanceTransport(
            TestInstances.Transports(new FakeTimeProvider(), new MeshRandom(1), _ => Make()),
            description,
            description.Endpoints[0],
            TimeSpan.FromSeconds(1),
            new InstanceVitals(1));
    }

    private Watched Make()
    {
        var handler = new Watched();
        lock (_handlers)
        {
            _handlers.Add(handler);
        }

        return handler;
    }

    private sealed class Watched : HttpMessageHandler
    {
        public bool IsDisposed { get; private set; }

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            ObjectDisposedException.ThrowIf(IsDisposed, this);
            return Task.FromResult(new HttpResponseMessage(HttpStatusCode.OK));
        }

        protected override void Dispose(bool disposing)
        {
            IsDisposed = true;
            base.Dispose(disposing);
        }
    }
}
