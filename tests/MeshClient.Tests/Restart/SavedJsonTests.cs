using System.Collections.Immutable;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using MeshClient.Core;
using MeshClient.Core.Discovery;
using MeshClient.Core.Identity;
using MeshClient.Core.Intentions;
using MeshClient.Core.Naming;
using MeshClient.Restart;
using MeshClient.Testing;

namespace MeshClient.Tests.Restart;

public sealed class SavedJsonTests
{
    // Raise StateFile.Version whenever one of these changes: an older program, or an older file, would read a part as missing.
    private const string InstancesOfVersion1 =
        "Instances[].Datacenter, Instances[].Endpoints[].Host, Instances[].Endpoints[].Name, Instances[].Endpoints[].Port, "
        + "Instances[].Endpoints[].Security, Instances[].ExpectedService, Instances[].Health, Instances[].Id, Instances[].Identity, Instances[].IsBehindProxy, "
        + "Instances[].Meta.k, Instances[].PlaintextAllowed, Instances[].Service, Instances[].Tags[], Instances[].Weight, "
        + "Instances[].Zone, Service";

    private const string IntentionsOfVersion1 =
        "DefaultAction, Destination, Intentions[].Action, Intentions[].Destination, Intentions[].Id, Intentions[].Jwt.Providers[].Name, "
        + "Intentions[].Jwt.Providers[].VerifyClaims[].Path[], Intentions[].Jwt.Providers[].VerifyClaims[].Value, Intentions[].Mode, "
        + "Intentions[].Permissions[].Action, "
        + "Intentions[].Permissions[].HasUnsupportedRequirement, Intentions[].Permissions[].Headers[].IgnoreCase, "
        + "Intentions[].Permissions[].Headers[].Invert, Intentions[].Permissions[].Headers[].Kind, Intentions[].Permissions[].Headers[].Name, "
        + "Intentions[].Permissions[].Headers[].Value, Intentions[].Permissions[].Jwt.Providers[].Name, "
        + "Intentions[].Permissions[].Jwt.Providers[].VerifyClaims[].Path[], Intentions[].Permissions[].Jwt.Providers[].VerifyClaims[].Value, "
        + "Intentions[].Permissions[].Methods[], Intentions[].Permissions[].PathExact, "
        + "Intentions[].Permissions[].PathPrefix, Intentions[].Permissions[].PathRegex, Intentions[].Source";

    [Fact]
    public void Instances_WithEveryPartSet_AreReadAsTheyWereWritten()
    {
        var snapshot = Filled<ServiceSnapshot>();
        var content = StateCodecs.Write(snapshot, SavedJson.Default.ServiceSnapshot);

        Assert.Equal(snapshot, StateCodecs.Read(content, SavedJson.Default.ServiceSnapshot));
        Assert.Equal(InstancesOfVersion1, ShapeOf(content));
    }

    [Fact]
    public void Intentions_WithEveryPartSet_AreReadAsTheyWereWritten()
    {
        var snapshot = Filled<IntentionSnapshot>();
        var content = StateCodecs.Write(snapshot, SavedJson.Default.IntentionSnapshot);

        Assert.Equal(snapshot, StateCodecs.Read(content, SavedJson.Default.IntentionSnapshot));
        Assert.Equal(IntentionsOfVersion1, ShapeOf(content));
    }

    [Fact]
    public void Snapshots_WithNothingSet_AreReadAsTheyWereWritten()
    {
        var intentions = new IntentionSnapshot(
            ServiceName.Parse("web"), [new Intention { Id = "i", Source = "*", Destination = "web", Action = IntentionAction.Deny }], null);
        var instance = new ServiceInstance { Id = new InstanceId("1"), Service = ServiceName.Parse("orders"), Endpoints = [] };
        var instances = new ServiceSnapshot(instance.Service, [instance]);

        Assert.Equal(intentions, StateCodecs.Read(
            StateCodecs.Write(intentions, SavedJson.Default.IntentionSnapshot), SavedJson.Default.IntentionSnapshot));
        Assert.Equal(instances, StateCodecs.Read(
            StateCodecs.Write(instances, SavedJson.Default.ServiceSnapshot), SavedJson.Default.ServiceSnapshot));
    }

