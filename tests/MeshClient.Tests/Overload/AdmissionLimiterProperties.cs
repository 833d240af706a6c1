using FsCheck;
using FsCheck.Fluent;
using MeshClient.Overload;

namespace MeshClient.Tests.Overload;

/// <summary>Random histories of one limiter, compared after each step with a model of lists and nothing clever.</summary>
public sealed class AdmissionLimiterProperties
{
    [Fact]
    public void AnyHistory_IsThatOfTheModel()
    {
        var step = from kind in Gen.Choose(0, 9)
                   from number in Gen.Choose(1, 6)
                   select (kind, number);
        var history = from queue in Gen.Choose(0, 4)
                      from steps in step.ListOf(200)
                      select (queue, steps: steps.ToArray());
        Prop.ForAll(Arb.From(history), one => new Run(one.queue).Check(one.steps)).Check(Config.QuickThrowOnFailure.WithMaxTest(300));
    }

    private sealed class Run(int queueLength)
    {
        private readonly AdmissionLimiter _limiter = new(3, queueLength);
        private readonly List<AdmissionLimiter.Waiter> _waiting = [];
        private int _inFlight;
        private int _limit = 3;

        public bool Check((int Kind, int Number)[] steps)
        {
            foreach (var (kind, number) in steps)
            {
                switch (kind)
                {
                    case <= 4:
                        Arrive();
                        break;
                    case <= 7 when _inFlight > 0:
                        Assert.Equal(_inFlight, _limiter.Leave());
                        _inFlight--;
                        break;
                    case 8 when _waiting.Count > 0:
                        var impatient = _waiting[number % _waiting.Count];
                        Assert.True(_limiter.TryGiveUp(impatient));
                        _waiting.Remove(impatient);
                        break;
                    case 9:
                        _limit = number;
                        _limiter.Limit = number;
                        break;
                }

                Admit();
                Assert.Equal((_inFlight, _waiting.Count, _limit), (_limiter.InFlight, _limiter.Waiting, _limiter.Limit));
                Assert.InRange(_limiter.Waiting, 0, queueLength);
                Assert.DoesNotContain(_waiting, waiter => waiter.Admitted.IsCompleted);
            }

            return true;
        }

        private void Arrive()
        {
            var isRoom = _waiting.Count == 0 && _inFlight < _limit;
            Assert.Equal(isRoom, _limiter.TryEnter());
            if (isRoom)
            {
                _inFlight++;
            }
            else if (_limiter.Enqueue() is { } waiter)
            {
                if (_waiting.Count == queueLength)
                {
                    Assert.True(_waiting[0].Admitted is { IsCompletedSuccessfully: true, Result: false });
                    _waiting.RemoveAt(0);
                }

                _waiting.Add(waiter);
            }
            else
            {
                Assert.Equal(0, queueLength);
            }
        }

        private void Admit()
        {
            while (_waiting.Count > 0 && _inFlight < _limit)
            {
                Assert.True(_waiting[^1].Admitted is { IsCompletedSuccessfully: true, Result: true });
                _waiting.RemoveAt(_waiting.Count - 1);
                _inFlight++;
            }
        }
    }
}
