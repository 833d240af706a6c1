using System.IO.Pipelines;
using System.Net;
using System.Net.Security;
using MeshClient.AspNetCore.Connections;
using MeshClient.AspNetCore.Intentions;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Transport;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace MeshClient.AspNetCore.Tests.Connections;

/// <summary>What becomes of something that is being written when its connection ends.</summary>
public sealed class AcceptedWriterTests
{
    private const int Limit = 60_000;
    private const string OwnFailure = "The app's own.";

    // More than the server's pipe takes at once, and soon read.
    private static readonly byte[] Some = MakeBytes(2 * 1024 * 1024);

    // Far more than the buffers of both sides hold, so that writing it waits for the reader.
    private static readonly byte[] Much = MakeBytes(32 * 1024 * 1024);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact(Timeout = Limit)]
    public async Task Leave_WhileSomethingIsWritten_SendsAllOfItFirst()
    {
        Task<FlushResult>? write = null;
        await using var host = await StartAsync(connection =>
        {
            write = connection.Transport.Output.WriteAsync(Some, Token).AsTask();
            return Task.CompletedTask;
        });
        await using var caller = await RawCaller.ConnectAsync(host, "web");

        Assert.Equal(Some, await ReadToEndAsync(caller));
        await ClosedAsync(host);
        Assert.True(write!.IsCompletedSuccessfully);
    }

    [Fact(Timeout = Limit)]
    public async Task Leave_CallerDoesNotRead_BreaksTheWriteOffBeforeTheServerTakesTheSessionDown()
    {
        Task<FlushResult>? write = null;
        await using var host = await StartAsync(connection =>
        {
            write = connection.Transport.Output.WriteAsync(Much, Token).AsTask();
            return Task.CompletedTask;
        });
        await using var caller = await RawCaller.ConnectAsync(host, "web");

        await ClosedAsync(host);
        Assert.True(write!.IsCompleted);
        Assert.NotEqual(Much.Length, (await ReadToEndAsync(caller)).Length);
    }

    [Fact(Timeout = Limit)]
    public async Task Leave_ByAFailure_BreaksTheWriteOff()
    {
        Task<FlushResult>? write = null;
        await using var host = await StartAsync(connection =>
        {
            write = connection.Transport.Output.WriteAsync(Much, Token).AsTask();
            throw new InvalidOperationException(OwnFailure);
        });
        await using var caller = await RawCaller.ConnectAsync(host, "web");

        await ClosedAsync(host);
        Assert.True(write!.IsCompleted);
    }

    [Fact(Timeout = Limit)]
    public async Task Complete_WhileSomethingIsWritten_SendsAllOfItAndTheOtherDirectionGoesOn()
    {
        var got = new TaskCompletionSource<long>();
        await using var host = await StartAsync(async connection =>
        {
            var write = connection.Transport.Output.WriteAsync(Some, Token).AsTask();
            connection.Transport.Output.Complete();
            Assert.Throws<InvalidOperationException>(() => connection.Transport.Output.GetMemory());
            got.SetResult(await CountAsync(connection.Transport.Input));
            await write;
        });
        await using var caller = await RawCaller.ConnectAsync(host, "web");

        Assert.Equal(Some, await ReadToEndAsync(caller));
        await caller.WriteAsync(new byte[1000], Token);
        await caller.ShutdownAsync();
        Assert.Equal(1000, await got.Task.Bounded());
        await ClosedAsync(host);
    }

    [Fact(Timeout = Limit)]
    public async Task Complete_AndLeaveAtOnce_SendsAllOfItFirst()
    {
        await using var host = await StartAsync(connection =>
        {
            Some.CopyTo(connection.Transport.Output.GetSpan(Some.Length));
            connection.Transport.Output.Advance(Some.Length);
            connection.Transport.Output.Complete();
            return Task.CompletedTask;
        });
        await using var caller = await RawCaller.ConnectAsync(host, "web");

        Assert.Equal(Some, await ReadToEndAsync(caller));
        await ClosedAsync(host);
    }

    [Fact(Timeout = Limit)]
    public async Task Write_GivenUp_NothingFollowsItAndTheConnectionIsBrokenOff()
    {
        var second = new TaskCompletionSource<Exception>();
        await using var host = await StartAsync(async connection =>
        {
            using var giveUp = new CancellationTokenSource();
            var write = connection.Transport.Output.WriteAsync(Much, giveUp.Token).AsTask();
            await giveUp.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => write);
            second.SetResult((await Record.ExceptionAsync(() => connection.Transport.Output.WriteAsync(Much, Token).AsTask()))!);
        });
        await using var caller = await RawCaller.ConnectAsync(host, "web");

        Assert.IsType<InvalidOperationException>(await second.Task.Bounded());
        Assert.InRange((await ReadToEndAsync(caller)).Length, 0, Much.Length - 1);
        await ClosedAsync(host);
    }

    [Fact(Timeout = Limit)]
    public async Task Write_BesideAnother_IsRefused()
    {
        var second = new TaskCompletionSource<Exception>();
        await using var host = await StartAsync(async connection =>
        {
            var write = connection.Transport.Output.WriteAsync(Much, Token).AsTask();
            second.SetResult((await Record.ExceptionAsync(() => connection.Transport.Output.WriteAsync(new byte[1], Token).AsTask()))!);
            await write;
        });
        await using var caller = await RawCaller.ConnectAsync(host, "web");

        Assert.IsType<InvalidOperationException>(await second.Task.Bounded());
        Assert.Equal(Much, await ReadToEndAsync(caller));
        await ClosedAsync(host);
    }

    [Fact(Timeout = Limit)]
    public async Task Leave_LastFlushIsCancelled_IsBrokenOffAndLooksLikeNoEndInOrder()
    {
        await using var host = await StartAsync(connection =>
        {
            connection.Transport.Output.GetSpan(1000)[..1000].Fill(1);
            connection.Transport.Output.Advance(1000);
            connection.Transport.Output.CancelPendingFlush();
            return Task.CompletedTask;
        });
        await using var caller = await RawCaller.ConnectAsync(host, "web");

        await Assert.ThrowsAsync<IOException>(() => caller.CopyToAsync(Stream.Null, Token).Bounded());
        await ClosedAsync(host);
    }

    [Fact(Timeout = Limit)]
    public async Task CancelPendingFlush_AfterComplete_CutsNothingShort()
    {
        await using var host = await StartAsync(async connection =>
        {
            Some.CopyTo(connection.Transport.Output.GetSpan(Some.Length));
            connection.Transport.Output.Advance(Some.Length);
            var completed = connection.Transport.Output.CompleteAsync();
            connection.Transport.Output.CancelPendingFlush();
            await completed;
        });
        await using var caller = await RawCaller.ConnectAsync(host, "web");

        Assert.Equal(Some, await ReadToEndAsync(caller));
        await ClosedAsync(host);
    }

    [Fact(Timeout = Limit)]
    public async Task Write_PipeBelowThrowsAtOnce_IsOverAndLeavesNoEndInOrder()
    {
        await using var connection = new DefaultConnectionContext();
        await using var tls = new SslStream(new MemoryStream());
        var below = new Pipe().Writer;
        await below.CompleteAsync();
        var writer = new AcceptedWriter(below, connection, tls, new TlsTurns(), new SourceCount("web"));

        await Assert.ThrowsAsync<InvalidOperationException>(() => writer.WriteAsync(new byte[1], Token).AsTask());
        var second = await Assert.ThrowsAsync<InvalidOperationException>(() => writer.FlushAsync(Token).AsTask());
        Assert.Contains("was given up", second.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<IOException>(() => writer.EndAsync().Bounded());
        await Eventually.HoldsAsync(() => connection.ConnectionClosed.IsCancellationRequested);
    }

    private static byte[] MakeBytes(int size)
    {
        var bytes = new byte[size];
        new Random(1).NextBytes(bytes);
        return bytes;
    }

    private static async Task<InboundTestHost> StartAsync(Func<ConnectionContext, Task> serve)
    {
        var host = await InboundTestHost.StartAsync(build: builder => builder.WebHost.ConfigureKestrel(
            kestrel => kestrel.Listen(IPAddress.Loopback, 0, listener => listener.UseMesh().Run(serve))));
        host.ControlPlane.Allow("web", "orders");
        await Eventually.HoldsAsync(() => host.Services.GetRequiredService<InboundIntentions>().InForce?.Evaluator.EvaluateConnection("web").IsAllowed == true);
        return host;
    }

    // In good order for the server, too: two that write at a time show as errors there.
    private static async Task ClosedAsync(InboundTestHost host)
    {
        await Eventually.HoldsAsync(() => host.Logs.Lines.Any(line => line.Text.Contains("stopped", StringComparison.Ordinal) && line.Category.Contains("Kestrel", StringComparison.Ordinal))
            && host.Services.GetRequiredService<ConnectionGuard>().Open == 0);
        Assert.DoesNotContain(
            host.Logs.Lines, line => line.Level >= LogLevel.Error && !line.Text.Contains(OwnFailure, StringComparison.Ordinal));
    }

    private static async Task<byte[]> ReadToEndAsync(SslStream stream)
    {
        using var all = new MemoryStream();
        try
        {
            await stream.CopyToAsync(all, Token).Bounded();
        }
        catch (IOException)
        {
            // Broken off.
        }

        return all.ToArray();
    }

    private static async Task<long> CountAsync(PipeReader input)
    {
        var total = 0L;
        while (true)
        {
            var result = await input.ReadAsync(Token);
            total += result.Buffer.Length;
            input.AdvanceTo(result.Buffer.End);
            if (result.IsCompleted)
            {
                return total;
            }
        }
    }
}
