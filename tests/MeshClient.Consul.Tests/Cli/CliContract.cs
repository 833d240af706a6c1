using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using MeshClient.Consul.Tests.Fakes;
using MeshClient.TestSupport;

namespace MeshClient.Consul.Tests.Cli;

/// <summary>
/// The real <c>consul</c> command of 1.8.7 through everything it asks of a registry (its command line alone is not tested: keygen,
/// tls, validate, version). Every test uses names of its own, so they can share one registry.
/// </summary>
public abstract partial class CliContract
{
    private readonly string _suffix = Guid.NewGuid().ToString("N")[..8];

    protected abstract Uri Address { get; }

    private protected ConsulCli Cli => new(Address);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Members_ListsTheNodeAlive() =>
        Assert.Contains("alive", await Cli.SucceedAsync("members"), StringComparison.Ordinal);

    [Fact]
    public async Task Info_PrintsTheAgentsFigures() =>
        Assert.Contains("agent:", await Cli.SucceedAsync("info"), StringComparison.Ordinal);

    [Fact]
    public async Task Catalog_RegisteredService_IsListed()
    {
        var service = Name("web");
        await Cli.SucceedAsync("services", "register", $"-id={service}-1", $"-name={service}", "-port=8080", "-tag=v1", "-address=127.0.0.1");

        Assert.Equal("dc1", (await Cli.SucceedAsync("catalog", "datacenters")).Trim());
        Assert.Contains(service, await Cli.SucceedAsync("catalog", "services"), StringComparison.Ordinal);
        Assert.Matches($@"{service}\s+v1", await Cli.SucceedAsync("catalog", "services", "-tags"));
        var nodes = await Cli.SucceedAsync("catalog", "nodes", $"-service={service}", "-detailed");
        Assert.Contains("127.0.0.1", nodes, StringComparison.Ordinal);
        var node = NodeName().Match(nodes.Split('\n')[1]).Value;
        Assert.Contains(service, await Cli.SucceedAsync("catalog", "services", $"-node={node}"), StringComparison.Ordinal);

        await Cli.SucceedAsync("services", "deregister", $"-id={service}-1");
        Assert.DoesNotContain(service, await Cli.SucceedAsync("catalog", "services"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Services_RegisterFromFile_TakesAllOfIt()
    {
        var service = Name("file");
        await UseFileAsync(
            ".json",
            $$"""{ "service": { "name": "{{service}}", "port": 1234, "meta": { "k": "v" }, "check": { "ttl": "30s" }, "connect": { "native": true } } }""",
            async file => Assert.Contains("Registered service", await Cli.SucceedAsync("services", "register", file), StringComparison.Ordinal));

        Assert.Contains("1234", await Cli.SucceedAsync("catalog", "nodes", $"-service={service}", "-detailed") + await GetAsync($"v1/catalog/service/{service}"), StringComparison.Ordinal);
        await Cli.SucceedAsync("services", "deregister", $"-id={service}");
    }

    [Fact]
    public async Task KeyValue_PutGetDelete_RoundTrips()
    {
        var folder = Name("folder");
        Assert.Contains("Success!", await Cli.SucceedAsync("kv", "put", "-flags=42", $"{folder}/a", "one"), StringComparison.Ordinal);
        await Cli.SucceedAsync("kv", "put", $"{folder}/sub/b", "two");

        Assert.Equal("one", (await Cli.SucceedAsync("kv", "get", $"{folder}/a")).Trim());
        Assert.Matches(@"Flags\s+42", await Cli.SucceedAsync("kv", "get", "-detailed", $"{folder}/a"));
        Assert.Equal([$"{folder}/a:one", $"{folder}/sub/b:two"], Lines(await Cli.SucceedAsync("kv", "get", "-recurse", folder)));
        Assert.Equal([$"{folder}/a", $"{folder}/sub/"], Lines(await Cli.SucceedAsync("kv", "get", "-keys", $"{folder}/")));

        Assert.Equal(1, (await Cli.RunAsync("kv", "put", "-cas", "-modify-index=1", $"{folder}/a", "three")).ExitCode);
        var index = ModifyIndex().Match(await Cli.SucceedAsync("kv", "get", "-detailed", $"{folder}/a")).Groups[1].Value;
        await Cli.SucceedAsync("kv", "put", "-cas", $"-modify-index={index}", $"{folder}/a", "three");
        Assert.Equal("three", (await Cli.SucceedAsync("kv", "get", $"{folder}/a")).Trim());

        await Cli.SucceedAsync("kv", "delete", "-recurse", folder);
        Assert.Equal(1, (await Cli.RunAsync("kv", "get", $"{folder}/a")).ExitCode);
    }

    [Fact]
    public async Task KeyValue_ExportAndImport_MovesATree()
    {
        var (from, to) = (Name("from"), Name("to"));
        await Cli.SucceedAsync("kv", "put", $"{from}/a", "one");
        var exported = await Cli.SucceedAsync("kv", "export", from);

        var imported = await Cli.RunAsync(exported.Replace(from, to, StringComparison.Ordinal), ["kv", "import", "-"]);

        Assert.Equal(0, imported.ExitCode);
        Assert.Equal("one", (await Cli.SucceedAsync("kv", "get", $"{to}/a")).Trim());
    }

    [Fact]
    public async Task Intention_CreateCheckMatchReplaceDelete_Works()
    {
        var (web, db) = (Name("web"), Name("db"));
        Assert.Contains("Created:", await Cli.SucceedAsync("intention", "create", "-deny", web, db), StringComparison.Ordinal);
        Assert.NotEqual(0, (await Cli.RunAsync("intention", "create", "-allow", web, db)).ExitCode);

        var denied = await Cli.RunAsync("intention", "check", web, db);
        Assert.Equal((1, "Denied"), (denied.ExitCode, denied.Output.Trim()));

        await Cli.SucceedAsync("intention", "create", "-allow", "-replace", web, db);
        Assert.Equal("Allowed", (await Cli.SucceedAsync("intention", "check", web, db)).Trim());
        Assert.Contains(web, await Cli.SucceedAsync("intention", "match", db), StringComparison.Ordinal);
        Assert.Contains(db, await Cli.SucceedAsync("intention", "match", "-source", web), StringComparison.Ordinal);
        Assert.Matches(@"Action:\s+allow", await Cli.SucceedAsync("intention", "get", web, db));

        await Cli.SucceedAsync("intention", "delete", web, db);
        Assert.Equal(1, (await Cli.RunAsync("intention", "get", web, db)).ExitCode);
    }

    [Fact]
    public async Task Config_WriteReadListDelete_Works()
    {
        var service = Name("api");
        await UseFileAsync(
            ".hcl",
            $$"""
            Kind = "service-defaults"
            Name = "{{service}}"
            Protocol = "http"
            """,
            file => Cli.SucceedAsync("config", "write", file));
        await UseFileAsync(
            ".hcl",
            $$"""
            Kind = "service-resolver"
            Name = "{{service}}"
            DefaultSubset = "v1"
            Subsets = { "v1" = { Filter = "Service.Meta.version == v1" } }
            """,
            file => Cli.SucceedAsync("config", "write", file));

        var read = JsonNode.Parse(await Cli.SucceedAsync("config", "read", "-kind", "service-defaults", "-name", service))!;
        Assert.Equal("http", read["Protocol"]!.GetValue<string>());
        Assert.Contains(service, Lines(await Cli.SucceedAsync("config", "list", "-kind", "service-resolver")));

        await Cli.SucceedAsync("config", "delete", "-kind", "service-resolver", "-name", service);
        await Cli.SucceedAsync("config", "delete", "-kind", "service-defaults", "-name", service);
        Assert.Equal(1, (await Cli.RunAsync("config", "read", "-kind", "service-defaults", "-name", service)).ExitCode);
    }

    [Fact]
    public async Task Config_EntryThatBreaksAChain_IsRefusedWithTheSentence()
    {
        var service = Name("tcp");
        await UseFileAsync(
            ".hcl",
            $$"""
            Kind = "service-splitter"
            Name = "{{service}}"
            Splits = [{ Weight = 100 }]
            """,
            async file =>
            {
                var run = await Cli.RunAsync("config", "write", file);

                Assert.Equal(1, run.ExitCode);
                Assert.Contains("does not permit advanced routing or splitting behavior", run.Errors, StringComparison.Ordinal);
            });
    }

    [Fact]
    public async Task Connect_AuthoritysConfiguration_IsReadAndWritten()
    {
        var before = JsonNode.Parse(await Cli.SucceedAsync("connect", "ca", "get-config"))!;
        Assert.Equal("consul", before["Provider"]!.GetValue<string>());

        await UseFileAsync(
            ".json",
            """{ "Provider": "consul", "Config": { "LeafCertTTL": "71h", "RotationPeriod": "2160h" } }""",
            async file => Assert.Contains("updated", await Cli.SucceedAsync("connect", "ca", "set-config", "-config-file", file), StringComparison.OrdinalIgnoreCase));

        Assert.Equal("71h", JsonNode.Parse(await Cli.SucceedAsync("connect", "ca", "get-config"))!["Config"]!["LeafCertTTL"]!.GetValue<string>());
    }

    [Fact]
    public async Task Connect_ProxyThatRegistersItself_IsInTheCatalog()
    {
        var service = Name("proxied");
        var registered = $"{service}-proxy";
        await Cli.ReadUntilAsync(
            "Proxy",
            () => Eventually.TrueAsync(async () => (await GetAsync($"v1/catalog/service/{registered}")).Contains(registered, StringComparison.Ordinal), "the proxy is registered"),
            "connect", "proxy", $"-service={service}", $"-listen=127.0.0.1:{FreePorts.Find(1)[0]}", "-service-addr=127.0.0.1:1", "-register", "-log-level=info");
    }

    [Fact]
    public async Task Maintenance_OfAService_IsShownAndEnded()
    {
        var service = Name("tired");
        await Cli.SucceedAsync("services", "register", $"-name={service}", "-port=1");
        await Cli.SucceedAsync("maint", "-enable", $"-service={service}", "-reason=broken");

        var shown = await Cli.SucceedAsync("maint");
        Assert.Contains(service, shown, StringComparison.Ordinal);
        Assert.Contains("broken", shown, StringComparison.Ordinal);

        await Cli.SucceedAsync("maint", "-disable", $"-service={service}");
        Assert.DoesNotContain(service, await Cli.SucceedAsync("maint"), StringComparison.Ordinal);
        await Cli.SucceedAsync("services", "deregister", $"-id={service}");
    }

    [Theory]
    [InlineData]
    [InlineData("-n=2")]
    public async Task Lock_RunsTheCommandAndLetsGo(params string[] options)
    {
        var prefix = Name("lock");

        Assert.Contains("held", await Cli.SucceedAsync(["lock", .. options, prefix, "echo held"]), StringComparison.Ordinal);

        Assert.DoesNotContain(".lock", (await Cli.RunAsync("kv", "get", "-keys", $"{prefix}/")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Event_IsFiredAndListed()
    {
        var name = Name("deploy");
        Assert.Matches("Event ID: [0-9a-f-]{36}", await Cli.SucceedAsync("event", $"-name={name}", "payload"));

        await Eventually.TrueAsync(async () => (await GetAsync($"v1/event/list?name={name}")).Contains(name, StringComparison.Ordinal), "the event is listed");
    }

    [Fact]
    public async Task Watch_EveryKind_PrintsWhatThereIs()
    {
        var service = Name("watched");
        await Cli.SucceedAsync("services", "register", $"-name={service}", "-port=1", "-tag=t");
        await Cli.SucceedAsync("kv", "put", $"{service}/k", "v");
        await Cli.SucceedAsync("event", $"-name={service}");

        Assert.Contains(service, await Cli.SucceedAsync("watch", "-type=services"), StringComparison.Ordinal);
        Assert.Contains("127.0.0.1", await Cli.SucceedAsync("watch", "-type=nodes"), StringComparison.Ordinal);
        Assert.Contains(service, await Cli.SucceedAsync("watch", "-type=service", $"-service={service}", "-tag=t", "-passingonly=true"), StringComparison.Ordinal);
        Assert.Contains("[", await Cli.SucceedAsync("watch", "-type=checks", $"-service={service}"), StringComparison.Ordinal);
        Assert.Contains("[", await Cli.SucceedAsync("watch", "-type=checks", "-state=passing"), StringComparison.Ordinal);
        Assert.Contains($"{service}/k", await Cli.SucceedAsync("watch", "-type=key", $"-key={service}/k"), StringComparison.Ordinal);
        Assert.Contains($"{service}/k", await Cli.SucceedAsync("watch", "-type=keyprefix", $"-prefix={service}/"), StringComparison.Ordinal);
        Assert.Contains(service, await Cli.SucceedAsync("watch", "-type=event", $"-name={service}"), StringComparison.Ordinal);
        await Cli.SucceedAsync("services", "deregister", $"-id={service}");
    }

    [Fact]
    public async Task Watch_WithHandler_IsCalledForEachChange()
    {
        var key = Name("key");
        await Cli.SucceedAsync("kv", "put", key, "one");
        await Cli.ReadUntilAsync(
            "Mg==", // "2"
            async () =>
            {
                // Written until it is seen: the watch may begin at any time.
                await Cli.SucceedAsync("kv", "put", key, "2");
            },
            "watch", "-type=key", $"-key={key}", "cat");
    }

    [Fact]
    public async Task Snapshot_SaveInspectRestore_BringsBackWhatWas()
    {
        var key = Name("kept");
        var file = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        await Cli.SucceedAsync("kv", "put", key, "before");
        try
        {
            Assert.Contains("Saved and verified", await Cli.SucceedAsync("snapshot", "save", file), StringComparison.Ordinal);
            Assert.Contains("Index", await Cli.SucceedAsync("snapshot", "inspect", file), StringComparison.Ordinal);
            await Cli.SucceedAsync("kv", "put", key, "after");

            await Cli.SucceedAsync("snapshot", "restore", file);

            Assert.Equal("before", (await Cli.SucceedAsync("kv", "get", key)).Trim());
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public async Task Operator_RaftAndAutopilot_AreShown()
    {
        Assert.Contains("leader", await Cli.SucceedAsync("operator", "raft", "list-peers"), StringComparison.Ordinal);
        Assert.Contains("CleanupDeadServers", await Cli.SucceedAsync("operator", "autopilot", "get-config"), StringComparison.Ordinal);
    }

    // A node without others to measure itself against may have no coordinate; the command says so then.
    [Fact]
    public async Task Rtt_OfTheNodeToItself_IsToldOrKnownNotToBe()
    {
        var node = JsonNode.Parse(await GetAsync("v1/agent/self"))!["Config"]!["NodeName"]!.GetValue<string>();

        var run = await Cli.RunAsync("rtt", node);

        Assert.Matches("Estimated|Could not find a coordinate", run.Output + run.Errors);
    }

    [Fact]
    public async Task Acl_AccessControlOff_IsSaid()
    {
        var run = await Cli.RunAsync("acl", "token", "list");

        Assert.Equal(1, run.ExitCode);
        Assert.Contains("ACL support disabled", run.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Keyring_IsRefusedAndNothingHappens() => Assert.NotEqual(0, (await Cli.RunAsync("keyring", "-list")).ExitCode);

    [Fact]
    public async Task Reload_IsTaken() =>
        Assert.Contains("reload triggered", await Cli.SucceedAsync("reload"), StringComparison.OrdinalIgnoreCase);

    private protected string Name(string text) => $"{text}-{_suffix}";

    private static string[] Lines(string text) => text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private async Task<string> GetAsync(string path)
    {
        using var http = new HttpClient { BaseAddress = Address, Timeout = TimeSpan.FromSeconds(20) };
        return await http.GetStringAsync(new Uri(path, UriKind.Relative), Cancellation);
    }

    private static async Task UseFileAsync(string extension, string content, Func<string, Task> use)
    {
        var file = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName() + extension);
        try
        {
            await File.WriteAllTextAsync(file, content, Cancellation);
            await use(file);
        }
        finally
        {
            File.Delete(file);
        }
    }

    [GeneratedRegex(@"^\S+")]
    private static partial Regex NodeName();

    [GeneratedRegex(@"ModifyIndex\s+(\d+)")]
    private static partial Regex ModifyIndex();
}

/// <summary>The command on the original.</summary>
public sealed class AgainstConsul(RealConsul consul) : CliContract, IClassFixture<RealConsul>
{
    protected override Uri Address => consul.Address;
}

/// <summary>The command on our own server.</summary>
public sealed class AgainstMeshServer(RunningMeshServer server) : CliContract, IClassFixture<RunningMeshServer>
{
    protected override Uri Address => server.Address;

    // Not asked of the original: it ends the stream when nothing is logged.
    [Fact]
    public async Task Monitor_StreamsTheLog()
    {
        var service = Name("logged");
        await Cli.ReadUntilAsync(
            "[",
            () => Cli.SucceedAsync("services", "register", $"-name={service}", "-port=1"),
            "monitor", "-log-level=debug");
        await Cli.SucceedAsync("services", "deregister", $"-id={service}");
    }

    [Fact]
    public async Task Operator_SetAutopilot_IsRefusedWithASentence()
    {
        var run = await Cli.RunAsync("operator", "autopilot", "set-config", "-cleanup-dead-servers=true");

        Assert.Equal(1, run.ExitCode);
        Assert.Contains("cluster of one", run.Errors, StringComparison.Ordinal);
    }
}
