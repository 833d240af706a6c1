using System.Globalization;
using System.Net;
using MeshClient.Balancing;
using MeshClient.Core.Discovery;
using MeshClient.Core.Naming;
using MeshClient.Tests.Support;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.Tests.Balancing;

/// <summary>Policies chosen by configuration, through the whole pipeline and real sockets.</summary>
public sealed class BalancingCallTests
{
    private static readonly Uri Orders = new("http://orders/");

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData("RingHash")]
    [InlineData("Maglev")]
    public async Task Call_HashedByHeader_SticksAndMovesOnlyWhileItsInstanceIsGone(string policy)
    {
        await using var env = Environment(("Policy", policy), ("HashKey", "header:x-user"));
        var peers = await StartAsync(env, 4);
        var owners = new Dictionary<string, string>();
        for (var round = 0; round < 3; round++)
        {
            for (var user = 0; user < 60; user++)
            {
                var owner = await AskAsync(env, $"user-{user}");
                Assert.Equal(owner, owners.TryAdd($"user-{user}", owner) ? owner : owners[$"user-{user}"]);
            }
        }

        Assert.Equal(4, owners.Values.Distinct().Count());

        // One dies: its users are served by others, at once and always the same; all others stay where they are.
        var dead = peers[0].Port.ToString(CultureInfo.InvariantCulture);
        await peers[0].KillAsync();
        var heirs = new Dictionary<string, string>();
        foreach (var (user, owner) in owners)
        {
            heirs[user] = await AskAsync(env, user);
            Assert.True(owner == dead ? heirs[user] != dead : heirs[user] == owner);
        }

        foreach (var (user, heir) in heirs)
        {
            Assert.Equal(heir, await AskAsync(env, user));
        }
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Call_WeightedRoundRobin_FollowsTheRegistrysWeightsAndTheirChange()
    {
        await using var env = Environment(("Policy", "WeightedRoundRobin"));
        var peers = await StartAsync(env, 3);
        SetWeights(env, 5, 1, 1);
        await AskManyAsync(env, 1);
        Assert.Equal(5, env.Instance("orders", peers[0].Port).Description.Weight);
        await AssertSharedAsync(env, peers, 50, 10, 10);
        SetWeights(env, 1, 1, 5);
        await env.TakenInAsync("orders");
        Assert.Equal(5, env.Instance("orders", peers[2].Port).Description.Weight);
        await AssertSharedAsync(env, peers, 10, 10, 50);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Call_InstancesReportTheirLoad_TheOneWithRoomGetsMore(bool inTrailers)
    {
        await using var env = Environment(("Policy", "ReportedLoad"), ("ReportBlackout", "00:00:00"));
        var peers = new List<HttpPeer>();
        foreach (var utilization in (string[])["0.8", "0.2"])
        {
            peers.Add(await env.StartAsync("orders", async context =>
            {
                var report = $"cpu_utilization={utilization},rps_fractional=100";
                if (!inTrailers)
                {
                    context.Response.Headers["endpoint-load-metrics"] = report;
                }

                await context.Response.WriteAsync("ok");
                if (inTrailers)
                {
                    context.Response.AppendTrailer("endpoint-load-metrics", report);
                }
            }));
        }

        await AskManyAsync(env, 10);
        Assert.All(peers, peer => Assert.NotNull(env.Instance("orders", peer.Port).ReportedWeight));

        // The weights are worked out anew once a second. Then 100 / 0.8 to 100 / 0.2 calls a second, which is 1 to 4.
        await Eventually.HoldsAsync(async () => (await CountAsync(env, peers, 50))[0] is >= 9 and <= 11);
        var counts = await CountAsync(env, peers, 100);
        Assert.InRange(counts[0], 19, 21);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Call_ZoneStrict_StaysInTheZoneAndSpillsOverWhenItsInstancesFail()
    {
        await using var env = new MeshTestEnvironment(
            options => options.Zone = "a", Configuration(("Zone", "Strict"), ("Policy", "RoundRobin")));
        var peers = await StartAsync(env, 4);
        SetZones(env, "a", "a", "b", "b");
        await AskManyAsync(env, 1);
        await AssertSharedAsync(env, peers, 20, 20, 0, 0);

        // Half of the zone is critical: 0.5 * 1.4 = 70 % stay, the rest goes over.
        await env.SetHealthAsync("orders", IdOf(env, 0), InstanceHealth.Critical);
        var during = await CountAsync(env, peers, 200);
        Assert.Equal(0, during[0]);
        Assert.InRange(during[1], 105, 175);
        Assert.Equal(200, during.Sum());

        // None is left in the zone.
        await env.SetHealthAsync("orders", IdOf(env, 1), InstanceHealth.Critical);
        await AssertSharedAsync(env, peers, 0, 0, 20, 20);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Call_ZoneFair_SendsAwayWhatTheZoneHasTooFewInstancesFor()
    {
        await using var env = new MeshTestEnvironment(
            options => options.Zone = "a", Configuration(("Zone", "Fair"), ("Policy", "RoundRobin")));
        var peers = await StartAsync(env, 6);
        SetZones(env, "a", "b", "b", "b", "b", "b");

        // Half of the callers are in zone a, which has a sixth of the instances: a third of their calls stays.
        env.ControlPlane.SetInstances(ServiceName.Parse(MeshTestEnvironment.Self), [.. Enumerable.Range(0, 4).Select(i => Caller(i, i < 2 ? "a" : "b"))]);
        await AskManyAsync(env, 1);
        var fleet = env.Services.GetRequiredService<CallerFleet>();
        await Eventually.HoldsAsync(() => fleet.SharesOf(["a"]) is [0.5]);
        await Eventually.HoldsAsync(async () => (await CountAsync(env, peers, 60))[0] is > 12 and < 28);
        // Within more than five standard deviations of a third.
        var counts = await CountAsync(env, peers, 600);
        Assert.InRange(counts[0], 140, 260);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Call_Aperture_KeepsToTheInstancesOfItsRank()
    {
        await using var env = Environment(("Aperture", "12"));
        var self = ServiceName.Parse(MeshTestEnvironment.Self);
        var peer = await StartAsync(env, 1);
        var listed = env.ControlPlane.Instances(ServiceName.Parse("orders")).Instances[0];

        // One server under 48 ids stands for 48 instances.
        env.ControlPlane.SetInstances(ServiceName.Parse("orders"), [.. Enumerable.Range(0, 48).Select(i => listed with { Id = new InstanceId($"orders-{i:00}") })]);
        env.ControlPlane.SetInstances(self, [.. Enumerable.Range(0, 4).Select(i => Caller(i, "a"))]);
        env.Services.GetRequiredService<CallerFleet>().Identify(new InstanceId("web-2"));
        await AskManyAsync(env, 1);
        var fleet = env.Services.GetRequiredService<CallerFleet>();
        await Eventually.HoldsAsync(() => fleet.Place() == (2, 4));
        var destination = env.State("orders").GetDestination(
            new MeshClient.Discovery.DestinationName(ServiceName.Parse("orders"), null, MeshClient.Discovery.SchemePreference.Http));
        await Eventually.HoldsAsync(() => destination.Callable.Length == 48);
        // All alike: the one that was called would lose against 47 of whom nothing is known.
        var now = TimeProvider.System.GetTimestamp();
        foreach (var instance in destination.Callable)
        {
            instance.Load.Forget();
            instance.Load.Observe(1000, now);
        }

        // Rank 2 of 4 callers over 48 instances: 24 to 35, and nobody else. A moment after the rank is known, the picker is made anew.
        var random = new MeshRandom(3);
        var expected = Enumerable.Range(24, 12).Select(i => $"orders-{i:00}").ToList();
        await Eventually.HoldsAsync(() => Enumerable.Range(0, 2000)
            .Select(_ => destination.TryPick(new PickCall([], anyOut: false, random, TimeProvider.System.GetTimestamp()))!.Description.Id.Value)
            .Distinct().Order().SequenceEqual(expected));
        Assert.Equal(1, peer[0].Requests);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Call_SlowStart_HoldsBackWhoComesLater()
    {
        await using var env = Environment(("Policy", "RoundRobin"), ("SlowStart", "01:00:00"), ("SlowStartMinimum", "0.05"));
        var peers = await StartAsync(env, 2);
        await AssertSharedAsync(env, peers, 20, 20);
        peers.Add(await StartOneAsync(env));
        await Eventually.HoldsAsync(() => env.State("orders").Snapshot!.Instances.Count == 3);
        var counts = await CountAsync(env, peers, 300);
        // A full share would be 100.
        Assert.InRange(counts[2], 0, 20);
    }

    private static MeshTestEnvironment Environment(params (string Key, string Value)[] settings) =>
        new(configuration: Configuration(settings));

    private static IEnumerable<KeyValuePair<string, string?>> Configuration(params (string Key, string Value)[] settings) =>
        settings.Select(one => KeyValuePair.Create($"Mesh:Destinations:orders:Balancing:{one.Key}", (string?)one.Value));

    private static async Task<List<HttpPeer>> StartAsync(MeshTestEnvironment env, int count)
    {
        var peers = new List<HttpPeer>();
        for (var i = 0; i < count; i++)
        {
            peers.Add(await StartOneAsync(env));
        }

        return peers;
    }

    private static Task<HttpPeer> StartOneAsync(MeshTestEnvironment env) => env.StartAsync("orders", context =>
        context.Response.WriteAsync(context.Connection.LocalPort.ToString(CultureInfo.InvariantCulture)));

    private static async Task<string> AskAsync(MeshTestEnvironment env, string user)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, Orders);
        request.Headers.Add("x-user", user);
        using var answer = await env.Client().SendAsync(request, MeshTestEnvironment.Token).BoundedAsync();
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return await answer.Content.ReadAsStringAsync(MeshTestEnvironment.Token);
    }

    private static async Task AskManyAsync(MeshTestEnvironment env, int calls)
    {
        for (var i = 0; i < calls; i++)
        {
            await env.Client().GetStringAsync(Orders, MeshTestEnvironment.Token).BoundedAsync();
        }
    }

    private static async Task<int[]> CountAsync(MeshTestEnvironment env, List<HttpPeer> peers, int calls)
    {
        var before = peers.ConvertAll(peer => peer.Requests);
        await AskManyAsync(env, calls);
        return [.. peers.Select((peer, i) => peer.Requests - before[i])];
    }

    // Makes as many calls as are expected, and tells that each instance got its part of them.
    private static async Task AssertSharedAsync(MeshTestEnvironment env, List<HttpPeer> peers, params int[] expected)
    {
        var counts = await CountAsync(env, peers, expected.Sum());
        Assert.Equal(expected, counts);
    }

    private static void SetWeights(MeshTestEnvironment env, params int[] weights) =>
        Change(env, (instance, i) => instance with { Weight = weights[i] });

    private static void SetZones(MeshTestEnvironment env, params string[] zones) =>
        Change(env, (instance, i) => instance with { Zone = zones[i] });

    private static void Change(MeshTestEnvironment env, Func<ServiceInstance, int, ServiceInstance> change)
    {
        var service = ServiceName.Parse("orders");
        env.ControlPlane.SetInstances(service, [.. env.ControlPlane.Instances(service).Instances.Select(change)]);
    }

    private static InstanceId IdOf(MeshTestEnvironment env, int index) =>
        env.ControlPlane.Instances(ServiceName.Parse("orders")).Instances[index].Id;

    private static ServiceInstance Caller(int number, string zone) => TestInstances.Describe($"web-{number}", 3001 + number) with
    {
        Service = ServiceName.Parse(MeshTestEnvironment.Self),
        ExpectedService = ServiceName.Parse(MeshTestEnvironment.Self),
        Zone = zone,
    };
}
