using System.Net.Http.Json;
using System.Text.Json;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Intentions;
using MeshClient.Core.Naming;

namespace MeshClient.Consul.Tests.Contract;

public abstract partial class ControlPlaneContract
{
    [Fact]
    public async Task Intentions_None_IsEmptyAndCanBeWatched()
    {
        var watched = await Plane.ReadIntentionsAsync(Name("orders"), 0, Cancellation);

        Assert.Empty(watched.Value.Intentions);
        Assert.NotEqual(0UL, watched.Index);
    }

    [Fact]
    public async Task Intentions_AllowAndDeny_DecideBySource()
    {
        var orders = Name("orders");
        await CreateIntentionAsync("web", orders.Value, "allow");
        await CreateIntentionAsync("batch", orders.Value, "deny");

        var snapshot = (await Plane.ReadIntentionsAsync(orders, 0, Cancellation)).Value;

        Assert.Equal(2, snapshot.Intentions.Count);
        Assert.True(Allows(snapshot, "web", otherwise: IntentionAction.Deny));
        Assert.False(Allows(snapshot, "batch", otherwise: IntentionAction.Allow));
        Assert.False(Allows(snapshot, "stranger", otherwise: IntentionAction.Deny));
        Assert.True(Allows(snapshot, "stranger", otherwise: IntentionAction.Allow));
    }

    [Fact]
    public async Task Intentions_Wildcards_TheMoreExactDecides()
    {
        var orders = Name("orders");
        var caller = $"caller-{_suffix}";
        var toAny = await CreateIntentionAsync(caller, "*", "allow");
        try
        {
            var snapshot = (await Plane.ReadIntentionsAsync(orders, 0, Cancellation)).Value;
            Assert.True(Allows(snapshot, caller, otherwise: IntentionAction.Deny));

            // The destination weighs more than the source.
            await CreateIntentionAsync("*", orders.Value, "deny");
            snapshot = (await Plane.ReadIntentionsAsync(orders, 0, Cancellation)).Value;
            Assert.False(Allows(snapshot, caller, otherwise: IntentionAction.Allow));
            Assert.False(Allows(snapshot, "stranger", otherwise: IntentionAction.Allow));

            await CreateIntentionAsync(caller, orders.Value, "allow");
            snapshot = (await Plane.ReadIntentionsAsync(orders, 0, Cancellation)).Value;
            Assert.True(Allows(snapshot, caller, otherwise: IntentionAction.Deny));
            Assert.False(Allows(snapshot, "stranger", otherwise: IntentionAction.Allow));
        }
        finally
        {
            // It holds for the other tests' services too.
            await DeleteIntentionAsync(toAny);
        }
    }

    [Fact]
    public async Task Intentions_Change_WakesTheWatch()
    {
        var orders = Name("orders");
        var first = await Plane.ReadIntentionsAsync(orders, 0, Cancellation);
        var begin = TimeProvider.System.GetTimestamp();
        var watching = UntilIntentionsAsync(orders, first, snapshot => snapshot.Intentions.Count == 1);

        await CreateIntentionAsync("web", orders.Value, "deny");

        Assert.Equal(IntentionAction.Deny, (await watching).Value.Intentions[0].Action);
        Assert.InRange(TimeProvider.System.GetElapsedTime(begin), TimeSpan.Zero, TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task Intentions_Deleted_WakesTheWatchAndIsGone()
    {
        var orders = Name("orders");
        var id = await CreateIntentionAsync("web", orders.Value, "deny");
        var first = await Plane.ReadIntentionsAsync(orders, 0, Cancellation);
        Assert.Single(first.Value.Intentions);
        var begin = TimeProvider.System.GetTimestamp();
        var watching = UntilIntentionsAsync(orders, first, snapshot => snapshot.Intentions.Count == 0);

        await DeleteIntentionAsync(id);

        await watching;
        Assert.InRange(TimeProvider.System.GetElapsedTime(begin), TimeSpan.Zero, TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task Intentions_WithoutChange_SleepToTheEndOfTheWait()
    {
        using var plane = CreatePlane(TimeSpan.FromSeconds(1));
        var orders = Name("orders");
        await CreateIntentionAsync("web", orders.Value, "allow");
        var first = await plane.ReadIntentionsAsync(orders, 0, Cancellation);
        var begin = TimeProvider.System.GetTimestamp();

        var second = await plane.ReadIntentionsAsync(orders, first.Index, Cancellation);

        Assert.Equal(first, second);
        Assert.InRange(TimeProvider.System.GetElapsedTime(begin), TimeSpan.FromSeconds(0.9), TimeSpan.FromSeconds(5));
    }

    private static bool Allows(IntentionSnapshot snapshot, string source, IntentionAction otherwise) =>
        new IntentionEvaluator(snapshot, otherwise).EvaluateConnection(source).IsAllowed;

    private async Task<string> CreateIntentionAsync(string source, string destination, string action)
    {
        using var response = await Raw.PostAsJsonAsync(
            "v1/connect/intentions",
            new { SourceName = source, DestinationName = destination, Action = action, SourceType = "consul" },
            (JsonSerializerOptions?)null,
            Cancellation);
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync(Cancellation));
        return (await response.Content.ReadFromJsonAsync<JsonElement>(Cancellation)).GetProperty("ID").GetString()!;
    }

    private async Task DeleteIntentionAsync(string id)
    {
        using var response = await Raw.DeleteAsync($"v1/connect/intentions/{id}", Cancellation);
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync(Cancellation));
    }

    private async Task<Watched<IntentionSnapshot>> UntilIntentionsAsync(
        ServiceName service, Watched<IntentionSnapshot> first, Func<IntentionSnapshot, bool> condition)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        limit.CancelAfter(Limit);
        var watched = first;
        while (!condition(watched.Value))
        {
            watched = await Plane.ReadIntentionsAsync(service, watched.Index, limit.Token);
        }

        return watched;
    }
}
