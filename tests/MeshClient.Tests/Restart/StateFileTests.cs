using System.Diagnostics;
using System.Runtime.Versioning;
using FsCheck;
using FsCheck.Fluent;
using MeshClient.Core.Identity;
using MeshClient.Core.Intentions;
using MeshClient.Core.Naming;
using MeshClient.Restart;
using MeshClient.Testing;

namespace MeshClient.Tests.Restart;

public sealed class StateFileTests : IDisposable
{
    private readonly StateFileFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public void Read_EveryByteFlipped_IsRefusedEachTimeAndNothingIsThrown()
    {
        WriteWholeFile(withLeaf: false);
        var good = File.ReadAllBytes(_fixture.Path);
        for (var i = 0; i < good.Length; i++)
        {
            var bad = good.ToArray();
            bad[i] ^= (byte)(1 << (i % 8));
            AssertRefused(bad);
        }

        File.WriteAllBytes(_fixture.Path, good);
        using var state = _fixture.Open();
        Assert.NotNull(state.Find(SavedKind.Intentions, "web"));
    }

    [Fact]
    public void Read_AnythingButTheFile_IsRefusedAndNothingIsThrown()
    {
        WriteWholeFile();
        var good = File.ReadAllBytes(_fixture.Path);
        var edit = from kind in Gen.Choose(0, 4)
                   from at in Gen.Choose(0, good.Length - 1)
                   from length in Gen.Choose(1, 64)
                   from noise in ArbMap.Default.GeneratorFor<byte>().ArrayOf(length)
                   select kind switch
                   {
                       0 => good[..at],
                       1 => [.. good[..at], .. noise, .. good[at..]],
                       2 => [.. good[..at], .. good[Math.Min(good.Length, at + length)..]],
                       3 => [.. good, .. noise],
                       _ => noise,
                   };
        Prop.ForAll(Arb.From(edit), bad =>
        {
            AssertRefused(bad);
            return true;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(300));
        AssertGood(good);
    }

    [Fact]
    public void Read_WrittenWithAnotherKey_IsRefused()
    {
        _fixture.Write();
        using var state = _fixture.Open(protector: new AesStateProtector(new byte[AesStateProtector.KeySize]));

        Assert.Null(state.Find(SavedKind.Instances, "orders"));
        Assert.Contains("another key", Assert.Single(_fixture.Logged(42)).Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_OfAnotherVersion_NamesBothVersions()
    {
        _fixture.Write();
        var content = File.ReadAllBytes(_fixture.Path);
        content["MESHSTATE".Length] = 2;
        File.WriteAllBytes(_fixture.Path, content);
        using var state = _fixture.Open();

        Assert.Null(state.Find(SavedKind.Instances, "orders"));
        Assert.Contains("version 2; this program knows version 1", Assert.Single(_fixture.Logged(42)).Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Write_TwiceTheSame_SharesNoNonceAndShowsNothing()
    {
        var secret = "spiffe-and-intentions"u8.ToArray();
        var files = Enumerable.Range(0, 20).Select(_ =>
        {
            _fixture.Write(content: secret);
            return File.ReadAllBytes(_fixture.Path);
        }).ToList();

        Assert.Equal(files.Count, files.Select(file => Convert.ToHexString(file.AsSpan(10, 12))).Distinct().Count());
        Assert.All(files, file => Assert.Equal(-1, file.AsSpan().IndexOf("Instances"u8)));
        Assert.All(files, file => Assert.Equal(-1, file.AsSpan().IndexOf(secret)));
    }

    [Fact]
    [UnsupportedOSPlatform("windows")]
    public void Write_MissingDirectory_IsMadeForTheOwnerOnlyAndLeavesNothingBeside()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no such modes.");
        var directory = Path.Combine(Path.GetDirectoryName(_fixture.Path)!, "new");
        var path = Path.Combine(directory, "state");
        using (var state = _fixture.Open(configure: options => options.Path = path))
        {
            state.Keep(SavedKind.Instances, "orders", [1]);
        }

        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(directory));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        Assert.Equal([path], Directory.GetFiles(directory));
    }

    [Theory]
    [InlineData(UnixFileMode.GroupRead)]
    [InlineData(UnixFileMode.OtherRead)]
    [InlineData(UnixFileMode.GroupWrite)]
    [InlineData(UnixFileMode.OtherWrite)]
    [UnsupportedOSPlatform("windows")]
    public void Read_FileForOthersToo_IsRefusedAndReplacedByOneForTheOwner(UnixFileMode extra)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no such modes.");
        _fixture.Write();
        File.SetUnixFileMode(_fixture.Path, UnixFileMode.UserRead | UnixFileMode.UserWrite | extra);
        using (var state = _fixture.Open())
        {
            Assert.Null(state.Find(SavedKind.Instances, "orders"));
            Assert.Contains("others", Assert.Single(_fixture.Logged(42)).Text, StringComparison.Ordinal);
            state.Keep(SavedKind.Instances, "orders", [2]);
        }

        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_fixture.Path));
        using var next = _fixture.Open();
        Assert.Equal([2], next.Find(SavedKind.Instances, "orders")!.Content);
    }

