using System.Net.Http.Json;
using System.Text.Json.Nodes;
using MeshClient.TestSupport;
using MeshClient.Tool.CommandLine;

namespace MeshClient.Tool.Tests;

/// <summary>
/// What the verbs promise, whatever speaks the Consul API on the other side. Every test uses names of its own, so they can
/// share one registry.
/// </summary>
public abstract class ToolContract
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    private readonly string _suffix = Guid.NewGuid().ToString("N")[..8];

    protected abstract Uri Address { get; }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Services_OneOfTwoInstancesCritical_CountsBoth()
    {
        var service = Name("api");
        await RegisterAsync(service, "1", "passing");
        await RegisterAsync(service, "2", "critical");

        var run = await RunAsync("services", "--json");

        Assert.Equal(ExitCodes.Ok, run.ExitCode);
        var found = Assert.Single(run.Json!.AsArray(), one => one!["Name"]!.GetValue<string>() == service)!;
        Assert.Equal((1, 0, 1), (found["Passing"]!.GetValue<int>(), found["Warning"]!.GetValue<int>(), found["Critical"]!.GetValue<int>()));
        Assert.Contains((await RunAsync("services")).Lines, line => line.StartsWith(service + " ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Instances_Registered_ShowsWhereAndHowTheyAre()
    {
        var service = Name("api");
        await RegisterAsync(service, "1", "passing");
        await RegisterAsync(service, "2", "critical");

        var all = await RunAsync("instances", service);
        var passing = await RunAsync("instances", service, "--passing");

        Assert.Equal(3, all.Lines.Length);
        Assert.Contains(all.Lines, line => line.StartsWith($"{service}-1", StringComparison.Ordinal) && line.Contains("127.0.0.1:8080", StringComparison.Ordinal) && line.Contains("passing", StringComparison.Ordinal));
        Assert.Contains(all.Lines, line => line.StartsWith($"{service}-2", StringComparison.Ordinal) && line.Contains("critical", StringComparison.Ordinal));
        Assert.Equal(2, passing.Lines.Length);
    }

    [Fact]
    public async Task Instances_UnknownService_EndsWithNotFound() =>
        Assert.Equal(ExitCodes.NotFound, (await RunAsync("instances", Name("nobody"))).ExitCode);

    [Fact]
    public async Task Instances_BadFilter_SaysWhatTheRegistrySaid()
    {
        var run = await RunAsync("instances", Name("api"), "--filter", "Service.Meta ===");

        Assert.Equal(ExitCodes.Failed, run.ExitCode);
        Assert.Contains("Failed to create boolean expression evaluator", run.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Intentions_AllowDenyDelete_AreWrittenByNames()
    {
        var (web, orders) = (Name("web"), Name("orders"));

        Assert.Equal(ExitCodes.Ok, (await RunAsync("intentions", "allow", web, orders, "--description", "shop")).ExitCode);
        Assert.Equal("allow", Action(await RunAsync("intentions", "list", "--service", web, "--json")));
        Assert.Equal(ExitCodes.Ok, (await RunAsync("intentions", "check", web, orders)).ExitCode);

        Assert.Equal(ExitCodes.Ok, (await RunAsync("intentions", "deny", web, orders)).ExitCode);
        Assert.Equal("deny", Action(await RunAsync("intentions", "list", "--service", web, "--json")));
        var denied = await RunAsync("intentions", "check", web, orders);
        Assert.Equal(ExitCodes.Denied, denied.ExitCode);
        Assert.Contains($"Matched intention: deny {web} => {orders} (precedence 9)", denied.Output, StringComparison.Ordinal);

        Assert.Equal(ExitCodes.Ok, (await RunAsync("intentions", "delete", web, orders)).ExitCode);
        Assert.Empty((await RunAsync("intentions", "list", "--service", web, "--json")).Json!.AsArray());
        Assert.Equal(ExitCodes.NotFound, (await RunAsync("intentions", "delete", web, orders)).ExitCode);
    }

    [Fact]
    public async Task IntentionsCheck_NoIntention_TheRegistrysDefaultDecides()
    {
        var run = await RunAsync("intentions", "check", Name("web"), Name("orders"), "--json");

        Assert.Equal(ExitCodes.Ok, run.ExitCode);
        Assert.Equal("default", run.Json!["Rule"]!.GetValue<string>());
    }

    [Fact]
    public async Task IntentionsCheck_SeveralRules_TellsWhatEachDid()
    {
        var (web, orders) = (Name("web"), Name("orders"));
        await RunAsync("intentions", "allow", "*", orders);
        Assert.Contains("in shadow mode", (await RunAsync("intentions", "deny", web, orders, "--shadow")).Output, StringComparison.Ordinal);

        var text = await RunAsync("intentions", "check", web, orders);
        var json = (await RunAsync("intentions", "check", web, orders, "--json", "--path", "/a/%2e%2e/b?x=1", "--token-of", "okta:perms.role=admin")).Json!;

        Assert.Equal(ExitCodes.Ok, text.ExitCode);
        Assert.Contains("allowed, in shadow mode only. In force, this would refuse the call", text.Output, StringComparison.Ordinal);
        Assert.Contains(text.Lines, line => line.Contains("would decide", StringComparison.Ordinal));
        Assert.Equal("ShadowDeny", json["Outcome"]!.GetValue<string>());
        Assert.True(json["Allowed"]!.GetValue<bool>());
        Assert.Equal(
            ["WouldDecide", "Decides", "NotApplied"], json["Rules"]!.AsArray().Select(rule => rule!["Effect"]!.GetValue<string>()));
        Assert.Contains("deny (shadow)", (await RunAsync("intentions", "list", "--service", web)).Output, StringComparison.Ordinal);

        await RunAsync("intentions", "deny", web, orders);
        Assert.Equal(ExitCodes.Denied, (await RunAsync("intentions", "check", web, orders)).ExitCode);
    }

    [Fact]
    public async Task IntentionsCheck_TokenWithoutAForm_EndsWithUsage()
    {
        foreach (var token in (string[])[":a=b", "okta:a", "okta:=b"])
        {
            Assert.Equal(ExitCodes.Usage, (await RunAsync("intentions", "check", "web", Name("orders"), "--path", "/", "--token-of", token)).ExitCode);
        }
    }

    [Fact]
    public async Task IntentionsCheck_NoServiceName_EndsWithUsage() =>
        Assert.Equal(ExitCodes.Usage, (await RunAsync("intentions", "check", "web", "a b")).ExitCode);

    [Fact]
    public async Task KeyValue_PutGetListDelete_RoundTrips()
    {
        var folder = Name("folder");
        var key = $"{folder}/ä b/c";

        Assert.Equal(ExitCodes.Ok, (await RunAsync("kv", "put", key, "line 1\nline 2", "--flags", "7")).ExitCode);
        Assert.Equal("line 1\nline 2\n", (await RunAsync("kv", "get", key)).Output.ReplaceLineEndings("\n"));
        Assert.Equal("7", (await RunAsync("kv", "get", key, "--json")).Json!["Flags"]!.ToString());
        Assert.Equal(["KEY", key], (await RunAsync("kv", "list", folder)).Lines);
        Assert.Equal(["KEY", $"{folder}/"], (await RunAsync("kv", "list", folder, "--separator", "/")).Lines);

        Assert.Equal(ExitCodes.Failed, (await RunAsync("kv", "put", key, "other", "--cas", "1")).ExitCode);
        Assert.Equal(ExitCodes.Failed, (await RunAsync("kv", "delete", key, "--cas", "1")).ExitCode);
        Assert.Equal(ExitCodes.Ok, (await RunAsync("kv", "delete", folder, "--recurse")).ExitCode);
        Assert.Equal(ExitCodes.NotFound, (await RunAsync("kv", "get", key)).ExitCode);
    }

    [Fact]
    public async Task KeyValue_ValueFromFile_IsTakenByteForByte()
    {
        var key = Name("file");
        byte[] bytes = [0, 1, 0xff, 10, 13];
        await UseFileAsync(bytes, async file => Assert.Equal(ExitCodes.Ok, (await RunAsync("kv", "put", key, "@" + file)).ExitCode));

        var entry = (await RunAsync("kv", "get", key, "--json")).Json!;

        Assert.Equal(bytes, Convert.FromBase64String(entry["Value"]!.GetValue<string>()));
    }

    [Fact]
    public async Task Config_WriteReadListDelete_RoundTrips()
    {
        var service = Name("api");
        var entry = $$"""{ "Kind": "service-defaults", "Name": "{{service}}", "Protocol": "http" } // a comment""";
        await UseFileAsync(System.Text.Encoding.UTF8.GetBytes(entry), async file =>
        {
            Assert.Equal(ExitCodes.Ok, (await RunAsync("config", "write", file)).ExitCode);
            Assert.Equal(ExitCodes.Failed, (await RunAsync("config", "write", file, "--cas", "1")).ExitCode);
        });

        Assert.Equal("http", (await RunAsync("config", "read", "service-defaults", service)).Json!["Protocol"]!.GetValue<string>());
        Assert.Contains((await RunAsync("config", "list", "service-defaults")).Lines, line => line.Contains(service, StringComparison.Ordinal));
        Assert.Equal(ExitCodes.Ok, (await RunAsync("config", "delete", "service-defaults", service)).ExitCode);
        Assert.Equal(ExitCodes.NotFound, (await RunAsync("config", "read", "service-defaults", service)).ExitCode);
    }

    [Fact]
    public async Task ConfigWrite_EntryTheRegistryRefuses_SaysWhy()
    {
        const string Entry = """{ "Kind": "service-splitter", "Name": "x", "Splits": [ { "Weight": 10 } ] }""";
        await UseFileAsync(System.Text.Encoding.UTF8.GetBytes(Entry), async file =>
        {
            var run = await RunAsync("config", "write", file);

            Assert.Equal(ExitCodes.Failed, run.ExitCode);
            Assert.Contains("100", run.Errors, StringComparison.Ordinal);
        });
    }

    [Fact]
    public async Task Authority_Rotate_TrustsBothRootsAndSignsWithTheNew()
    {
        var before = (await RunAsync("ca", "roots", "--json")).Json!;

        var run = await RunAsync("ca", "rotate");

        Assert.Equal((ExitCodes.Ok, string.Empty), (run.ExitCode, run.Errors));
        var after = (await RunAsync("ca", "roots", "--json")).Json!;
        Assert.NotEqual(before["ActiveRootID"]!.ToString(), after["ActiveRootID"]!.ToString());
        Assert.Contains(after["Roots"]!.AsArray(), root => root!["ID"]!.ToString() == before["ActiveRootID"]!.ToString());
        Assert.DoesNotContain("PRIVATE", (await RunAsync("ca", "config")).Output, StringComparison.Ordinal);
        Assert.StartsWith("-----BEGIN CERTIFICATE-----", (await RunAsync("ca", "roots", "--pem")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AuthorityRotate_YearsOutOfRange_EndsWithUsage() =>
        Assert.Equal(ExitCodes.Usage, (await RunAsync("ca", "rotate", "--years", "31")).ExitCode);

    [Fact]
    public async Task Snapshot_SaveAndRestore_BringsBackWhatWas()
    {
        var key = Name("kept");
        var file = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        await RunAsync("kv", "put", key, "before");
        try
        {
            Assert.Equal(ExitCodes.Ok, (await RunAsync("snapshot", "save", file)).ExitCode);
            await RunAsync("kv", "put", key, "after");

            Assert.Equal(ExitCodes.Ok, (await RunAsync("snapshot", "restore", file, "--yes")).ExitCode);

            Assert.Equal("before", (await RunAsync("kv", "get", key)).Output.Trim());
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public async Task Tokens_AccessControlOff_SaysSo()
    {
        var run = await RunAsync("tokens", "list");

        Assert.Equal(ExitCodes.Refused, run.ExitCode);
        Assert.Contains("Access control is switched off", run.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Doctor_HealthyService_FindsNothingWrong()
    {
        var service = Name("api");
        await RegisterAsync(service, "1", "passing");

        var run = await RunAsync("doctor", "--service", service);

        Assert.Equal((ExitCodes.Ok, string.Empty), (run.ExitCode, run.Errors));
        Assert.DoesNotContain("FAIL", run.Output, StringComparison.Ordinal);
        Assert.Contains(run.Lines, line => line.StartsWith($"ok    certificate: '{service}' gets one", StringComparison.Ordinal));
        Assert.Contains(run.Lines, line => line.StartsWith("ok    authority: trust domain", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Doctor_NoInstanceHealthy_SaysWhichCheckFails()
    {
        var service = Name("api");
        await RegisterAsync(service, "1", "critical");

        var run = await RunAsync("doctor", "--service", service, "--json");

        Assert.Equal(ExitCodes.Failed, run.ExitCode);
        var finding = Assert.Single(run.Json!.AsArray(), one => one!["Check"]!.ToString() == "instances")!;
        Assert.Equal("FAIL", finding["Status"]!.ToString());
    }

    [Fact]
    public async Task Watch_InstanceComesAndGoes_IsShownLive()
    {
        var service = Name("api");
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        stop.CancelAfter(Limit);
        await using var output = new SharedWriter();
        await using var errors = new SharedWriter();
        var watching = MeshClientCommand.RunAsync(["watch", "instances", service, "--address", Address.ToString()], output, errors, stop.Token);

        await RegisterAsync(service, "1", "passing");
        await output.UntilAsync($" + {service}-1  127.0.0.1:8080  passing", stop.Token);
        await RegisterAsync(service, "1", "critical");
        await output.UntilAsync($" ~ {service}-1  127.0.0.1:8080  critical", stop.Token);
        await PutAsync($"/v1/agent/service/deregister/{service}-1", null);
        await output.UntilAsync($" - {service}-1", stop.Token);
        await stop.CancelAsync();

        Assert.Equal(ExitCodes.Interrupted, await watching);
    }

    private static string Action(ToolRun run) => Assert.Single(run.Json!.AsArray())!["Action"]!.GetValue<string>();

    private static async Task UseFileAsync(byte[] content, Func<string, Task> use)
    {
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllBytesAsync(file, content, Cancellation);
            await use(file);
        }
        finally
        {
            File.Delete(file);
        }
    }

    private string Name(string text) => $"{text}-{_suffix}";

    private Task<ToolRun> RunAsync(params string[] arguments) => ToolRun.StartAsync([.. arguments, "--address", Address.ToString()]);

    private Task RegisterAsync(string service, string copy, string status) => PutAsync(
        "/v1/agent/service/register?replace-existing-checks=true",
        new JsonObject
        {
            ["ID"] = $"{service}-{copy}",
            ["Name"] = service,
            [nameof(Address)] = "127.0.0.1",
            ["Port"] = 8080,
            ["Connect"] = new JsonObject { ["Native"] = true },
            // A new id each time: a check that is there already keeps its status.
            ["Check"] = new JsonObject { ["CheckID"] = $"{service}-{copy}-{status}", ["TTL"] = "60s", ["Status"] = status },
        });

    private async Task PutAsync(string path, JsonObject? body)
    {
        using var http = new HttpClient { BaseAddress = Address, Timeout = Limit };
        using var response = body is null ? await http.PutAsync(path, null, Cancellation) : await http.PutAsJsonAsync(path, body, Cancellation);
        response.EnsureSuccessStatusCode();
    }
}

/// <summary>The verbs on the original.</summary>
public sealed class AgainstConsul(RealConsul consul) : ToolContract, IClassFixture<RealConsul>
{
    protected override Uri Address => consul.Address;
}

/// <summary>The verbs on our own server.</summary>
public sealed class AgainstMeshServer(RunningMeshServer server) : ToolContract, IClassFixture<RunningMeshServer>
{
    protected override Uri Address => server.Address;
}
