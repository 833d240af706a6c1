using MeshClient.Configuration;
using MeshClient.Restart;
using MeshClient.Tests.Restart;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace MeshClient.Tests.Configuration;

public sealed class StateFileOptionsTests
{
    [Fact]
    public void Validate_PathWithNothingToSealBy_IsAnError() =>
        Assert.Contains("never written in clear", Assert.Single(Failures(("Path", "/nowhere/state"))), StringComparison.Ordinal);

    [Fact]
    public void Validate_PathWithAKeyOrAProtector_IsGood()
    {
        Assert.Empty(Failures(("Path", "/nowhere/state"), ("Key", StateFileFixture.Key)));
        Assert.Empty(Failures(services => services.AddSingleton<IStateProtector>(StateFileFixture.Protector), ("Path", "/nowhere/state")));
    }

    [Fact]
    public void Validate_SeveralWaysToSeal_IsAnError()
    {
        Assert.Contains("more than one way", Assert.Single(Failures(
            ("Path", "/nowhere/state"), ("Key", StateFileFixture.Key), ("KeyFile", "/nowhere/key"))), StringComparison.Ordinal);
        Assert.Contains("more than one way", Assert.Single(Failures(
            services => services.AddSingleton<IStateProtector>(StateFileFixture.Protector), ("Path", "/nowhere/state"), ("Key", StateFileFixture.Key))), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("secret-but-no-base64!")]
    [InlineData("c2hvcnQ=")]
    [InlineData("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g")]
    public void Validate_KeyThatIsNone_IsAnErrorThatDoesNotShowIt(string key)
    {
        var failure = Assert.Single(Failures(("Path", "/nowhere/state"), ("Key", key)));

        Assert.Contains("32 bytes", failure, StringComparison.Ordinal);
        Assert.DoesNotContain(key, failure, StringComparison.Ordinal);
    }

    [Fact]
    public void Validate_KeyFile_MayHoldTheKeyAsItIsOrAsText()
    {
        var directory = Directory.CreateTempSubdirectory("mesh-key-");
        try
        {
            var path = Path.Combine(directory.FullName, "key");
            File.WriteAllText(path, StateFileFixture.Key + "\n");
            Assert.Empty(Failures(("Path", "/nowhere/state"), ("KeyFile", path)));
            File.WriteAllBytes(path, Convert.FromBase64String(StateFileFixture.Key));
            Assert.Empty(Failures(("Path", "/nowhere/state"), ("KeyFile", path)));
            File.WriteAllBytes(path, new byte[31]);
            Assert.Contains(path, Assert.Single(Failures(("Path", "/nowhere/state"), ("KeyFile", path))), StringComparison.Ordinal);
            Assert.Contains("cannot be read", Assert.Single(Failures(("Path", "/nowhere/state"), ("KeyFile", path + "-2"))), StringComparison.Ordinal);
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    [Fact]
    public void Validate_EverythingWrong_IsReportedAtOnce()
    {
        var failures = Failures(("Path", Path.GetTempPath()), ("MaxAge", "00:00:01"), ("WriteInterval", "02:00:00"), ("Paht", "x"));

        Assert.Equal(5, failures.Count);
        foreach (var key in new[] { "Path is '", "MaxAge", "WriteInterval", "Paht", "Path is set" })
        {
            Assert.Single(failures, failure => failure.StartsWith($"Mesh:StateFile:{key}", StringComparison.Ordinal));
        }
    }

    private static IReadOnlyList<string> Failures(params (string Key, string Value)[] settings) => Failures(null, settings);

    private static IReadOnlyList<string> Failures(Action<IServiceCollection>? register, params (string Key, string Value)[] settings)
    {
        var services = new ServiceCollection();
        services.AddSingleton<IConfiguration>(new ConfigurationBuilder().AddInMemoryCollection(
            settings.Select(one => new KeyValuePair<string, string?>($"Mesh:StateFile:{one.Key}", one.Value))).Build());
        register?.Invoke(services);
        services.AddMeshClient();
        using var provider = services.BuildServiceProvider();
        try
        {
            _ = provider.GetRequiredService<IOptions<MeshOptions>>().Value;
            return [];
        }
        catch (OptionsValidationException e)
        {
            return [.. e.Failures];
        }
    }
}
