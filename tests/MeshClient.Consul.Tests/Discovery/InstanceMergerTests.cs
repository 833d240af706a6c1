using System.Text.Json;
using MeshClient.Consul.Discovery;
using MeshClient.Consul.Model;
using MeshClient.Consul.Tests.Fakes;
using MeshClient.Core.Discovery;
using MeshClient.Core.Naming;

namespace MeshClient.Consul.Tests.Discovery;

public sealed class InstanceMergerTests
{
    private static readonly ServiceName Orders = ServiceName.Parse("orders");

    [Fact]
    public void Merge_NativeAndPlain_KeepsBothAsTheyAre() => Assert.Equal(
        ["mesh1 Mesh", "plain1 Plaintext"],
        Merge(
            byName: [HealthJson.Native("orders", "mesh1"), HealthJson.Plain("orders", "plain1")],
            inMesh: [HealthJson.Native("orders", "mesh1")]));

    [Fact]
    public void Merge_ProxyNamesAnInstance_HidesThatOneOnItsNodeOnly() => Assert.Equal(
        ["a Plaintext", "b Plaintext", "proxy Mesh"],
        Merge(
            byName: [HealthJson.Plain("orders", "a"), HealthJson.Plain("orders", "b"), HealthJson.Plain("orders", "a", node: "n2")],
            inMesh: [HealthJson.Proxy("orders", "a", "proxy")]));

    [Fact]
    public void Merge_ProxyNamesNoInstance_HidesAllOfItsNode() => Assert.Equal(
        ["far Plaintext", "proxy Mesh"],
        Merge(
            byName: [HealthJson.Plain("orders", "a"), HealthJson.Plain("orders", "b"), HealthJson.Plain("orders", "far", node: "n2")],
            inMesh: [HealthJson.Proxy("orders", null, "proxy")]));

    [Fact]
    public void Merge_ProxyOnANodeOfItsOwnNamesNoInstance_HidesAllPlainOnes() => Assert.Equal(
        ["proxy Mesh"],
        Merge(
            byName: [HealthJson.Plain("orders", "a"), HealthJson.Plain("orders", "b", node: "n2")],
            inMesh: [HealthJson.Proxy("orders", "", "proxy", node: "n9")]));

    [Fact]
    public void Merge_ProxyOfAnInstanceThatIsGone_HidesNothing() => Assert.Equal(
        ["b Plaintext", "proxy Mesh"],
        Merge(byName: [HealthJson.Plain("orders", "b")], inMesh: [HealthJson.Proxy("orders", "a", "proxy")]));

    [Fact]
    public void Merge_ProxyOfAnotherService_IsNotTakenForThisOne() =>
        Assert.Empty(Merge(byName: [], inMesh: [HealthJson.Proxy("payments", "p", "proxy")]));

    [Fact]
    public void Merge_InstanceTurnedNativeBetweenTheReads_IsThereOnce() => Assert.Equal(
        ["a Mesh"], Merge(byName: [HealthJson.Plain("orders", "a")], inMesh: [HealthJson.Native("orders", "a")]));

    [Fact]
    public void Merge_SameIdOnTwoNodes_GetsTheNodeAdded() => Assert.Equal(
        ["a@n1 Mesh", "a@n2 Mesh", "b Mesh"],
        Merge(
            byName: [HealthJson.Native("orders", "a", node: "n2"), HealthJson.Native("orders", "b"), HealthJson.Native("orders", "a")],
            inMesh: []));

    [Fact]
    public void Merge_SameIdTwiceOnOneNode_IsThereOnceAndReported()
    {
        var problems = new List<string>();

        var instances = Merge([HealthJson.Native("orders", "a"), HealthJson.Native("orders", "a")], [], problems: problems);

        Assert.Equal(["a@n1 Mesh"], instances);
        Assert.Single(problems);
    }

    [Fact]
    public void Merge_OtherOrder_IsTheSameSnapshot()
    {
        object a = HealthJson.Native("orders", "a"), b = HealthJson.Native("orders", "b", node: "n2");

        Assert.Equal(
            InstanceMerger.Merge(Orders, Entries([a, b]), [], []),
            InstanceMerger.Merge(Orders, Entries([b, a]), [], []));
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(false, false)]
    public void IsAllNative_ListOfNatives_IsTrueUnlessOneIsPlain(bool bothNative, bool expected) => Assert.Equal(
        expected,
        InstanceMerger.IsAllNative(Entries(
            [HealthJson.Native("orders", "a"), bothNative ? HealthJson.Native("orders", "b") : HealthJson.Plain("orders", "b")])));

    [Fact]
    public void IsAllNative_EmptyList_IsFalse() => Assert.False(InstanceMerger.IsAllNative([]));

    private static HealthEntry[] Entries(object[] entries) =>
        [.. JsonSerializer.Deserialize(HealthJson.List(entries), WireJson.Default.HealthEntryArray)!.OfType<HealthEntry>()];

    private static string[] Merge(object[] byName, object[] inMesh, List<string>? problems = null) =>
        [.. InstanceMerger.Merge(Orders, Entries(byName), Entries(inMesh), problems ?? []).Instances
            .Select(instance => $"{instance.Id.Value} {instance.Endpoints[0].Security}")
            .Order(StringComparer.Ordinal)];
}