    [Fact]
    public void Intentions_WithAPartMissingOrUnknown_AreRefused()
    {
        var whole = JsonNode.Parse(StateCodecs.Write(Filled<IntentionSnapshot>(), SavedJson.Default.IntentionSnapshot))!.AsObject();
        var missing = whole.DeepClone().AsObject();
        missing["Intentions"]![0]!.AsObject().Remove("Source");
        var unknown = whole.DeepClone().AsObject();
        unknown["Intentions"]![0]!.AsObject()["Jwt"] = "required";

        foreach (var bad in new[] { missing, unknown })
        {
            Assert.Throws<JsonException>(() => StateCodecs.Read(
                JsonSerializer.SerializeToUtf8Bytes(bad), SavedJson.Default.IntentionSnapshot));
        }
    }

    [Fact]
    public void Leaf_IsReadWithItsKeyAndChainWhileItIsValid()
    {
        using var authority = new TestCertificateAuthority();
        using var leaf = authority.IssueLeaf(ServiceName.Parse("web"));
        var content = StateCodecs.Write(leaf);

        using var read = StateCodecs.ReadLeaf(content, leaf.NotBefore.AddSeconds(1));

        Assert.Equal(leaf, read);
        Assert.True(read!.Certificate.HasPrivateKey);
        Assert.Equal(leaf.Intermediates.Count, read.Intermediates.Count);
        Assert.Null(StateCodecs.ReadLeaf(content, leaf.NotAfter));
        Assert.Null(StateCodecs.ReadLeaf(content, leaf.NotBefore.AddSeconds(-1)));
    }

    [Fact]
    public void Bundle_IsReadWithoutTheRootsThatHaveEnded()
    {
        using var authority = new TestCertificateAuthority();
        authority.Rotate();
        var content = StateCodecs.Write(authority.Bundle);

        using var read = StateCodecs.ReadBundle(content, TimeProvider.System.GetUtcNow());

        Assert.Equal(authority.Bundle, read);
        Assert.Null(StateCodecs.ReadBundle(content, new DateTimeOffset(authority.Bundle.Roots.Max(root => root.NotAfter).ToUniversalTime())));
    }

    // Sets every part there is, also those that did not exist when this was written, so that none can be forgotten.
    private static T Filled<T>() => (T)Fill(typeof(T), 8);

    private static object Fill(Type type, int depth)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        if (type.IsEnum)
        {
            return Enum.GetValues(type).GetValue(Enum.GetValues(type).Length - 1)!;
        }

        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(EquatableArray<>))
        {
            var element = type.GetGenericArguments()[0];
            var items = Array.CreateInstance(element, 1);
            items.SetValue(Fill(element, depth), 0);
            return typeof(EquatableArray).GetMethod(nameof(EquatableArray.From))!.MakeGenericMethod(element).Invoke(null, [items])!;
        }

        return type switch
        {
            _ when type == typeof(string) => "text",
            _ when type == typeof(int) => 7,
            _ when type == typeof(bool) => true,
            _ when type == typeof(ServiceName) => ServiceName.Parse("orders"),
            _ when type == typeof(InstanceId) => new InstanceId("orders-1"),
            _ when type == typeof(SpiffeId) => SpiffeId.Parse("spiffe://td.consul/ns/default/dc/dc1/svc/orders"),
            _ when type == typeof(ImmutableSortedDictionary<string, string>) => ImmutableSortedDictionary<string, string>.Empty.Add("k", "v"),
            _ when depth > 0 => FillObject(type, depth),
            _ => throw new NotSupportedException($"Teach this test, and the state file, to keep a {type}."),
        };
    }

    private static object FillObject(Type type, int depth)
    {
        var constructor = type.GetConstructors().MaxBy(one => one.GetParameters().Length)!;
        var made = constructor.Invoke([.. constructor.GetParameters().Select(one => Fill(one.ParameterType, depth - 1))]);
        foreach (var property in type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(one => one.CanWrite))
        {
            property.SetValue(made, Fill(property.PropertyType, depth - 1));
        }

        return made;
    }

    private static string ShapeOf(byte[] content)
    {
        static IEnumerable<string> Paths(JsonNode? node, string path) => node switch
        {
            JsonObject one => one.SelectMany(pair => Paths(pair.Value, path.Length == 0 ? pair.Key : $"{path}.{pair.Key}")),
            JsonArray list => list.SelectMany(item => Paths(item, path + "[]")),
            _ => [path],
        };
        return string.Join(", ", Paths(JsonNode.Parse(content), string.Empty).Order(StringComparer.Ordinal));
    }
}
