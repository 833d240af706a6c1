using System.Net;
using System.Net.Sockets;
using System.Text;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.Intentions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.AspNetCore.Tests.Inbound;

/// <summary>The written-down rules of request targets against Kestrel, which makes them.</summary>
public sealed class RequestPathTests
{
    private static readonly string[] Parts =
    [
        "/", "/", "/", ".", "..", "a", "B", "%2e", "%2E", "%2f", "%2F", "%61", "%25", "%252e", "%5c", "\\", "?", "#", ";x=1", "%", "%4",
        "%c3%a4", "%C3", "%c0%af", "%e0%80%af", "%ed%a0%80", "%f0%9f%98%80", "%f5%80%80%80", "%zz", "%3f", "+", "~", "%20", "//",
    ];

    [Theory]
    [InlineData("/", "/")]
    [InlineData("/a?b", "/a")]
    [InlineData("/a%2Fb", "/a%2Fb")]
    [InlineData("/a/%2e%2E/b", "/b")]
    [InlineData("/a/..%2fb", "/a/..%2fb")]
    [InlineData("/../../a/.", "/a/")]
    [InlineData("/a//../b/..", "/a/")]
    [InlineData("/%61%25%32%65", "/a%2e")]
    [InlineData("/%c0%af%c3%a4", "/%c0%afä")]
    [InlineData("http://orders/a/../b?c", "/b")]
    [InlineData("*", "*")]
    public void FromTarget_Target_IsThePathTheAppSees(string target, string path) => Assert.Equal(path, RequestPath.FromTarget(target));

    [Fact]
    public async Task FromTarget_RandomTargets_AgreesWithKestrel()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        await using var app = builder.Build();
        app.Run(context => context.Response.WriteAsync($"path={Convert.ToHexString(Encoding.UTF8.GetBytes(context.Request.Path.Value!))}"));
        await app.StartAsync(TestContext.Current.CancellationToken);
        var port = new Uri(app.Urls.Single()).Port;
        var random = new Random(1);
        var seen = 0;
        for (var round = 0; round < 20; round++)
        {
            var targets = Enumerable.Range(0, 100).Select(_ => "/" + string.Concat(random.GetItems(Parts, random.Next(1, 9)))).ToList();
            var answers = await AskAsync(port, targets);
            foreach (var (target, answer) in targets.Zip(answers))
            {
                if (answer is not null)
                {
                    seen++;
                    Assert.Equal((target, answer), (target, RequestPath.FromTarget(target)));
                }
            }
        }

        Assert.True(seen > 1_900, $"Kestrel took {seen} of 2 000 targets.");
    }

    // One connection after the other, each for as many requests as Kestrel answers on it: it closes those that it takes for broken.
    private static async Task<List<string?>> AskAsync(int port, List<string> targets)
    {
        var answers = new List<string?>();
        while (answers.Count < targets.Count)
        {
            using var client = new TcpClient();
            await client.ConnectAsync(IPAddress.Loopback, port, TestContext.Current.CancellationToken);
            var stream = client.GetStream();
            using var reader = new StreamReader(stream, Encoding.ASCII);
            for (var isOpen = true; isOpen && answers.Count < targets.Count;)
            {
                await stream.WriteAsync(
                    Encoding.ASCII.GetBytes($"GET {targets[answers.Count]} HTTP/1.1\r\nHost: orders\r\n\r\n"), TestContext.Current.CancellationToken);
                (var path, isOpen) = await ReadAsync(reader).Bounded();
                answers.Add(path);
            }
        }

        return answers;
    }

    private static async Task<(string? Path, bool IsOpen)> ReadAsync(StreamReader reader)
    {
        var token = TestContext.Current.CancellationToken;
        var status = await reader.ReadLineAsync(token) ?? string.Empty;
        if (!status.Contains(" 200 ", StringComparison.Ordinal))
        {
            return (null, false);
        }

        while (await reader.ReadLineAsync(token) is { Length: > 0 })
        {
        }

        // One chunk with its length before it, and the last one, which is empty.
        await reader.ReadLineAsync(token);
        var body = await reader.ReadLineAsync(token);
        await reader.ReadLineAsync(token);
        await reader.ReadLineAsync(token);
        return (Encoding.UTF8.GetString(Convert.FromHexString(body!["path=".Length..])), true);
    }
}
