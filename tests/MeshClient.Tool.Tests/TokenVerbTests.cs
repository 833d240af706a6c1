using MeshClient.Server;

namespace MeshClient.Tool.Tests;

public sealed class TokenVerbTests : IAsyncLifetime
{
    private readonly MeshServer _server;

    public TokenVerbTests()
    {
        var options = new MeshServerOptions { ListenAddress = new Uri("http://127.0.0.1:0") };
        options.AccessControl.Enabled = true;
        _server = new MeshServer(options);
    }

    public async ValueTask InitializeAsync() => await _server.StartAsync(CancellationToken.None);

    public async ValueTask DisposeAsync() => await _server.DisposeAsync();

    [Fact]
    public async Task Tokens_FromBootstrapToDelete_GiveAndTakeRights()
    {
        var first = (await RunAsync(null, "tokens", "bootstrap", "--json")).Json!["SecretID"]!.ToString();
        Assert.Equal(ExitCodes.Refused, (await RunAsync(null, "tokens", "bootstrap")).ExitCode);
        Assert.Equal(ExitCodes.Refused, (await RunAsync(null, "kv", "put", "app/a", "1")).ExitCode);

        var rules = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(rules, "key_prefix \"app/\" { policy = \"write\" }", TestContext.Current.CancellationToken);
            Assert.Equal(ExitCodes.Ok, (await RunAsync(first, "tokens", "set-policy", "app", rules)).ExitCode);
            Assert.Equal(ExitCodes.Ok, (await RunAsync(first, "tokens", "set-policy", "app", rules, "--description", "again")).ExitCode);
        }
        finally
        {
            File.Delete(rules);
        }

        Assert.Contains((await RunAsync(first, "tokens", "policies")).Lines, line => line.StartsWith("app ", StringComparison.Ordinal));
        var made = (await RunAsync(first, "tokens", "create", "--policy", "app", "--service", "web", "--json")).Json!;
        var (secret, accessor) = (made["SecretID"]!.ToString(), made["AccessorID"]!.ToString());
        Assert.Equal(ExitCodes.Ok, (await RunAsync(secret, "kv", "put", "app/a", "1")).ExitCode);
        Assert.Equal(ExitCodes.Refused, (await RunAsync(secret, "kv", "put", "other", "1")).ExitCode);

        var listed = await RunAsync(first, "tokens", "list", "--json");
        Assert.Contains(accessor, listed.Output, StringComparison.Ordinal);
        Assert.DoesNotContain(secret, listed.Output, StringComparison.Ordinal);
        Assert.DoesNotContain(secret, (await RunAsync(secret, "tokens", "self", "--json")).Output, StringComparison.Ordinal);

        Assert.Equal(ExitCodes.Ok, (await RunAsync(first, "tokens", "delete", accessor)).ExitCode);
        Assert.Equal(ExitCodes.Refused, (await RunAsync(secret, "kv", "put", "app/a", "2")).ExitCode);
    }

    private Task<ToolRun> RunAsync(string? token, params string[] arguments) =>
        ToolRun.StartAsync([.. arguments, "--address", _server.Address.ToString(), .. token is null ? Array.Empty<string>() : ["--token", token]]);
}
