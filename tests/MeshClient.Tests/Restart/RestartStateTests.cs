using MeshClient.Configuration;
using MeshClient.Core.Naming;
using MeshClient.Restart;
using MeshClient.Testing;

namespace MeshClient.Tests.Restart;

public sealed class RestartStateTests : IDisposable
{
    private readonly StateFileFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public void Find_AfterRestart_GivesWhatWasKeptAndSaysHowOldItIs()
    {
        _fixture.Write();
        _fixture.Time.Advance(TimeSpan.FromMinutes(90));
        using var state = _fixture.Open();

        var entry = state.Find(SavedKind.Instances, "orders")!;

        Assert.Equal("orders"u8, entry.Content);
        Assert.Equal(TimeSpan.FromMinutes(90), entry.Age);
        Assert.Contains("01:30:00", Assert.Single(_fixture.Logged(41)).Text, StringComparison.Ordinal);
        Assert.Null(state.Find(SavedKind.Instances, "stock"));
        Assert.Null(state.Find(SavedKind.Intentions, "orders"));
    }

    [Fact]
    public void Find_NoFileYet_IsNoError()
    {
        using var state = _fixture.Open();

        Assert.Null(state.Find(SavedKind.Instances, "orders"));
        Assert.Single(_fixture.Logged(40));
        Assert.Empty(_fixture.Logged(42));
    }

    [Fact]
    public void Find_AfterTheControlPlaneAnswered_GivesNothingAnyMore()
    {
        _fixture.Write();
        using var state = _fixture.Open();

        state.Keep(SavedKind.Instances, "orders", [9]);

        Assert.Null(state.Find(SavedKind.Instances, "orders"));
    }

    [Fact]
    public void Find_FileOfAnotherService_IsRefusedAndTheFileIsLeftAsItIs()
    {
        _fixture.Write("orders");
        var before = File.ReadAllBytes(_fixture.Path);
        using (var state = _fixture.Open("web"))
        {
            Assert.Null(state.Find(SavedKind.Instances, "orders"));
            Assert.Contains("service 'orders', not to 'web'", Assert.Single(_fixture.Logged(42)).Text, StringComparison.Ordinal);
            state.Keep(SavedKind.Instances, "orders", [9]);
        }

        Assert.Equal(before, File.ReadAllBytes(_fixture.Path));
    }

    [Theory]
    [InlineData(4, true)]
    [InlineData(6, false)]
    public void Find_FileFromTheFuture_IsRefusedBeyondWhatClocksDrift(int minutes, bool isGood)
    {
        _fixture.Time.ShiftUtcNow(TimeSpan.FromMinutes(minutes));
        _fixture.Write();
        _fixture.Time.ShiftUtcNow(TimeSpan.FromMinutes(-minutes));
        using var state = _fixture.Open();

        Assert.Equal(isGood ? TimeSpan.Zero : null, state.Find(SavedKind.Instances, "orders")?.Age);
        Assert.Equal(isGood, !_fixture.Logged(42).Any(line => line.Text.Contains("from the future", StringComparison.Ordinal)));
    }

    [Fact]
    public void Find_EntryConfirmedAfterTheFileWasWritten_IsRefused()
    {
        var now = _fixture.Time.GetUtcNow();
        _fixture.Write(new SavedDocument
        {
            Service = "web",
            WrittenAt = now,
            Entries = [new SavedEntry { Kind = SavedKind.Instances, Subject = "orders", ConfirmedAt = now.AddMinutes(10), Content = [1] }],
        });
        using var state = _fixture.Open();

        Assert.Null(state.Find(SavedKind.Instances, "orders"));
    }

    [Fact]
    public void Find_SealedDocumentThatMakesNoSense_IsRefusedAndNothingIsThrown()
    {
        _fixture.Write(new SavedDocument { Service = "web", WrittenAt = _fixture.Time.GetUtcNow(), Entries = [null!] });
        using var state = _fixture.Open();

        Assert.Null(state.Find(SavedKind.Instances, "orders"));
        Assert.Single(_fixture.Logged(42));
    }

    [Fact]
    public void Find_OlderThanMaxAge_GivesNothingAndIsNotWrittenAgain()
    {
        void Short(MeshStateFileOptions options) => options.MaxAge = TimeSpan.FromHours(1);
        _fixture.Write();
        _fixture.Time.Advance(TimeSpan.FromMinutes(61));
        using (var state = _fixture.Open(configure: Short))
        {
            Assert.Null(state.Find(SavedKind.Instances, "orders"));
            state.Keep(SavedKind.Instances, "stock", [1]);
        }

        using var later = _fixture.Open(configure: options => options.MaxAge = TimeSpan.FromDays(1));
        Assert.Null(later.Find(SavedKind.Instances, "orders"));
        Assert.NotNull(later.Find(SavedKind.Instances, "stock"));
    }

