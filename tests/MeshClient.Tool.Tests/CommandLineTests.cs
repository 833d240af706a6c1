using System.Net;
using System.Net.Sockets;
using MeshClient.TestSupport;

namespace MeshClient.Tool.Tests;

public sealed class CommandLineTests
{
    [Theory]
    [InlineData]
    [InlineData("intentions")]
    [InlineData("bogus")]
    [InlineData("intentions", "allow", "web")]
    [InlineData("services", "--timeout", "0")]
    [InlineData("services", "--timeout", "soon")]
    [InlineData("services", "--address", "ftp://x")]
    [InlineData("services", "--ca-file", "/no/such/file.pem", "--address", "https://127.0.0.1:1")]
    [InlineData("services", "--token-file", "/no/such/file")]
    [InlineData("services", "--token", "a b")]
    [InlineData("config", "write", "/no/such/file.json")]
    [InlineData("server", "--set", "novalue")]
    [InlineData("server", "--set", "Bogus=1")]
    [InlineData("server", "--listen", "http://example.com:1")]
    public async Task Run_WrongCommandLine_EndsWithUsageAndSaysWhy(params string[] arguments)
    {
        var run = await ToolRun.StartAsync(arguments);

        Assert.Equal(ExitCodes.Usage, run.ExitCode);
        Assert.NotEmpty(run.Errors);
        Assert.DoesNotContain("   at ", run.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_Help_HasTheToolsNameVerbsAndExitCodes()
    {
        var run = await ToolRun.StartAsync("--help");

        Assert.Equal(ExitCodes.Ok, run.ExitCode);
        Assert.Contains("meshclient [command]", run.Output, StringComparison.Ordinal);
        Assert.Contains("Exit codes: 0 done;", run.Output, StringComparison.Ordinal);
        Assert.All(
            ["server", "services", "instances", "intentions", "kv", "config", "ca", "tokens", "snapshot", "watch", "doctor", "completion"],
            verb => Assert.Contains(run.Lines, line => line.StartsWith(verb, StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Run_NobodyListens_EndsWithUnreachableAndNamesTheAddress()
    {
        var port = FreePorts.Find(1)[0];

        var run = await ToolRun.StartAsync("services", "--address", $"127.0.0.1:{port}");

        Assert.Equal(ExitCodes.Unreachable, run.ExitCode);
        Assert.Contains($"http://127.0.0.1:{port}", run.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_RegistryNeverAnswers_EndsWithUnreachable()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();

        var run = await ToolRun.StartAsync("services", "--timeout", "1", "--address", silent.LocalEndpoint.ToString()!);

        Assert.Equal(ExitCodes.Unreachable, run.ExitCode);
        Assert.Contains("no answer within 1 s", run.Errors, StringComparison.Ordinal);
    }

    [Theory]
    // RFC 5737: an address of documentation, which no machine has.
    [InlineData("--listen", "http://192.0.2.1:0", "--set", "AllowPlaintextBeyondLoopback=true")]
    [InlineData("--set", "Https:ListenAddress=https://127.0.0.1:0", "--set", "Https:CertificatePath=CERTIFICATE")]
    public async Task Server_ThatCannotListenOrReadItsCertificate_SaysSo(params string[] arguments)
    {
        var file = Path.GetTempFileName();
        try
        {
            var run = await ToolRun.StartAsync([
                "server", .. arguments.Select(argument => argument.Replace("CERTIFICATE", file, StringComparison.Ordinal))]);

            Assert.Equal(ExitCodes.Usage, run.ExitCode);
            Assert.StartsWith("The server cannot start. ", run.Errors, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Theory]
    [InlineData("bash", "complete -F")]
    [InlineData("zsh", "compdef")]
    [InlineData("pwsh", "Register-ArgumentCompleter")]
    public async Task Completion_KnownShell_PrintsItsScript(string shell, string part) =>
        Assert.Contains(part, (await ToolRun.StartAsync("completion", shell)).Output, StringComparison.Ordinal);

    [Fact]
    public async Task Suggest_BeginningOfAVerb_CompletesIt()
    {
        var run = await ToolRun.StartAsync("[suggest:13]", "meshclient in");

        Assert.Contains("intentions", run.Lines);
        Assert.Contains("instances", run.Lines);
    }

    [Fact]
    public async Task SnapshotSave_FileIsThere_IsKeptUnlessForced()
    {
        var file = Path.GetTempFileName();
        try
        {
            var run = await ToolRun.StartAsync("snapshot", "save", file, "--address", "127.0.0.1:1");

            Assert.Equal(ExitCodes.Usage, run.ExitCode);
            Assert.Contains("--force", run.Errors, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public async Task SnapshotRestore_WithoutYes_SendsNothing()
    {
        var file = Path.GetTempFileName();
        try
        {
            var run = await ToolRun.StartAsync("snapshot", "restore", file, "--address", "127.0.0.1:1");

            Assert.Equal(ExitCodes.Usage, run.ExitCode);
            Assert.Contains("--yes", run.Errors, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(file);
        }
    }
}
