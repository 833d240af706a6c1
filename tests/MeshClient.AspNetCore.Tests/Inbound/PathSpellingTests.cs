using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Text;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.Intentions;
using MeshClient.Testing;
using Microsoft.AspNetCore.Builder;

namespace MeshClient.AspNetCore.Tests.Inbound;

/// <summary>
/// No spelling of a denied path gets to the endpoint that the path itself would get to. The same spellings go to a host that
/// denies nothing, which shows that many of them do lead there. <c>MESHCLIENT_LONG=1</c> tries ten times as many.
/// </summary>
public sealed class PathSpellingTests
{
    private const string Reached = "reached";

    private static readonly int Spellings = Environment.GetEnvironmentVariable("MESHCLIENT_LONG") == "1" ? 12_000 : 1_200;

    // Each path is denied by a rule below, and leads to an endpoint.
    private static readonly string[] Denied = ["/admin/keys", "/reports/7", "/files/deep/secret.txt", "/shop", "/shop/", "/kiosk/größe"];

    private static readonly IntentionPermission[] Denials =
    [
        new() { Action = IntentionAction.Deny, PathExact = "/admin/keys" },
        new() { Action = IntentionAction.Deny, PathPrefix = "/reports/" },
        new() { Action = IntentionAction.Deny, PathRegex = "/files/.*" },
        new() { Action = IntentionAction.Deny, PathExact = "/shop/" },
        new() { Action = IntentionAction.Deny, PathRegex = "/k[a-z]osk/größe" },
    ];

    [Fact]
    public async Task Request_AnySpellingOfADeniedPath_DoesNotReachItsEndpoint()
    {
        await using var open = await StartAsync([]);
        await using var closed = await StartAsync(Denials);
        var random = new Random(7);
        var targets = Enumerable.Range(0, Spellings).Select(_ => Spell(random, Denied[random.Next(Denied.Length)])).ToList();

        var lead = await SendAsync(open, targets);
        var passed = await SendAsync(closed, targets);

        Assert.All(targets.Zip(passed), one => Assert.False(one.Second, $"'{one.First}' reached the endpoint"));
        Assert.InRange(lead.Count(reached => reached), Spellings / 5, Spellings);
    }

    [Fact]
    public async Task Request_AnySpellingOverHttp2_DoesNotReachItsEndpoint()
    {
        await using var open = await StartAsync([]);
        await using var closed = await StartAsync(Denials);
        var random = new Random(8);
        var reached = 0;
        using var openClient = open.CallerFrom("web");
        using var closedClient = closed.CallerFrom("web");
        for (var i = 0; i < Spellings / 4; i++)
        {
            var target = Spell(random, Denied[random.Next(Denied.Length)]);
            if (target[0] != '/' || target.Contains('\\', StringComparison.Ordinal))
            {
                continue;
            }

            reached += await ReachesAsync(open, openClient, target) ? 1 : 0;
            Assert.False(await ReachesAsync(closed, closedClient, target), $"'{target}' reached the endpoint");
        }

        Assert.InRange(reached, Spellings / 20, Spellings);
    }

    private static string Spell(Random random, string path)
    {
        var spelled = new StringBuilder();
        foreach (var c in path)
        {
            spelled.Append(random.Next(10) switch
            {
                0 => Encoded(random, c.ToString()),
                1 when char.IsLetter(c) => char.IsUpper(c) ? char.ToLowerInvariant(c) : char.ToUpperInvariant(c),
                2 when c == '/' => random.GetItems(["//", "/./", "/%2e/", "/x/../", "/x/%2E./", "\\", "%2f", "%5C", "/;/", "/.//"], 1)[0],
                3 when c is 'k' or 's' => Encoded(random, c == 'k' ? "\u212a" : "\u017f"),
                _ => c,
            });
        }

        if (random.Next(4) == 0)
        {
            spelled.Append(random.GetItems(["/", "//", "/.", "/x/..", "?x=/public", "#x", ";x=1", ".", "%20", "%2e", "/?", "%2f", "%00", "%25"], 1)[0]);
        }

        // What is not ASCII cannot stand in a request line as it is.
        var text = string.Concat(spelled.ToString().EnumerateRunes().Select(rune => rune.IsAscii ? rune.ToString() : Encoded(random, rune.ToString())));
        return random.Next(20) == 0 && text[0] == '/' ? $"http://orders{text}" : text;
    }

