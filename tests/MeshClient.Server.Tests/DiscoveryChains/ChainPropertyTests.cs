using System.Globalization;
using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using MeshClient.Server.Api;
using MeshClient.Server.Api.Json;
using MeshClient.Server.ConfigEntries;
using MeshClient.Server.DiscoveryChains;
using MeshClient.Server.State;
using MeshClient.Server.Tests.Support;

namespace MeshClient.Server.Tests.DiscoveryChains;

/// <summary>Chains of entries at random: compiling ends, gives the same each time, and what it gives is whole.</summary>
public sealed class ChainPropertyTests
{
    private static readonly Gen<string> Service = Gen.Elements("a", "b", "c", "d", "e");
    private static readonly Gen<string> Subset = Gen.Elements("", "", "v1", "v2");
    private static readonly Gen<string> Datacenter = Gen.Elements("", "", "dc1", "dc2");

    [Fact]
    public void Compile_OfRandomEntries_IsWholeAndTheSameEachTime() =>
        Prop.ForAll(
            Entry().ArrayOf().ToArbitrary(),
            bodies =>
            {
                // Put in without being judged together, so that broken chains come up as well.
                var table = ConfigTable.CreateEmpty(1);
                foreach (var entry in bodies.Select(TryRead).OfType<ConfigEntry>())
                {
                    table = table.With(entry, new StateChange(2));
                }

                return new[] { "a", "b", "c", "d", "e", "unknown" }.All(service => IsWhole(table, service));
            })
            .Check(Config.QuickThrowOnFailure.WithMaxTest(1000));

    [Fact]
    public void Write_OfRandomEntries_NeverLeavesAChainThatCannotBeCompiled() =>
        Prop.ForAll(
            Entry().ArrayOf().ToArbitrary(),
            bodies =>
            {
                var state = ServerStates.Empty();
                foreach (var (body, i) in bodies.Select((body, i) => (body, i)))
                {
                    if (TryRead(body) is not { } entry)
                    {
                        continue;
                    }

                    StateCommand command = i % 4 == 3
                        ? new DeleteConfigEntry(entry.Kind, entry.Name, "dc1", IfIndex: null)
                        : new PutConfigEntry(entry, "dc1", IfIndex: null);
                    try
                    {
                        state = command.Apply(state, new StateChange((ulong)i + 2));
                    }
                    catch (RequestRefusedException)
                    {
                        // As it should be, when a chain would break.
                    }

                    foreach (var service in new[] { "a", "b", "c", "d", "e" })
                    {
                        ChainCompiler.Compile(state.Config, service, "dc1");
                    }
                }

                return true;
            })
            .Check(Config.QuickThrowOnFailure.WithMaxTest(500));

