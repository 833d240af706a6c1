using System.Security.Cryptography.X509Certificates;
using System.Text.RegularExpressions;
using FsCheck;
using FsCheck.Fluent;
using MeshClient.Core.Identity;
using MeshClient.Testing;

namespace MeshClient.Core.Tests.Identity;

/// <summary>Leaves put together at random, good parts and bad, judged by the rules written down a second time.</summary>
public sealed partial class SpiffeCertificateProperties : IDisposable
{
    private readonly TestCertificateAuthority _authority = new("td.test");

    // Written from the standard, and by other means than the reader.
    [GeneratedRegex(@"\A[sS][pP][iI][fF][fF][eE]://[a-zA-Z0-9._-]{1,255}(/(?!\.{1,2}(/|\z))[a-zA-Z0-9._-]+)+\z")]
    private static partial Regex WorkloadId { get; }

    private static Gen<string> Uri
    {
        get
        {
            var domain = Gen.Elements("td.test", "TD.Test", "other", "t d", "", new string('d', 255), new string('d', 256), "td:1", "u@td");
            var segment = Gen.Elements("ns", "default", "svc", "orders", "Orders", ".", "..", "...", "", "%2f", "a b", "é", "a?b", new string('a', 1990));
            var path = segment.ListOf().Select(parts => string.Concat(parts.Take(8).Select(part => "/" + part)));
            var scheme = Gen.Elements("spiffe", "spiffe", "spiffe", "SPIFFE", "https", "spiffe+x");
            return scheme.Zip(domain, (one, two) => $"{one}://{two}").Zip(path, (one, two) => one + two);
        }
    }

    public void Dispose() => _authority.Dispose();

    [Fact]
    public void TryReadId_AnyLeaf_IsReadWhenEveryRuleIsKeptAndOnlyThen()
    {
        var accepted = 0;
        var good = Gen.Constant("spiffe://td.test/ns/default/dc/dc1/svc/orders");
        var uris = Gen.Frequency((6, good.Select(one => new[] { one })), (6, Uri.Select(one => new[] { one })), (1, Uri.ArrayOf()), (1, good.ArrayOf()));
        var usages = Gen.Frequency<X509KeyUsageFlags?>(
            (6, Gen.Constant<X509KeyUsageFlags?>(X509KeyUsageFlags.DigitalSignature)),
            (2, Gen.Choose(0, 255).Select(one => (X509KeyUsageFlags?)((X509KeyUsageFlags)one | X509KeyUsageFlags.DigitalSignature))),
            (1, Gen.Choose(1, 255).Select(one => (X509KeyUsageFlags?)((X509KeyUsageFlags)one & ~X509KeyUsageFlags.KeyAgreement))),
            (1, Gen.Constant<X509KeyUsageFlags?>(null)));
        var blueprints = uris.Zip(usages, (names, usage) => (names, usage))
            .Zip(Gen.Elements(false, false, false, false, true), (one, isAuthority) => new LeafBlueprint
            {
                Uris = [.. one.names.Take(3)],
                KeyUsage = one.usage,
                IsAuthority = isAuthority,
                HostNames = isAuthority ? [] : ["a.test"],
            });
        Prop.ForAll(Arb.From(blueprints), blueprint =>
        {
            using var issued = _authority.Issue(blueprint);
            var expected = blueprint.Uris.Count == 1
                && blueprint.Uris[0].Length <= 2048
                && WorkloadId.IsMatch(blueprint.Uris[0])
                && !blueprint.IsAuthority
                && blueprint.KeyUsage is { } usage
                && usage.HasFlag(X509KeyUsageFlags.DigitalSignature)
                && (usage & (X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign)) == 0;
            var read = SpiffeCertificate.TryReadId(issued.Certificate, out var id, out var problem);
            accepted += read ? 1 : 0;
            return read == expected
                && read == (problem is null)
                && (!read || string.Equals(id!.Path, blueprint.Uris[0][(blueprint.Uris[0].IndexOf('/', 9))..], StringComparison.Ordinal));
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(600));
        Assert.InRange(accepted, 60, 500);
    }
}
