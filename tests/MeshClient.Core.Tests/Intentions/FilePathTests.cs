using MeshClient.Core.Intentions;

namespace MeshClient.Core.Tests.Intentions;

public sealed class FilePathTests
{
    [Theory]
    [InlineData("//a", "/a")]
    [InlineData("/a//b", "/a/b")]
    [InlineData("///a////b//", "/a/b/")]
    [InlineData("//", "/")]
    [InlineData("a//b", "/a/b")]
    [InlineData("/a//..", "/a/..")]
    [InlineData("/a//b\\c", "/a/b\\c")]
    public void Read_DoubledSlashes_AreOne(string path, string expected) =>
        Assert.Equal(expected, FilePath.Read(path, backslashSeparates: false));

    [Theory]
    [InlineData("\\a\\b\\", "/a/b/")]
    [InlineData("/a\\b", "/a/b")]
    [InlineData("/a/\\b", "/a/b")]
    [InlineData("a\\", "/a/")]
    [InlineData("/a/..\\b", "/b")]
    [InlineData("/a\\.\\b", "/a/b")]
    [InlineData("/..\\..\\a", "/a")]
    [InlineData("/a\\..", "/")]
    public void Read_BackslashesWhereTheySeparate_AreSlashes(string path, string expected) =>
        Assert.Equal(expected, FilePath.Read(path, backslashSeparates: true));

    [Theory]
    [InlineData("", true)]
    [InlineData("*", true)]
    [InlineData("/", true)]
    [InlineData("/a/b/", true)]
    [InlineData("/a\\b", false)]
    public void Read_OfWhatItIsAlready_IsNothing(string path, bool backslashSeparates) =>
        Assert.Null(FilePath.Read(path, backslashSeparates));
}