    [Fact]
    public void Compile_OfSplittersThatDoubleEachOther_IsRefusedRatherThanGrown()
    {
        // Each level has two splitters that both lead to both of the next: 2^30 legs once folded in.
        var table = ConfigTable.CreateEmpty(1);
        for (var level = 0; level < 30; level++)
        {
            foreach (var side in new[] { "l", "r" })
            {
                table = With(table, $$"""{"Kind":"service-splitter","Name":"{{side}}{{level}}","Splits":[{"Weight":50,"Service":"l{{level + 1}}"},{"Weight":50,"Service":"r{{level + 1}}"}]}""");
            }
        }

        table = With(table, """{"Kind":"proxy-defaults","Name":"global","Config":{"protocol":"http"}}""");
        var refused = Assert.Throws<ChainException>(() => ChainCompiler.Compile(table, "l0", "dc1"));
        Assert.Contains("more than 1000 legs", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Compile_OfALongRowOfEntries_IsRefusedRatherThanFollowed()
    {
        var table = With(ConfigTable.CreateEmpty(1), """{"Kind":"proxy-defaults","Name":"global","Config":{"protocol":"http"}}""");
        for (var i = 0; i < 5000; i++)
        {
            table = With(table, Resolver($"r{i}", $$"""
                "Redirect":{"Service":"r{{i + 1}}"}
                """));
            table = With(table, $$"""{"Kind":"service-splitter","Name":"s{{i}}","Splits":[{"Weight":100,"Service":"s{{i + 1}}"}]}""");
        }

        Assert.Contains("more than 100 redirects", Assert.Throws<ChainException>(() => ChainCompiler.Compile(table, "r0", "dc1")).Message, StringComparison.Ordinal);
        Assert.Contains("more than 100 splitters", Assert.Throws<ChainException>(() => ChainCompiler.Compile(table, "s0", "dc1")).Message, StringComparison.Ordinal);
        Assert.Equal("resolver:r5000.default.dc1", ChainCompiler.Compile(table, "r4990", "dc1").StartNode);
    }

    private static bool IsWhole(ConfigTable table, string service)
    {
        var first = TryCompile(table, service);
        var second = TryCompile(table, service);
        if (first.Problem is not null || second.Problem is not null)
        {
            return first.Problem == second.Problem;
        }

        var chain = first.Chain!;
        var keys = chain.Nodes.Keys.ToHashSet(StringComparer.Ordinal);
        var next = chain.Nodes.Values.SelectMany(node => node switch
        {
            RouterNode router => router.Routes.Select(route => route.NextNode),
            SplitterNode splitter => splitter.Splits.Select(split => split.NextNode),
            _ => [],
        }).Append(chain.StartNode).ToHashSet(StringComparer.Ordinal);
        var targets = chain.Nodes.Values.OfType<ResolverNode>()
            .SelectMany(node => (node.Failover?.Targets ?? []).Append(node.Target)).ToHashSet(StringComparer.Ordinal);
        return Write(chain) == Write(second.Chain!)
            && next.SetEquals(keys)
            && targets.SetEquals(chain.Targets.Keys)
            && chain.Nodes.All(pair => pair.Key == pair.Value.Key)
            && chain.Nodes.Values.OfType<SplitterNode>().All(node =>
                node.Splits.All(split => chain.Nodes[split.NextNode] is ResolverNode) && Math.Abs(node.Splits.Sum(split => split.Weight) - 100) < 0.0001m);
    }

    private static (DiscoveryChain? Chain, string? Problem) TryCompile(ConfigTable table, string service)
    {
        try
        {
            return (ChainCompiler.Compile(table, service, "dc1"), null);
        }
        catch (ChainException e)
        {
            return (null, e.Message);
        }
    }

    private static string Write(DiscoveryChain chain) => JsonAnswer.ToText(writer => writer.WriteChain(chain, "domain"));

    private static ConfigEntry? TryRead(string body)
    {
        using var document = JsonDocument.Parse(body);
        var (kind, name, read) = ConfigDecoder.Decode(document.RootElement);
        try
        {
            return ConfigValidation.ToEntry(kind, name, read);
        }
        catch (RequestRefusedException)
        {
            return null;
        }
    }

    private static ConfigTable With(ConfigTable table, string body) => table.With(TryRead(body)!, new StateChange(2));

    private static Gen<string> Entry() => Gen.OneOf(
        from name in Service
        from protocol in Gen.Elements("http", "http", "http", "tcp", "grpc", "")
        from sni in Gen.Elements("", "", "", "x.example")
        select $$"""{"Kind":"service-defaults","Name":"{{name}}","Protocol":"{{protocol}}","ExternalSNI":"{{sni}}"}""",
        from protocol in Gen.Elements("http", "http", "tcp")
        select $$$"""{"Kind":"proxy-defaults","Name":"global","Config":{"protocol":"{{{protocol}}}"}}""",
        from name in Service
        from routes in Place().ArrayOf()
        select $$"""{"Kind":"service-router","Name":"{{name}}","Routes":[{{string.Join(',', routes.Select(place => "{\"Destination\":" + place + "}"))}}]}""",
        from name in Service
        from legs in Legs()
        select $$"""{"Kind":"service-splitter","Name":"{{name}}","Splits":[{{legs}}]}""",
        from name in Service
        from first in Subset
        from datacenter in Datacenter
        from target in Service
        from subset in Subset
        from redirects in Gen.Elements(true, false, false)
        select Resolver(name, redirects
            ? $$"""
                "Redirect":{"Service":"{{target}}","ServiceSubset":"{{subset}}","Datacenter":"{{datacenter}}"}
                """
            : $$$"""
                "DefaultSubset":"{{{first}}}","Subsets":{"v1":{},"v2":{"Filter":"Service.Port == 1"}},
                "Failover":{"*":{"Service":"{{{target}}}","ServiceSubset":"{{{subset}}}"},"v1":{"Datacenters":["dc2","dc1"]}}
                """));

    private static string Resolver(string name, string parts) => "{\"Kind\":\"service-resolver\",\"Name\":\"" + name + "\"," + parts + "}";

    private static Gen<string> Place() =>
        from service in Service
        from subset in Subset
        select $$"""{"Service":"{{service}}","ServiceSubset":"{{subset}}"}""";

    private static Gen<string> Legs() =>
        from left in Service
        from right in Service
        from subset in Subset
        from weight in Gen.Choose(0, 10000)
        select string.Create(CultureInfo.InvariantCulture, $$"""{"Weight":{{weight / 100m}},"Service":"{{left}}"},{"Weight":{{100 - (weight / 100m)}},"Service":"{{right}}","ServiceSubset":"{{subset}}"}""");
}
