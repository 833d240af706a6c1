using FsCheck;
using FsCheck.Fluent;
using MeshClient.Core.Naming;

namespace MeshClient.Core.Tests.Naming;

public sealed class ServiceNameTests
{
    public static TheoryData<string> Valid =>
        ["a", "0", "orders", "Orders-2_x.y", "a.", "a..b", "a-", new string('a', ServiceName.MaxLength)];

    public static TheoryData<string> Invalid =>
    [
        "", " ", "-a", "_a", ".a", ".", "..", "*", "a b", "a/b", "a%2fb", "a:1", "a\n", "a\0", "ä", "aä", "a\u0660", "a\\b", "a?b", "a#b",
        new string('a', ServiceName.MaxLength + 1),
    ];

    [Theory]
    [MemberData(nameof(Valid))]
    public void Parse_Valid_KeepsTheText(string text)
    {
        Assert.True(ServiceName.TryParse(text, out var name));
        Assert.Equal(text, name.Value);
        Assert.Equal(text, ServiceName.Parse(text).ToString());
        Assert.False(name.IsEmpty);
    }

    [Theory]
    [MemberData(nameof(Invalid))]
    public void Parse_Invalid_Throws(string text)
    {
        Assert.False(ServiceName.TryParse(text, out var name));
        Assert.True(name.IsEmpty);
        Assert.Contains("is not a service name", Assert.Throws<FormatException>(() => ServiceName.Parse(text)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TryParse_Null_IsFalse()
    {
        Assert.False(ServiceName.TryParse(null, out _));
        Assert.Throws<ArgumentNullException>(() => ServiceName.Parse(null!));
    }

    [Fact]
    public void Default_Value_IsEmptyAndEqualToItselfOnly()
    {
        Assert.True(default(ServiceName).IsEmpty);
        Assert.Equal(string.Empty, default(ServiceName).ToString());
        Assert.NotEqual(default, ServiceName.Parse("a"));
    }

    [Fact]
    public void Equality_DifferentCase_IsAnotherName()
    {
        Assert.NotEqual(ServiceName.Parse("Orders"), ServiceName.Parse("orders"));
        Assert.Equal(ServiceName.Parse("orders"), ServiceName.Parse(new string("orders".ToCharArray())));
        Assert.Equal(ServiceName.Parse("orders").GetHashCode(), ServiceName.Parse(new string("orders".ToCharArray())).GetHashCode());
    }

    [Fact]
    public void Comparison_ByOrdinalText_OrdersNames()
    {
        var (upper, lower) = (ServiceName.Parse("B"), ServiceName.Parse("a"));

        Assert.True(upper < lower);
        Assert.True(lower > upper);
        Assert.True(upper <= lower);
        Assert.True(lower >= upper);
        Assert.Equal(0, upper.CompareTo(ServiceName.Parse("B")));
    }

    [Fact]
    public void TryParse_AnyText_NeverThrowsAndAcceptsOnlyTheRule() =>
        Prop.ForAll(ArbMap.Default.ArbFor<string>(), text =>
            ServiceName.TryParse(text, out var name)
                ? name.Value == text && text.Length is > 0 and <= 128 && System.Text.RegularExpressions.Regex.IsMatch(text, @"\A[A-Za-z0-9][A-Za-z0-9._-]*\z")
                : text is null || text.Length is 0 or > 128 || !System.Text.RegularExpressions.Regex.IsMatch(text, @"\A[A-Za-z0-9][A-Za-z0-9._-]*\z"))
        .Check(Config.QuickThrowOnFailure.WithMaxTest(2000));
}
