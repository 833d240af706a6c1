using FsCheck;
using FsCheck.Fluent;
using MeshClient.Tests.Support;
using MeshClient.Transport;

namespace MeshClient.Tests.Transport;

/// <summary>Whatever happens and in whatever order, the bytes arrive once and in order, and never are there two writes at once.</summary>
public sealed class WriteCoalescerProperties
{
    private static readonly int[] Lengths = [0, 1, 9, 13, 40, 200, 500, 1000, 1023, 1024, 1025, 4000];
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    private static Gen<(int Kind, int Number)[]> Histories =>
        from steps in (from kind in Gen.Choose(0, 11) from number in Gen.Choose(0, 1000) select (kind, number)).ListOf(150)
        select steps.ToArray();

    [Fact]
    public void AnyHistory_EverythingArrivesOnceAndInOrder() => Prop.ForAll(Arb.From(Histories), steps =>
    {
        var run = new Run();
        foreach (var (kind, number) in steps)
        {
            run.Step(kind, number);
        }

        run.Drain();
        run.Rig.AssertArrived();
        return run.Rig.Broken == 0;
    }).Check(Config.QuickThrowOnFailure.WithMaxTest(150));

    [Fact]
    public void AnyHistoryWithAFailure_OnlyTheBeginningArrivesAndTheWriterIsTold() => Prop.ForAll(
        Arb.From(Histories), Arb.From(Gen.Choose(0, 149)), (steps, moment) =>
        {
            var run = new Run();
            var failure = new IOException("Gone.");
            for (var i = 0; i < steps.Length && !run.IsTold; i++)
            {
                if (i == moment)
                {
                    run.Fail(failure);
                }

                run.Step(steps[i].Kind, steps[i].Number);
            }

            run.Drain();
            // Whatever was still to come: from what is left to do the writer hears of it, or nothing was left.
            if (run.HasFailed && !run.IsTold)
            {
                run.Step(0, 1);
                run.Drain();
            }

            run.Rig.AssertArrived(onlyBeginning: run.HasFailed);
            return run.Rig.Broken <= 1 && run.IsTold == run.HasFailed;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(150));

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(1)]
    [InlineData(2)]
    public async Task RealThreads_SlowWritesAndLooksOfThePool_EverythingArrivesOnceAndInOrder(int seed)
    {
        const int Pieces = 20_000;
        var arrived = new List<byte>();
        var chance = new Random(seed);
        var (writes, isInside, overlaps, changes) = (0, 0, 0, 0);
        async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
        {
            if (Interlocked.Exchange(ref isInside, 1) == 1)
            {
                Interlocked.Increment(ref overlaps);
            }

            writes++;
            var before = bytes.ToArray();
            for (var yields = chance.Next(6) - 2; yields > 0; yields--)
            {
                await Task.Yield();
            }

            changes += bytes.Span.SequenceEqual(before) ? 0 : 1;
            arrived.AddRange(before);
            Volatile.Write(ref isInside, 0);
        }

        var given = new List<byte>();
        Func<ReadOnlyMemory<byte>, CancellationToken, ValueTask> write = WriteAsync;
        var coalescer = new WriteCoalescer(write, () => true, TimeProvider.System, () => { });
        await Task.Run(async () =>
        {
            var own = new Random(seed + 100);
            var buffer = new byte[2000];
            for (var i = 0; i < Pieces; i++)
            {
                var piece = buffer.AsMemory(0, own.Next(50) == 0 ? own.Next(2000) : own.Next(60));
                own.NextBytes(piece.Span);
                given.AddRange(piece.Span);
                await coalescer.WriteAsync(piece, TestContext.Current.CancellationToken);
                Thread.SpinWait(own.Next(10) == 0 ? own.Next(2000) : own.Next(20));
            }

            await coalescer.FlushAsync();
        }, TestContext.Current.CancellationToken).WaitAsync(TestContext.Current.CancellationToken);

        Assert.Equal((0, 0), (overlaps, changes));
        Assert.Equal(given, arrived);
        Assert.InRange(writes, 1, Pieces - 1);
    }

    private sealed class Run
    {
        private Task _writer = Task.CompletedTask;
        private Exception? _failure;

        public CoalescerRig Rig { get; } = new();

        /// <summary>Whether a write has failed.</summary>
        public bool HasFailed { get; private set; }

        /// <summary>Whether whoever writes knows.</summary>
        public bool IsTold => _writer.IsFaulted;

        public void Fail(Exception failure)
        {
            if (Rig.IsUnderWay)
            {
                HasFailed = true;
                Rig.Complete(failure);
                Settle();
            }
            else
            {
                _failure = failure;
            }
        }

        public void Step(int kind, int number)
        {
            switch (kind)
            {
                case <= 4 when _writer.IsCompletedSuccessfully:
                    Attempt(() => _writer = Giving(Lengths[number % Lengths.Length]));
                    break;
                case 5:
                    Rig.Time.Advance(TimeSpan.FromTicks(number));
                    break;
                case 6 or 7 when Rig.Looks > 0:
                    Attempt(Rig.Look);
                    break;
                case 8 or 9 when Rig.IsUnderWay:
                    Attempt(() => Rig.Complete());
                    break;
                case 10:
                    Rig.IsSlow = number % 2 == 0;
                    break;
                case 11:
                    Rig.IsShared = number % 4 != 0;
                    break;
            }

            Settle();
        }

        /// <summary>Lets everything go its way, without a further write.</summary>
        public void Drain()
        {
            Rig.IsSlow = false;
            for (var i = 0; Rig.IsUnderWay || Rig.Looks > 0; i++)
            {
                Assert.InRange(i, 0, 10 * WriteCoalescer.MostLooks);
                Step(Rig.IsUnderWay ? 8 : 6, 0);
            }

            Assert.True(_writer.IsCompleted);
        }

        // What fails does so at the next write that begins, whoever begins it.
        private void Attempt(Action action)
        {
            var before = Rig.Broken;
            Rig.Failure = _failure;
            action();
            Settle();
            if (_failure is not null && (Rig.Broken > before || IsTold))
            {
                HasFailed = true;
                _failure = null;
            }

            Rig.Failure = null;
        }

        private Task Giving(int length)
        {
            try
            {
                return Rig.GiveAsync(length);
            }
            catch (IOException e)
            {
                return Task.FromException(e);
            }
        }

        // A writer that waited goes on from a thread of the pool.
        private void Settle() => Assert.True(SpinWait.SpinUntil(() => _writer.IsCompleted || Rig.IsUnderWay, Patience));
    }
}
