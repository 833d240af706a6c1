using System.Collections.Immutable;
using FsCheck;
using FsCheck.Fluent;
using MeshClient.Resilience;

namespace MeshClient.Tests.Resilience;

public sealed class IdempotentEndpointsTests
{
    private const string Key = IdempotentEndpoints.MetaKey;

    private static readonly Gen<string> Segments = Gen.Elements("orders", "pkg.Orders", "{id}", "{id:int}", "{id:guid}", new string('x', 90), new string('y', 300));

    private static readonly Gen<string> Patterns = Segments.NonEmptyListOf().Zip(
        Gen.Elements("", "POST ", "PATCH "), (segments, method) => $"{method}/{string.Join('/', segments)}");

    [Fact]
    public void Write_WhateverTheEndpoints_IsReadAsTheyWereAndKeepsWithinTheBoundsOfRegistries()
    {
        var cases = Patterns.ListOf().Select(list => list.Distinct().ToList()).Zip(Gen.Choose(-1, 20), (patterns, pairs) => (patterns, pairs));
        Prop.ForAll(cases.ToArbitrary(), one =>
        {
            var meta = IdempotentEndpoints.Write(one.patterns, one.pairs, out var leftOut);
            var read = IdempotentEndpoints.Read(meta, out var problem);
            return meta.Count <= Math.Max(0, Math.Min(one.pairs, IdempotentEndpoints.MaxValues))
                && meta.All(pair => pair.Value.Length is > 0 and <= 512 && pair.Key.Length <= 128 && pair.Key.All(c => char.IsAsciiLetter(c) || char.IsAsciiDigit(c) || c == '-'))
                && problem is null
                && read.Count + leftOut.Count == one.patterns.Count
                && one.patterns.All(pattern => leftOut.Contains(pattern) || Goes(read, pattern));
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(500));
    }

    [Fact]
    public void Read_TextOfAnybody_TakesLittleAndIsToldOfInOneShortLine()
    {
        var stars = Meta([.. Enumerable.Range(1, IdempotentEndpoints.MaxValues).Select(i => (
            i == 1 ? Key : $"{Key}-{i}", string.Join('|', Enumerable.Repeat("/a*", 128))))]);
        IdempotentEndpoints.Read(stars, out _);

        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Equal(0, IdempotentEndpoints.Read(stars, out _).Count);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 2_000_000);

        IdempotentEndpoints.Read(Meta((Key, "a\r\n2026-01-01 [Critical]" + new string('x', 300))), out var problem);
        Assert.StartsWith("'a??2026-01-01", problem, StringComparison.Ordinal);
        Assert.InRange(problem!.Length, 1, 120);
    }

    [Fact]
    public void Read_WhateverTheText_MarksOnlyWhatAPartOfItNames()
    {
        var pieces = Gen.Elements("|", "/", "/orders", "POST ", "POST", " ", "*", "**", "{id}", "{", "}", "{id:int}", "{id:float}", "%2e", "\0", "é", "||", new string('z', 400));
        Prop.ForAll(pieces.ListOf().Select(string.Concat).ToArbitrary(), text =>
        {
            var read = IdempotentEndpoints.Read(Meta((Key, text)), out var problem);
            var named = text.Length > IdempotentEndpoints.MaxValueLength
                ? []
                : text.Split('|').Select(part => EndpointPattern.TryParseSimple(part, out var pattern) ? pattern : null).OfType<EndpointPattern>().ToList();
            return read.Count == Math.Min(named.Count, IdempotentEndpoints.MaxEndpoints)
                && ((string[])["/", "/orders", "/orders/7", "/orders/x/y", "/other"]).All(path =>
                    Contains(read, "POST", path) == named.Exists(pattern => pattern.Matches("POST", path)));
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(1000));
    }

    [Fact]
    public void Read_SeveralValues_AreOneListUpToTheFirstThatIsMissing()
    {
        var read = IdempotentEndpoints.Read(
            Meta((Key, "POST /a|/b"), ($"{Key}-2", "POST /c"), ($"{Key}-4", "POST /d"), ($"{Key}-9", "POST /e")), out var problem);
        Assert.Null(problem);
        Assert.Equal(3, read.Count);
        Assert.True(Contains(read, "POST", "/c"));
        Assert.False(Contains(read, "POST", "/d"));
    }

    [Theory]
    [InlineData("POST /a|nonsense", 1, "'nonsense'")]
    [InlineData("POST /a|/{id:date}|/a*|/a**/b", 1, "'/a**/b'")]
    [InlineData("", 0, "''")]
    public void Read_PartsThatAreNone_AreLeftOutAndToldOf(string text, int count, string told)
    {
        Assert.Equal(count, IdempotentEndpoints.Read(Meta((Key, text)), out var problem).Count);
        Assert.Contains(told, problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_TooMuch_IsNotReadFurther()
    {
        var many = Enumerable.Range(1, 8).Select(number => (number == 1 ? Key : $"{Key}-{number}", string.Join('|', Enumerable.Repeat("/a", 170)))).ToArray();
        Assert.Equal(IdempotentEndpoints.MaxEndpoints, IdempotentEndpoints.Read(Meta(many), out var problem).Count);
        Assert.Contains("more than 128", problem, StringComparison.Ordinal);
        Assert.Equal(0, IdempotentEndpoints.Read(Meta((Key, "/a|/" + new string('b', 512))), out problem).Count);
        Assert.Contains("512", problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/files/a", true)]
    [InlineData("/files/a%20b", true)]
    [InlineData("/files/a.b/..c", true)]
    [InlineData("/files/../charge", false)]
    [InlineData("/files/.", false)]
    [InlineData("/files/%2e%2e/charge", false)]
    [InlineData("/files/a%2Fb", false)]
    [InlineData("/files/a%2fb", false)]
    [InlineData("/files/a%5cb", false)]
    [InlineData("/files/a\\b", false)]
    public void Contain_PathThatTheReceiverMayTakeForAnother_DoesNot(string path, bool expected) =>
        Assert.Equal(expected, Contains(IdempotentEndpoints.Read(Meta((Key, "POST /files/**")), out _), "POST", path));

    [Fact]
    public void Contain_ManyEndpoints_MakesNothing()
    {
        var read = IdempotentEndpoints.Read(IdempotentEndpoints.Write(Enumerable.Range(0, 40).Select(i => $"/pkg.Orders/Method{i}"), 64, out _), out _);
        using var request = new HttpRequestMessage(HttpMethod.Post, "https://orders/pkg.Orders/Method39?x=1");
        Assert.True(read.Contain(request));
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 100; i++)
        {
            read.Contain(request);
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    private static bool Goes(IdempotentEndpoints read, string pattern)
    {
        var parts = pattern.Split(' ');
        var path = parts[^1].Replace("{id}", "v", StringComparison.Ordinal).Replace("{id:int}", "7", StringComparison.Ordinal)
            .Replace("{id:guid}", "6f9619ff-8b86-d011-b42d-00c04fc964ff", StringComparison.Ordinal);
        return Contains(read, parts.Length == 2 ? parts[0] : "POST", path);
    }

    private static bool Contains(IdempotentEndpoints endpoints, string method, string path)
    {
        // As written: what a path can be turned into is what some of these tests are about.
        using var request = new HttpRequestMessage(
            new HttpMethod(method), new Uri("https://orders" + path, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true }));
        return endpoints.Contain(request);
    }

    private static ImmutableSortedDictionary<string, string> Meta(params (string Key, string Value)[] pairs) =>
        pairs.ToImmutableSortedDictionary(pair => pair.Key, pair => pair.Value, StringComparer.Ordinal);
}
