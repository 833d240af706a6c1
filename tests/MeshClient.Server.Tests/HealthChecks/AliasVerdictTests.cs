using FsCheck;
using FsCheck.Fluent;
using MeshClient.Core;
using MeshClient.Server.Catalog;
using MeshClient.Server.HealthChecks;
using MeshClient.Server.State;

namespace MeshClient.Server.Tests.HealthChecks;

public sealed class AliasVerdictTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 21, 3, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Of_AServiceThatPasses_Passes()
    {
        var catalog = With(Empty(), "web", CheckStatus.Passing);
        Assert.Equal(new ProbeResult(CheckStatus.Passing, "All checks passing."), Verdict(catalog, "web"));
    }

    [Theory]
    [InlineData("Warning")]
    [InlineData("Critical")]
    public void Of_AServiceThatFails_SaysWhichCheck(string expected)
    {
        var status = Enum.Parse<CheckStatus>(expected);
        var catalog = With(Empty(), "web", status);
        Assert.Equal(new ProbeResult(status, "Aliased check \"check of web\" failing: out"), Verdict(catalog, "web"));
    }

    [Fact]
    public void Of_AServiceThatIsNotThere_IsCritical() =>
        Assert.Equal(new ProbeResult(CheckStatus.Critical, "Service web could not be found on node n1"), Verdict(Empty(), "web"));

    [Fact]
    public void Of_ANode_IsItsWorstCheck()
    {
        var catalog = Empty().WithNodeCheck("n1", Check("disk", CheckStatus.Warning), new StateChange(2));
        Assert.Equal(new ProbeResult(CheckStatus.Warning, "Aliased check \"check of disk\" failing: out"), Verdict(catalog, string.Empty, node: "n1"));
    }

    [Fact]
    public void Of_AnAliasOfAnAlias_LooksAtWhatIsBehind()
    {
        var catalog = With(Empty(), "db", CheckStatus.Critical);
        catalog = With(catalog, "proxy", CheckStatus.Passing, alias: "db");
        Assert.Equal(CheckStatus.Critical, Verdict(catalog, "proxy").Status);
        catalog = With(catalog, "db", CheckStatus.Passing);
        Assert.Equal(CheckStatus.Passing, Verdict(catalog, "proxy").Status);
    }

    [Fact]
    public void Of_AChainOfAnyLength_NeedsNoMoreOfTheStack()
    {
        const int length = 5000;
        const int stackBytes = 256 * 1024;
        var catalog = With(Empty(), "s0", CheckStatus.Warning);
        for (var i = 1; i <= length; i++)
        {
            catalog = With(catalog, $"s{i}", CheckStatus.Passing, alias: $"s{i - 1}");
        }

        ProbeResult? verdict = null;
        var thread = new Thread(() => verdict = Verdict(catalog, $"s{length}"), stackBytes);
        thread.Start();
        thread.Join();
        Assert.Equal(CheckStatus.Warning, verdict!.Value.Status);
    }

    // Aliases in any tangle: it ends, and what is said follows from the checks that are none, never from what aliases said before.
    [Fact]
    public void Of_AliasesInAnyTangle_FollowsFromRealChecksOnly()
    {
        string[] names = ["a", "b", "c", "d"];
        var services = (from alias in Gen.Elements("a", "b", "c", "d", "")
                        from status in Gen.Elements(CheckStatus.Passing, CheckStatus.Critical)
                        select (alias, status)).ListOf(names.Length);
        Prop.ForAll(services.ToArbitrary(), tangle =>
        {
            var catalog = Empty();
            for (var i = 0; i < names.Length; i++)
            {
                catalog = With(catalog, names[i], tangle[i].status, tangle[i].alias);
            }

            foreach (var name in names)
            {
                var reached = new HashSet<string>();
                for (var at = name; at.Length > 0 && reached.Add(at);)
                {
                    at = tangle[Array.IndexOf(names, at)].alias;
                }

                var critical = reached.Any(at => tangle[Array.IndexOf(names, at)] is { alias.Length: 0, status: CheckStatus.Critical });
                Assert.Equal(critical ? CheckStatus.Critical : CheckStatus.Passing, Verdict(catalog, name).Status);
            }
        }).QuickCheckThrowOnFailure();
    }

    private static CatalogState Empty() => CatalogState.CreateEmpty(1, NodeRecord.Local("id", "n1", "127.0.0.1", "dc1", 1), Now);

    private static CheckRecord Check(string name, CheckStatus status) => new()
    {
        CheckId = name,
        Name = $"check of {name}",
        Status = status,
        Output = "out",
        StatusSince = Now,
        CreateIndex = 2,
        ModifyIndex = 2,
    };

    private static CatalogState With(CatalogState catalog, string id, CheckStatus status, string alias = "")
    {
        var check = Check(id, status);
        check = alias.Length == 0 ? check : check with { Probe = new ProbeDefinition { Type = ProbeDefinition.AliasType, AliasService = alias } };
        return catalog.WithInstance(new InstanceRecord("n1", new ServiceDefinition { Id = id, Name = id }, [check], 2, 2), new StateChange(2));
    }

    private static ProbeResult Verdict(CatalogState catalog, string service, string node = "") =>
        AliasVerdict.Of(catalog, "n1", "the alias itself", new ProbeDefinition { Type = ProbeDefinition.AliasType, AliasNode = node, AliasService = service });
}
