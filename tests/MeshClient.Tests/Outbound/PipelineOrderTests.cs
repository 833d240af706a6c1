using MeshClient.Outbound;
using MeshClient.Tests.Support;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.Tests.Outbound;

public sealed class PipelineOrderTests
{
    private static readonly StageDescriptor[] Expected =
    [
        new("Fallback", StageScope.Call),
        new("Telemetry", StageScope.Call),
        new("Deadline", StageScope.Call),
        new("Forward", StageScope.Call),
        new("Route", StageScope.Call),
        new("Admission", StageScope.Call),
        new("CircuitBreaker", StageScope.Call),
        new("Retry", StageScope.Call),
        new("Hedge", StageScope.Call),
        new("AttemptTelemetry", StageScope.Attempt),
        new("Pick", StageScope.Attempt),
        new("Ejection", StageScope.Instance),
        new("Load", StageScope.Instance),
        new("AttemptTimeout", StageScope.Attempt),
        new("Transport", StageScope.Instance),
    ];

    [Fact]
    public async Task Stages_OfABuiltPipeline_AreTheseInThisOrder()
    {
        await using var env = new MeshTestEnvironment();
        Assert.Equal(Expected, env.Handlers.Stages);
    }

    [Fact]
    public async Task Phases_OfEveryStage_AreThoseItHasSomethingToDoIn()
    {
        // A stage is not called in a phase it does not name, so what it overrides and what it names must be the same.
        await using var env = new MeshTestEnvironment();
        var pipeline = env.Services.GetRequiredService<OutboundPipeline>();
        Assert.All(pipeline.Stages.CallStages, stage => Assert.Equal(Overridden(stage, "EnterAsync"), stage.Phases));
        Assert.All(pipeline.Stages.AttemptStages, stage => Assert.Equal(Overridden(stage, "Enter"), stage.Phases));

        static StagePhases Overridden(object stage, string enter) =>
            Of(stage, enter, StagePhases.Enter) | Of(stage, "Responded", StagePhases.Responded)
            | Of(stage, "Judged", StagePhases.Judged) | Of(stage, "Ended", StagePhases.Ended);

        static StagePhases Of(object stage, string method, StagePhases phase) =>
            stage.GetType().GetMethods().Any(one => one.Name == method && one.IsVirtual && one.DeclaringType == stage.GetType()) ? phase : StagePhases.None;
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_DeadlineOverAndOverloaded_DeadlineSpeaksBecauseItStandsAboveAdmission()
    {
        await using var env = new MeshTestEnvironment(options => options.Defaults.MaxConcurrency = 1);
        await using var held = await HeldCall.StartAsync(env);
        using var deadline = MeshClient.Resilience.MeshDeadline.Begin(TimeSpan.Zero);
        var failure = await Assert.ThrowsAsync<MeshCallException>(() => env.Client().GetAsync("http://orders/", MeshTestEnvironment.Token));
        Assert.Equal((MeshFailureReason.DeadlineExceeded, "Deadline", 0), (failure.Reason, failure.Stage, failure.Attempts));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_OverloadedAndNothingToPick_AdmissionSpeaksBecauseItStandsAbovePick()
    {
        await using var env = new MeshTestEnvironment(options => options.Defaults.MaxConcurrency = 1);
        await using var held = await HeldCall.StartAsync(env);
        await env.LoseAllInstancesAsync("orders");
        var failure = await Assert.ThrowsAsync<MeshCallException>(() => env.Client().GetAsync("http://orders/", MeshTestEnvironment.Token));
        Assert.Equal(MeshFailureReason.Overloaded, failure.Reason);

        await held.EndAsync();
        failure = await Assert.ThrowsAsync<MeshCallException>(() => env.Client().GetAsync("http://orders/", MeshTestEnvironment.Token));
        Assert.Equal((MeshFailureReason.NoInstances, "Pick"), (failure.Reason, failure.Stage));
        Assert.Contains("the registry lists none", failure.Message, StringComparison.Ordinal);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_OverloadedCall_IsMeasuredAndNotRepeated()
    {
        // Telemetry stands above admission, and retry below it.
        using var meters = new MetricRecorder();
        await using var env = new MeshTestEnvironment(options => options.Defaults.MaxConcurrency = 1, services: meters.Attach);
        await using var held = await HeldCall.StartAsync(env);
        await Assert.ThrowsAsync<MeshCallException>(() => env.Client().GetAsync("http://orders/", MeshTestEnvironment.Token));
        var shed = Assert.Single(meters.Of("meshclient.call.duration"), m => m.Tag("error.type") is "Overloaded");
        Assert.Equal(0, shed.Tag("http.request.resend_count"));
        Assert.Empty(meters.Of("meshclient.retries"));
        Assert.Single(meters.Of("meshclient.attempt.duration"));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_RetriedCall_CountsOnceForAdmissionAndOncePerAttemptForLoad()
    {
        await using var env = new MeshTestEnvironment(options => options.Defaults.MaxConcurrency = 1);
        var seen = new List<(int Calls, int[] Loads)>();
        for (var i = 0; i < 3; i++)
        {
            await env.StartAsync("orders", context =>
            {
                var state = env.State("orders");
                seen.Add((state.InFlight, [.. state.GetDestination(new MeshClient.Discovery.DestinationName(state.Service, null, MeshClient.Discovery.SchemePreference.Http))
                    .Callable.ToArray().Select(instance => instance.Load.InFlight).Order()]));
                context.Response.StatusCode = 503;
                return Task.CompletedTask;
            });
        }

        using var response = await env.Client().GetAsync("http://orders/", MeshTestEnvironment.Token);
        Assert.Equal(3, seen.Count);
        Assert.All(seen, one => Assert.Equal((1, "0,0,1"), (one.Calls, string.Join(',', one.Loads))));
        Assert.Equal(0, env.State("orders").InFlight);
    }
}
