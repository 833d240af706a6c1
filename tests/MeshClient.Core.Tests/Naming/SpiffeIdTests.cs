using System.Text.RegularExpressions;
using FsCheck;
using FsCheck.Fluent;
using MeshClient.Core.Naming;

namespace MeshClient.Core.Tests.Naming;

public sealed partial class SpiffeIdTests
{
    // One more than the longest id when it ends in this path.
    private static readonly string TooLong = "spiffe://td/" + new string('a', SpiffeId.MaxLength - "spiffe://td/".Length + 1);

    public static TheoryData<string, string, string> Valid => new()
    {
        { "spiffe://td", "td", "" },
        { "spiffe://td/a", "td", "/a" },
        { "SPIFFE://TD.Example/A/b", "td.example", "/A/b" },
        { "spiffe://a_b-c.d9/x.y_z-0/...", "a_b-c.d9", "/x.y_z-0/..." },
        { "spiffe://td/.a/a./..a", "td", "/.a/a./..a" },
        { "spiffe://1.2.3.4/x", "1.2.3.4", "/x" },
        { TooLong[..^1], "td", TooLong["spiffe://td".Length..^1] },
        { "spiffe://" + new string('d', 255) + "/x", new string('d', 255), "/x" },
    };

    public static TheoryData<string> Invalid =>
    [
        "", "spiffe", "spiffe:", "spiffe:/td/a", "spiffe//td/a", "spiffe://", "spiffe:///a", "spiffe:////a", "https://td/a", " spiffe://td/a",
        "spiffe://td/a ", "spiffe://td/a\n", "spiffe://td/", "spiffe://td/a/", "spiffe://td//a", "spiffe://td/a//b",
        "spiffe://td/.", "spiffe://td/..", "spiffe://td/a/../b", "spiffe://td/a/./b", "spiffe://td/a/..", "spiffe://td/%2e%2e/a",
        "spiffe://td/a%2fb", "spiffe://td/a%2Fb", "spiffe://td/%41", "spiffe://td:8500/a", "spiffe://user@td/a", "spiffe://u:p@td/a",
        "spiffe://td/a?b", "spiffe://td?a", "spiffe://td/a#b", "spiffe://td#a", "spiffe://[::1]/a", "spiffe://t%64/a", "spiffe://tä/a",
        "spiffe://td/ä", "spiffe://td/a\\b", "spiffe://td\\a", "spiffe://td/a;b", "spiffe://td/a*", "spiffe://td/a:b", "spiffe://t d/a",
        "spiffe://td/a\0", "spiffe://" + new string('d', 256) + "/x", TooLong,
    ];

    [Theory]
    [MemberData(nameof(Valid))]
    public void Parse_Valid_SplitsAndFoldsTheTrustDomain(string text, string trustDomain, string path)
    {
        Assert.True(SpiffeId.TryParse(text, out var id));
        Assert.Equal(trustDomain, id.TrustDomain);
        Assert.Equal(path, id.Path);
        Assert.Equal($"spiffe://{trustDomain}{path}", id.ToString());
        Assert.Equal(id, SpiffeId.Parse(text));
    }