    private static string Encoded(Random random, string text) => string.Concat(
        Encoding.UTF8.GetBytes(text).Select(one => "%" + one.ToString(random.Next(2) == 0 ? "x2" : "X2", CultureInfo.InvariantCulture)));

    private static async Task<List<bool>> SendAsync(InboundTestHost host, List<string> targets)
    {
        var answers = new List<bool>();
        while (answers.Count < targets.Count)
        {
            await using var tls = await RawCaller.ConnectAsync(host, "web");
            for (var isOpen = true; isOpen && answers.Count < targets.Count;)
            {
                await tls.WriteAsync(
                    Encoding.ASCII.GetBytes($"GET {targets[answers.Count]} HTTP/1.1\r\nHost: orders\r\n\r\n"), TestContext.Current.CancellationToken);
                (var reached, isOpen) = await ReadAsync(tls).Bounded();
                answers.Add(reached);
            }
        }

        return answers;
    }

    // What the server refuses by itself ends the connection; all else comes with a length, or in chunks of which the last is empty.
    private static async Task<(bool Reached, bool IsOpen)> ReadAsync(SslStream tls)
    {
        var buffer = new byte[16_384];
        var length = 0;
        while (true)
        {
            var read = await tls.ReadAsync(buffer.AsMemory(length), TestContext.Current.CancellationToken);
            length += read;
            var text = Encoding.ASCII.GetString(buffer, 0, length);
            if (read == 0 || text.StartsWith("HTTP/1.1 400", StringComparison.Ordinal))
            {
                return (false, false);
            }

            var end = text.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4;
            var at = text.IndexOf("Content-Length: ", StringComparison.OrdinalIgnoreCase) + "Content-Length: ".Length;
            var isWhole = at < "Content-Length: ".Length
                ? text.EndsWith("\r\n0\r\n\r\n", StringComparison.Ordinal)
                : length - end >= int.Parse(text.AsSpan(at, text.IndexOf('\r', at) - at), CultureInfo.InvariantCulture);
            if (end >= 4 && isWhole)
            {
                return (text.AsSpan(end).Contains(Reached, StringComparison.Ordinal), true);
            }
        }
    }

    private static async Task<bool> ReachesAsync(InboundTestHost host, HttpClient client, string target)
    {
        var address = new Uri($"{host.MeshAddress.GetLeftPart(UriPartial.Authority)}{target}", new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });
        using var request = new HttpRequestMessage(HttpMethod.Get, address) { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        try
        {
            using var response = await client.SendAsync(request, TestContext.Current.CancellationToken);
            return (await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).Contains(Reached, StringComparison.Ordinal);
        }
        catch (HttpRequestException)
        {
            // The server takes it for no request.
            return false;
        }
    }

    private static Task<InboundTestHost> StartAsync(IntentionPermission[] denials)
    {
        var plane = new InMemoryControlPlane();
        plane.SetIntentions(InboundTestHost.Orders, IntentionAction.Deny, new Intention
        {
            Id = "web-rule",
            Source = "web",
            Destination = "orders",
            Permissions = [.. denials, new() { Action = IntentionAction.Allow }],
        });
        return InboundTestHost.StartAsync(
            map: app =>
            {
                app.MapGet("/admin/keys", () => Reached);
                app.MapGet("/reports/{id}", (string id) => Reached);
                app.MapGet("/files/{folder}/{**rest}", (string folder) => Reached);
                app.MapGet("/shop/", () => Reached);
                app.MapGet("/kiosk/größe", () => Reached);
                app.MapFallback(() => "other");
            },
            controlPlane: plane);
    }
}