    [Theory]
    [InlineData(UnixFileMode.GroupWrite)]
    [InlineData(UnixFileMode.OtherWrite)]
    [UnsupportedOSPlatform("windows")]
    public void Read_DirectoryOthersMayWriteIn_IsRefusedAndNotWrittenTo(UnixFileMode extra)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no such modes.");
        _fixture.Write();
        var before = File.ReadAllBytes(_fixture.Path);
        var directory = Path.GetDirectoryName(_fixture.Path)!;
        File.SetUnixFileMode(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | extra);
        using (var state = _fixture.Open())
        {
            Assert.Null(state.Find(SavedKind.Instances, "orders"));
            Assert.Contains(directory, Assert.Single(_fixture.Logged(42)).Text, StringComparison.Ordinal);
            state.Keep(SavedKind.Instances, "orders", [2]);
        }

        Assert.Equal(before, File.ReadAllBytes(_fixture.Path));
        Assert.Single(_fixture.Logged(44));
    }

    [Fact]
    public void Read_Link_IsRefused()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Links take a right there.");
        _fixture.Write();
        File.Move(_fixture.Path, _fixture.Path + ".real");
        File.CreateSymbolicLink(_fixture.Path, _fixture.Path + ".real");
        using var state = _fixture.Open();

        Assert.Null(state.Find(SavedKind.Instances, "orders"));
        Assert.Contains("link", Assert.Single(_fixture.Logged(42)).Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Read_BelongsToAnotherUser_IsRefused(bool directory)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess, "Only root can give a file away, and read it then.");
        _fixture.Write();
        using (var change = Process.Start("chown", ["12345", directory ? Path.GetDirectoryName(_fixture.Path)! : _fixture.Path]))
        {
            Assert.True(change.WaitForExit(TimeSpan.FromSeconds(10)));
        }

        using var state = _fixture.Open();

        Assert.Null(state.Find(SavedKind.Instances, "orders"));
        Assert.Contains("another user (12345)", Assert.Single(_fixture.Logged(42)).Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_LeftOfAnInterruptedWrite_IsDeletedAndDoesNotCount()
    {
        _fixture.Write();
        var leftover = _fixture.Path + ".0123456789abcdef.new";
        File.WriteAllBytes(leftover, [1, 2, 3]);
        File.SetLastWriteTimeUtc(leftover, File.GetLastWriteTimeUtc(_fixture.Path).AddMinutes(-1));
        using var state = _fixture.Open();

        Assert.NotNull(state.Find(SavedKind.Instances, "orders"));
        Assert.False(File.Exists(leftover));
    }

    private void WriteWholeFile(bool withLeaf = true)
    {
        using var authority = new TestCertificateAuthority();
        using var state = _fixture.Open();
        state.Keep(SavedKind.TrustBundle, string.Empty, StateCodecs.Write(authority.Bundle), authority.TrustDomain);
        if (withLeaf)
        {
            using var leaf = authority.IssueLeaf(ServiceName.Parse("web"));
            state.Keep(SavedKind.Leaf, "web", StateCodecs.Write(leaf), leaf.Id.TrustDomain);
        }

        state.Keep(SavedKind.Intentions, "web", StateCodecs.Write(
            new IntentionSnapshot(ServiceName.Parse("web"), [], IntentionAction.Allow), SavedJson.Default.IntentionSnapshot));
    }

    private void AssertRefused(byte[] content)
    {
        File.WriteAllBytes(_fixture.Path, content);
        var before = _fixture.Logged(42).Count();
        using var state = _fixture.Open();
        Assert.All(Enum.GetValues<SavedKind>(), kind => Assert.Null(state.Find(kind, kind == SavedKind.TrustBundle ? string.Empty : "web")));
        Assert.Equal(before + 1, _fixture.Logged(42).Count());
    }

    private void AssertGood(byte[] content)
    {
        File.WriteAllBytes(_fixture.Path, content);
        using var state = _fixture.Open();
        using var leaf = StateCodecs.ReadLeaf(state.Find(SavedKind.Leaf, "web")!.Content, _fixture.Time.GetUtcNow());
        using var bundle = StateCodecs.ReadBundle(state.Find(SavedKind.TrustBundle, string.Empty)!.Content, _fixture.Time.GetUtcNow());
        Assert.Equal(bundle!.TrustDomain, leaf!.Id.TrustDomain);
        Assert.True(leaf.Certificate.HasPrivateKey);
    }
}