    [Theory]
    [MemberData(nameof(Invalid))]
    public void Parse_Invalid_Throws(string text)
    {
        Assert.False(SpiffeId.TryParse(text, out var id));
        Assert.Null(id);
        Assert.StartsWith("Not a SPIFFE id: ", Assert.Throws<FormatException>(() => SpiffeId.Parse(text)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TryParse_Null_IsFalse()
    {
        Assert.False(SpiffeId.TryParse(null, out _));
        Assert.Throws<ArgumentNullException>(() => SpiffeId.Parse(null!));
    }

    [Fact]
    public void Equality_PathCaseCounts_TrustDomainCaseDoesNot()
    {
        Assert.Equal(SpiffeId.Parse("spiffe://TD/a"), SpiffeId.Parse("spiffe://td/a"));
        Assert.Equal(SpiffeId.Parse("spiffe://TD/a").GetHashCode(), SpiffeId.Parse("spiffe://td/a").GetHashCode());
        Assert.NotEqual(SpiffeId.Parse("spiffe://td/A"), SpiffeId.Parse("spiffe://td/a"));
        Assert.NotEqual(SpiffeId.Parse("spiffe://td2/a"), SpiffeId.Parse("spiffe://td/a"));
    }

    [Fact]
    public void ForService_GoodParts_MakesConsulsShapeAndBack()
    {
        var id = SpiffeId.ForService("9F.consul", "dc1", ServiceName.Parse("orders"));

        Assert.Equal("spiffe://9f.consul/ns/default/dc/dc1/svc/orders", id.ToString());
        Assert.True(id.TryGetService(out var service));
        Assert.Equal(new SpiffeService("default", "dc1", ServiceName.Parse("orders")), service);
        Assert.Equal("/ns/team/dc/dc1/svc/orders", SpiffeId.ForService("td", "dc1", ServiceName.Parse("orders"), "team").Path);
    }

    [Theory]
    [InlineData("td", "", "default")]
    [InlineData("td", "dc1", "")]
    [InlineData("", "dc1", "default")]
    [InlineData("td", "..", "default")]
    [InlineData("td", "dc 1", "default")]
    [InlineData("td/x", "dc1", "default")]
    [InlineData("td", "dc1/svc/admin", "default")]
    [InlineData("td", "dc1", "default/dc/x")]
    [InlineData("td:1", "dc1", "default")]
    public void ForService_PartThatIsNotOnePart_Throws(string trustDomain, string datacenter, string ns) => Assert.Throws<FormatException>(
        () => SpiffeId.ForService(trustDomain, datacenter, ServiceName.Parse("orders"), ns));

    [Fact]
    public void ForService_NoService_Throws() => Assert.Throws<FormatException>(() => SpiffeId.ForService("td", "dc1", default));

    [Theory]
    [InlineData("")]
    [InlineData("/a")]
    [InlineData("/ns/default/dc/dc1/svc")]
    [InlineData("/ns/default/dc/dc1/svc/orders/x")]
    [InlineData("/ap/p/ns/default/dc/dc1/svc/orders")]
    [InlineData("/agent/client/dc/dc1/id/node")]
    [InlineData("/NS/default/dc/dc1/svc/orders")]
    [InlineData("/ns/default/dc/dc1/svc/_orders")]
    public void TryGetService_OtherShape_IsFalse(string path)
    {
        Assert.False(SpiffeId.Parse("spiffe://td" + path).TryGetService(out var service));
        Assert.Null(service);
    }

    [Fact]
    public void Parse_WhatToStringGave_IsTheSame()
    {
        const string Letters = "abzABZ019.-_";
        var segment = Gen.Elements(Letters.ToCharArray()).NonEmptyListOf().Select(letters => new string([.. letters]))
            .Where(text => text is not ("." or ".."));
        var ids =
            from domain in segment
            from path in segment.ListOf()
            let text = $"spiffe://{domain}{string.Concat(path.Select(part => "/" + part))}"
            where domain.Length <= 255 && text.Length <= SpiffeId.MaxLength
            select text;
        Prop.ForAll(Arb.From(ids), text =>
        {
            var id = SpiffeId.Parse(text);
            return SpiffeId.Parse(id.ToString()) == id && string.Equals(id.ToString(), text, StringComparison.OrdinalIgnoreCase);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(2000));
    }

    [Fact]
    public void TryParse_AnyText_NeverThrowsAndAcceptsOnlyTheRule()
    {
        var nearly = Gen.Elements("spiffe://", "SPIFFE://", "td", "/", "..", ".", "a", "%", "2f", ":", "@", "?", "#", "Z", "_", " ", "é", "\\")
            .ListOf().Select(parts => string.Concat(parts));
        var paths = Gen.Elements("a", "Z9", ".a", "a..", "_", "..", ".", "", "%2e", "é").ListOf()
            .Select(parts => "spiffe://td" + string.Concat(parts.Select(part => "/" + part)));
        var texts = Gen.OneOf(nearly, nearly.Select(text => "spiffe://" + text), paths, ArbMap.Default.GeneratorFor<string>());
        var accepted = 0;
        Prop.ForAll(Arb.From(texts), text =>
        {
            var isOne = SpiffeId.TryParse(text, out _);
            accepted += isOne ? 1 : 0;
            return isOne == (text is not null && text.Length <= 2048 && Rule().IsMatch(text));
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(10_000));
        Assert.InRange(accepted, 100, 9_900);
    }

    // The two standards in one expression; a dot segment is excluded by looking ahead.
    [GeneratedRegex(@"\A(?i:spiffe)://[A-Za-z0-9._-]{1,255}(/(?!\.{1,2}(/|\z))[A-Za-z0-9._-]+)*\z")]
    private static partial Regex Rule();
}
