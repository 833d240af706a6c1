using System.Collections.Concurrent;
using System.Net;
using MeshClient.Balancing;
using MeshClient.Discovery;
using MeshClient.Health;
using MeshClient.Outbound;
using MeshClient.Testing;
using MeshClient.Tests.Support;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.Tests.Balancing;

/// <summary>An app's own picker in place of the built-in policies.</summary>
public sealed class UserPickerTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void TryPick_SomeEjectedOrTried_AreNoCandidates()
    {
        var instances = TestInstances.Make(5, _time, allMayBeEjected: true);
        TestInstances.Eject(instances[1], _time.GetTimestamp());
        var picker = new RecordingPicker();
        var picked = new UserPicker(picker, instances).TryPick(
            new PickCall([instances[3]], anyOut: true, new MeshRandom(1), _time.GetTimestamp()));
        Assert.Equal(["orders-0", "orders-2", "orders-4"], picker.LastCandidates);
        Assert.Same(instances[4], picked);
    }

    [Fact]
    public void TryPick_NoneIsGood_IsNotAsked()
    {
        var instances = TestInstances.Make(2, _time);
        var picker = new RecordingPicker();
        Assert.Null(new UserPicker(picker, instances).TryPick(new PickCall(instances, anyOut: false, new MeshRandom(1), _time.GetTimestamp())));
        Assert.Empty(picker.LastCandidates);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(2)]
    public void TryPick_NumberOfNoCandidate_IsRefused(int index)
    {
        var picker = new UserPicker(new RecordingPicker { Choice = _ => index }, TestInstances.Make(2, _time));
        var e = Assert.Throws<InvalidOperationException>(
            () => picker.TryPick(new PickCall([], anyOut: false, new MeshRandom(1), _time.GetTimestamp())));
        Assert.Contains($"chose {index} of 2 candidates", e.Message, StringComparison.Ordinal);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Call_PickerRegistered_ChoosesAndIsToldWhatCameOfIt()
    {
        var picker = new RecordingPicker();
        await using var env = new MeshTestEnvironment(services: services => services.AddSingleton<IInstancePicker>(picker));
        var peers = new List<HttpPeer>();
        for (var i = 0; i < 3; i++)
        {
            var status = i == 2 ? 200 : 500;
            peers.Add(await env.StartAsync("orders", context =>
            {
                context.Response.StatusCode = status;
                return context.Response.WriteAsync("body");
            }));
        }

        for (var i = 0; i < 10; i++)
        {
            Assert.Equal("body", await env.Client().GetStringAsync(new Uri("http://orders/"), MeshTestEnvironment.Token));
        }

        var chosen = env.Instance("orders", peers[2].Port);
        Assert.Equal([0, 0, 10], peers.Select(peer => peer.Requests));
        await Eventually.HoldsAsync(() => picker.Completed.Count == 10);
        Assert.Equal(10, picker.Started);
        Assert.All(picker.Completed, completed =>
        {
            Assert.Equal(new MeshInstance(chosen), completed.Instance);
            Assert.Equal((PickOutcomeKind.Success, HttpStatusCode.OK), (completed.Outcome.Kind, completed.Outcome.StatusCode));
            Assert.True(completed.Outcome.Latency > TimeSpan.Zero);
        });
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Call_InstanceFails_PickerIsToldAndAskedForAnother()
    {
        var picker = new RecordingPicker();
        await using var env = new MeshTestEnvironment(services: services => services.AddSingleton<IInstancePicker>(picker));
        await env.StartAsync("orders", context => context.Response.WriteAsync("good"));
        await env.StartAsync("orders", context =>
        {
            context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
            return Task.CompletedTask;
        });
        Assert.Equal("good", await env.Client().GetStringAsync(new Uri("http://orders/"), MeshTestEnvironment.Token));
        await Eventually.HoldsAsync(() => picker.Completed.Count == 2);
        Assert.Equal(
            [(PickOutcomeKind.Failure, HttpStatusCode.ServiceUnavailable), (PickOutcomeKind.Success, HttpStatusCode.OK)],
            picker.Completed.Select(completed => (completed.Outcome.Kind, completed.Outcome.StatusCode!.Value)));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Call_KeyedPicker_BalancesThatServiceOnly()
    {
        var keyed = new RecordingPicker();
        await using var env = new MeshTestEnvironment(services: services => services.AddKeyedSingleton<IInstancePicker>("orders", keyed));
        await env.StartAsync("orders", _ => Task.CompletedTask);
        await env.StartAsync("payments", _ => Task.CompletedTask);
        foreach (var service in (string[])["orders", "payments"])
        {
            using var answer = await env.Client().GetAsync(new Uri($"http://{service}/"), MeshTestEnvironment.Token);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        }

        Assert.Equal(1, keyed.Started);
        Assert.Equal("orders", keyed.LastService);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Call_PickerThrows_FailsWithItsNameAndWithoutHarm()
    {
        var picker = new RecordingPicker { Choice = _ => throw new InvalidOperationException("no idea") };
        await using var env = new MeshTestEnvironment(services: services => services.AddSingleton<IInstancePicker>(picker));
        await env.StartAsync("orders", _ => Task.CompletedTask);
        var e = await Assert.ThrowsAsync<MeshCallException>(
            () => env.Client().GetAsync(new Uri("http://orders/"), MeshTestEnvironment.Token));
        Assert.Equal((MeshFailureReason.PickFailed, "Pick"), (e.Reason, e.Stage));
        Assert.Contains(nameof(RecordingPicker), e.Message, StringComparison.Ordinal);
        Assert.Equal(0, env.State("orders").InFlight);
        Assert.Equal(0, picker.Started);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Call_PickerThrowsWhenToldOfAProbe_InstanceIsNotBlamedAndWaitsForTheNextProbe()
    {
        var picker = new RecordingPicker();
        await using var env = new MeshTestEnvironment(
            options => options.Defaults.Health.ConnectBackoff = TimeSpan.FromMilliseconds(20),
            services: services => services.AddSingleton<IInstancePicker>(picker));
        var peer = await env.StartAsync("orders", context => context.Response.WriteAsync("good"));
        await env.Client().GetStringAsync(new Uri("http://orders/"), MeshTestEnvironment.Token);
        var ejection = env.Instance("orders", peer.Port).Ejection;
        ejection.ConnectFailed(Admission.Ordinary, TimeProvider.System.GetTimestamp(), isIdentityRefused: false);
        var dueAt = ejection.DueAt;
        await Eventually.HoldsAsync(() => ejection.IsDue(TimeProvider.System.GetTimestamp()));

        picker.OnStarted = () => throw new InvalidOperationException("no idea");
        var e = await Assert.ThrowsAsync<MeshCallException>(
            () => env.Client().GetAsync(new Uri("http://orders/"), MeshTestEnvironment.Token));

        Assert.Equal(MeshFailureReason.PickFailed, e.Reason);
        Assert.Equal(dueAt, ejection.DueAt);
        picker.OnStarted = null;
        Assert.Equal("good", await env.Client().GetStringAsync(new Uri("http://orders/"), MeshTestEnvironment.Token));
        Assert.False(ejection.IsOut);
        Assert.Equal(0, env.Instance("orders", peer.Port).Load.InFlight);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData("")]
    [InlineData("good")]
    public async Task Call_PickerThrowsWhenToldOfTheOutcome_AnswerIsTheAppsAllTheSame(string body)
    {
        var picker = new RecordingPicker { OnCompleted = () => throw new InvalidOperationException("no idea") };
        await using var env = new MeshTestEnvironment(services: services => services.AddSingleton<IInstancePicker>(picker));
        var peer = await env.StartAsync("orders", context => body.Length == 0 ? Task.CompletedTask : context.Response.WriteAsync(body));
        Assert.Equal(body, await env.Client().GetStringAsync(new Uri("http://orders/"), MeshTestEnvironment.Token));
        Assert.Equal(1, peer.Requests);
        await Eventually.HoldsAsync(() => env.Instance("orders", peer.Port).Load.InFlight == 0 && env.State("orders").InFlight == 0);
    }

    /// <summary>Chooses the last candidate unless told otherwise.</summary>
    private sealed class RecordingPicker : IInstancePicker
    {
        private int _started;

        public Func<int, int> Choice { get; init; } = count => count - 1;

        public IReadOnlyList<string> LastCandidates { get; private set; } = [];

        public string? LastService { get; private set; }

        public Action? OnStarted { get; set; }

        public Action? OnCompleted { get; init; }

        public int Started => Volatile.Read(ref _started);

        public ConcurrentQueue<(MeshInstance Instance, PickOutcome Outcome)> Completed { get; } = [];

        public int Pick(in PickContext context)
        {
            LastService = context.Service.Value;
            var ids = new List<string>();
            for (var i = 0; i < context.Candidates.Count; i++)
            {
                ids.Add(context.Candidates[i].Id.Value);
            }

            LastCandidates = ids;
            return Choice(context.Candidates.Count);
        }

        void IInstancePicker.Started(MeshInstance instance)
        {
            OnStarted?.Invoke();
            Interlocked.Increment(ref _started);
        }

        void IInstancePicker.Completed(MeshInstance instance, in PickOutcome outcome)
        {
            Completed.Enqueue((instance, outcome));
            OnCompleted?.Invoke();
        }
    }
}
