using System.Text.RegularExpressions;
using MeshClient.Consul.Tests.Fakes;
using MeshClient.TestSupport;

namespace MeshClient.Consul.Tests.Cli;

/// <summary>The real <c>consul acl</c> command of 1.8.7 against a registry that demands tokens.</summary>
public abstract partial class AclCliContract
{
    private readonly string _suffix = Guid.NewGuid().ToString("N")[..8];

    protected abstract Uri Address { get; }

    private ConsulCli Management => new(Address, GuardedConsul.Token);

    [Fact]
    public async Task Policy_CreateReadListUpdateDelete_Works()
    {
        var name = $"writer-{_suffix}";
        await Management.SucceedAsync("acl", "policy", "create", $"-name={name}", "-rules=key_prefix \"app/\" { policy = \"write\" }");

        Assert.Contains("app/", await Management.SucceedAsync("acl", "policy", "read", $"-name={name}"), StringComparison.Ordinal);
        Assert.Contains(name, await Management.SucceedAsync("acl", "policy", "list"), StringComparison.Ordinal);
        await Management.SucceedAsync("acl", "policy", "update", $"-name={name}", "-description=changed", "-rules=key \"x\" { policy = \"read\" }");
        Assert.Contains("changed", await Management.SucceedAsync("acl", "policy", "read", $"-name={name}"), StringComparison.Ordinal);
        await Management.SucceedAsync("acl", "policy", "delete", $"-name={name}");
        Assert.Equal(1, (await Management.RunAsync("acl", "policy", "read", $"-name={name}")).ExitCode);
    }

    [Fact]
    public async Task Token_CreateReadCloneUpdateDelete_Works()
    {
        var name = $"keys-{_suffix}";
        await Management.SucceedAsync("acl", "policy", "create", $"-name={name}", $"-rules=key_prefix \"{name}/\" {{ policy = \"write\" }}");
        var created = await Management.SucceedAsync("acl", "token", "create", $"-policy-name={name}", $"-description={name}");
        var accessor = Accessor().Match(created).Groups[1].Value;
        var own = new ConsulCli(Address, Secret().Match(created).Groups[1].Value);

        await own.SucceedAsync("kv", "put", $"{name}/a", "1");
        Assert.Equal(1, (await own.RunAsync("kv", "put", $"other-{_suffix}", "1")).ExitCode);
        Assert.Contains(name, await own.SucceedAsync("acl", "token", "read", "-self"), StringComparison.Ordinal);
        Assert.Contains(accessor, await Management.SucceedAsync("acl", "token", "list"), StringComparison.Ordinal);
        Assert.Contains(name, await Management.SucceedAsync("acl", "token", "clone", $"-id={accessor}"), StringComparison.Ordinal);
        await Management.SucceedAsync("acl", "token", "update", $"-id={accessor}", "-description=changed", $"-service-identity=web-{_suffix}");
        await own.SucceedAsync("services", "register", $"-name=web-{_suffix}", "-port=1");

        await Management.SucceedAsync("acl", "token", "delete", $"-id={accessor}");
        var refused = await own.RunAsync("kv", "put", $"{name}/a", "2");
        Assert.Contains("ACL not found", refused.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bootstrap_TokensAreThere_IsRefusedWithTheResetIndex()
    {
        var run = await Management.RunAsync("acl", "bootstrap");

        Assert.Equal(1, run.ExitCode);
        Assert.Contains("bootstrap no longer allowed", run.Errors, StringComparison.Ordinal);
    }

    [GeneratedRegex(@"AccessorID:\s+(\S+)")]
    private static partial Regex Accessor();

    [GeneratedRegex(@"SecretID:\s+(\S+)")]
    private static partial Regex Secret();
}

/// <summary>The command on the original.</summary>
public sealed class AclAgainstConsul(GuardedConsul consul) : AclCliContract, IClassFixture<GuardedConsul>
{
    protected override Uri Address => consul.Address;
}

/// <summary>The command on our own server.</summary>
public sealed class AclAgainstMeshServer(GuardedMeshServer server) : AclCliContract, IClassFixture<GuardedMeshServer>
{
    protected override Uri Address => server.Address;
}