    [Fact]
    public void Find_PartsOfTwoTrustDomains_IsRefused()
    {
        using var authority = new TestCertificateAuthority();
        using var other = new TestCertificateAuthority("other.consul");
        using var leaf = other.IssueLeaf(ServiceName.Parse("web"));
        var now = _fixture.Time.GetUtcNow();
        _fixture.Write(new SavedDocument
        {
            Service = "web",
            TrustDomain = authority.TrustDomain,
            WrittenAt = now,
            Entries =
            [
                new SavedEntry { Kind = SavedKind.TrustBundle, Subject = string.Empty, ConfirmedAt = now, Content = StateCodecs.Write(authority.Bundle) },
                new SavedEntry { Kind = SavedKind.Leaf, Subject = "web", ConfirmedAt = now, Content = StateCodecs.Write(leaf) },
            ],
        });
        using var state = _fixture.Open();

        Assert.Null(state.Find(SavedKind.TrustBundle, string.Empty));
        Assert.Null(state.Find(SavedKind.Leaf, "web"));
        Assert.Contains(other.TrustDomain, Assert.Single(_fixture.Logged(42)).Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null, "ours", true)]
    [InlineData("ours", "ours", true)]
    [InlineData("ours", "theirs", false)]
    [InlineData("ours", null, true)]
    public void Find_TrustDomainKnownBeforehand_FileOfAnotherIsRefused(string? before, string? now, bool isGood)
    {
        using (var state = _fixture.Open(trustDomain: before))
        {
            state.Keep(SavedKind.Instances, "orders", [1]);
        }

        Assert.Equal(before, _fixture.Read().TrustDomain);
        using var later = _fixture.Open(trustDomain: now);

        Assert.Equal(isGood, later.Find(SavedKind.Instances, "orders") is not null);
        Assert.Equal(isGood, !_fixture.Logged(42).Any(line => line.Text.Contains("of trust domain ours, and this process of theirs", StringComparison.Ordinal)));
    }

    [Fact]
    public void Keep_AnswerOfAnotherTrustDomain_TakesBackWhatTheFileSays()
    {
        using (var state = _fixture.Open())
        {
            state.Keep(SavedKind.TrustBundle, string.Empty, [1], "one.consul");
            state.Keep(SavedKind.Intentions, "web", [2]);
        }

        // As it is read the file is good: what is in it cannot be told apart before the control plane answers.
        var now = _fixture.Time.GetUtcNow();
        _fixture.Write(new SavedDocument
        {
            Service = "web",
            TrustDomain = "one.consul",
            WrittenAt = now,
            Entries = [new SavedEntry { Kind = SavedKind.Intentions, Subject = "web", ConfirmedAt = now, Content = [2] }],
        });
        using var restarted = _fixture.Open();
        Assert.NotNull(restarted.Find(SavedKind.Intentions, "web"));

        restarted.Keep(SavedKind.TrustBundle, string.Empty, [1], "two.consul");

        Assert.Null(restarted.Find(SavedKind.Intentions, "web"));
        Assert.Contains("two.consul", Assert.Single(_fixture.Logged(43)).Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Keep_ManyChanges_IsWrittenAfterASecondAndThenOnceAnInterval()
    {
        using var state = _fixture.Open();
        state.Keep(SavedKind.Instances, "orders", [1]);
        Assert.False(File.Exists(_fixture.Path));
        _fixture.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal([1], Written());

        state.Keep(SavedKind.Instances, "orders", [2]);
        state.Keep(SavedKind.Instances, "orders", [3]);
        _fixture.Time.Advance(TimeSpan.FromSeconds(9.5));
        Assert.Equal([1], Written());
        _fixture.Time.Advance(TimeSpan.FromSeconds(0.5));
        Assert.Equal([3], Written());
    }

    [Fact]
    public void Keep_SameAgain_IsWrittenEveryFiveMinutesSoThatItsAgeIsTrue()
    {
        using var state = _fixture.Open();
        state.Keep(SavedKind.Instances, "orders", [1]);
        _fixture.Time.Advance(TimeSpan.FromSeconds(1));
        var first = File.ReadAllBytes(_fixture.Path);

        _fixture.Time.Advance(TimeSpan.FromMinutes(4));
        state.Keep(SavedKind.Instances, "orders", [1]);
        _fixture.Time.Advance(TimeSpan.FromSeconds(30));
        Assert.Equal(first, File.ReadAllBytes(_fixture.Path));

        _fixture.Time.Advance(TimeSpan.FromMinutes(1));
        state.Confirm(SavedKind.Instances, "orders");
        _fixture.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.NotEqual(first, File.ReadAllBytes(_fixture.Path));
    }

    [Fact]
    public void Dispose_SomethingNew_IsWrittenAndAnUnchangedFileIsNot()
    {
        _fixture.Write();
        var first = File.ReadAllBytes(_fixture.Path);
        _fixture.Open().Dispose();
        Assert.Equal(first, File.ReadAllBytes(_fixture.Path));

        using (var state = _fixture.Open())
        {
            state.Keep(SavedKind.Instances, "orders", "orders"u8.ToArray());
        }

        Assert.NotEqual(first, File.ReadAllBytes(_fixture.Path));
    }

    [Fact]
    public void Keep_NothingWorthKeeping_IsForgotten()
    {
        _fixture.Write();
        using (var state = _fixture.Open())
        {
            state.Keep(SavedKind.Instances, "orders", null);
        }

        using var next = _fixture.Open();
        Assert.Null(next.Find(SavedKind.Instances, "orders"));
    }

    [Fact]
    public void Write_DiskThatFails_IsSaidOnceAndTriedAgain()
    {
        using var state = _fixture.Open();
        // Something that is in the way: a directory of the file's name.
        Directory.CreateDirectory(_fixture.Path);
        state.Keep(SavedKind.Instances, "orders", [1]);
        _fixture.Time.Advance(TimeSpan.FromSeconds(1));
        _fixture.Time.Advance(TimeSpan.FromSeconds(10));
        _fixture.Time.Advance(TimeSpan.FromSeconds(10));
        Assert.Single(_fixture.Logged(44));
        Directory.Delete(_fixture.Path);

        _fixture.Time.Advance(TimeSpan.FromSeconds(10));

        Assert.Equal([1], Written());
        Assert.Equal([_fixture.Path], Directory.GetFiles(Path.GetDirectoryName(_fixture.Path)!));
    }

    private byte[] Written() => Assert.Single(new StateFile(_fixture.Path, StateFileFixture.Protector).Read()!.Entries).Content;
}
