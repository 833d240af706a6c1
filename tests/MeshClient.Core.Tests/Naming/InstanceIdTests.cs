using MeshClient.Core.Naming;

namespace MeshClient.Core.Tests.Naming;

public sealed class InstanceIdTests
{
    public static TheoryData<string> Valid => ["a", " ", "orders-127.0.0.1-5001-x9", "a/b:c", "ä€", new string('a', InstanceId.MaxLength)];

    public static TheoryData<string> Invalid => ["", "a\n", "\0", "a\u007f", "a\u0085", new string('a', InstanceId.MaxLength + 1)];

    [Theory]
    [MemberData(nameof(Valid))]
    public void Constructor_Valid_KeepsTheText(string text)
    {
        var id = new InstanceId(text);

        Assert.Equal(text, id.Value);
        Assert.Equal(text, id.ToString());
        Assert.Equal(id, new InstanceId(text));
    }

    [Theory]
    [MemberData(nameof(Invalid))]
    public void Constructor_Invalid_Throws(string text) => Assert.Throws<FormatException>(() => new InstanceId(text));

    [Fact]
    public void Constructor_Null_Throws() => Assert.Throws<ArgumentNullException>(() => new InstanceId(null!));

    [Fact]
    public void Default_Value_IsEmpty() => Assert.Equal(string.Empty, default(InstanceId).Value);

    [Fact]
    public void Equality_DifferentCase_IsAnotherId() => Assert.NotEqual(new InstanceId("a"), new InstanceId("A"));
}
