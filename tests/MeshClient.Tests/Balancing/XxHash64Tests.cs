using System.Text;
using MeshClient.Balancing;

namespace MeshClient.Tests.Balancing;

public sealed class XxHash64Tests
{
    // From the test vectors of the xxHash project.
    [Theory]
    [InlineData("", 0UL, 0xEF46DB3751D8E999)]
    [InlineData("a", 0UL, 0xD24EC4F1A98C6E5B)]
    [InlineData("abc", 0UL, 0x44BC2CF5AD770999)]
    [InlineData("Nobody inspects the spammish repetition", 0UL, 0xFBCEA83C8A378BF1)]
    public void Hash_KnownTexts_GiveTheKnownNumbers(string text, ulong seed, ulong expected)
    {
        Assert.Equal(expected, XxHash64.Hash(text, seed));
        Assert.Equal(expected, XxHash64.Hash(Encoding.UTF8.GetBytes(text), seed));
    }

    [Fact]
    public void Hash_LongText_IsThatOfItsBytes()
    {
        var text = string.Concat(Enumerable.Repeat("ä€😀x", 1000));
        Assert.Equal(XxHash64.Hash(Encoding.UTF8.GetBytes(text)), XxHash64.Hash(text));
    }

    [Fact]
    public void Hash_OneBitOrTheSeedDiffers_IsAnother()
    {
        var seen = new HashSet<ulong>();
        for (var length = 1; length < 70; length++)
        {
            for (var bit = 0; bit < 8; bit++)
            {
                var data = new byte[length];
                data[length - 1] = (byte)(1 << bit);
                Assert.True(seen.Add(XxHash64.Hash(data)));
                Assert.True(seen.Add(XxHash64.Hash(data, seed: 1)));
            }
        }
    }
}
