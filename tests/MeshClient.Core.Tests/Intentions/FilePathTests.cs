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
        Assert.Equal(expected, FilePath.Read(path, isWindows: false));

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
        Assert.Equal(expected, FilePath.Read(path, isWindows: true));

    [Theory]
    [InlineData("/a./b", "/a/b")]
    [InlineData("/a/b. .", "/a/b")]
    [InlineData("/a /b/", "/a/b/")]
    [InlineData("/a.\\b ", "/a/b")]
    public void Read_DotsAndSpacesAtAnEndOnWindows_AreDropped(string path, string expected) =>
        Assert.Equal(expected, FilePath.Read(path, isWindows: true));

    [Theory]
    [InlineData("", true)]
    [InlineData("*", true)]
    [InlineData("/", true)]
    [InlineData("/a/b/", true)]
    [InlineData("/.a/b.c", true)]
    [InlineData("/a./b. /c ", false)]
    [InlineData("/a\\b", false)]
    public void Read_OfWhatItIsAlready_IsNothing(string path, bool isWindows) =>
        Assert.Null(FilePath.Read(path, isWindows));
}
