using System.Net.Security;
using System.Text;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.Intentions;

namespace MeshClient.AspNetCore.Tests.Attacks;

/// <summary>
/// Ways of writing a path so that intentions read another than the app. Those of <see cref="Inbound.PermissionTests"/> and
/// <see cref="Inbound.StaticFileTests"/>, which pin the rule, and here the rest, one by one and in great numbers.
/// </summary>
public sealed class PathAttackTests
{
    private static readonly IntentionPermission[] OnlyPublic = [new() { Action = IntentionAction.Allow, PathPrefix = "/public/" }];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    // What a path may be made of, by those who want it read in two ways.
    private static readonly string[] Pieces =
    [
        "/", "//", "/./", "/../", "\\", "%2f", "%2F", "%5c", "%5C", "%252f", "%2e%2e", "%2e", "..", ".", "...", ";", ";a=b", ";/", "%3b", "%00", "%0a",
        "%0d%0a", "%20", "+", "%09", "?", "?a=/public/", "%3f", "#", "%23", "admin", "ADMIN", "Admin", "%61dmin", "adm%69n", "admin%20", "admin.",
        "admin;", "keys", "KEYS", "%6beys", "keys.", "keys/", "public", "PUBLIC", "pub%6cic", "public/..", "%c0%af", "%c0%ae%c0%ae", "%e0%80%af",
        "%ef%bc%8f", "%u002f", "%%32%66", "%", "%2", "%zz", "*", "~", "@", ":", "http://orders/", "&", "=", "a",
    ];

    [Theory]
    [InlineData("/admin%5ckeys")]
    [InlineData("/admin\\keys")]
    [InlineData("\\admin\\keys")]
    [InlineData("/public/..\\admin/keys")]
    [InlineData("/public/..%5cadmin%5ckeys")]
    [InlineData("/%c0%af/admin/keys")]
    [InlineData("/public/%c0%ae%c0%ae/admin/keys")]
    [InlineData("/%e0%80%afadmin/keys")]
    [InlineData("/%ef%bc%8fadmin/keys")]
    [InlineData("/admin%00/keys")]
    [InlineData("/admin/keys%00")]
    [InlineData("/%00/admin/keys")]
    [InlineData("/admin;x=1/keys")]
    [InlineData("/public;/../admin/keys")]
    [InlineData("/;/admin/keys")]
    [InlineData("/admin./keys")]
    [InlineData("/admin/keys.")]
    [InlineData("/admin/./keys")]
    [InlineData("/admin/x/../keys")]
    [InlineData("/admin//keys")]
    [InlineData("/admin/keys//")]
    [InlineData("/admin/keys/%2e")]
    [InlineData("/admin%3fkeys")]
    [InlineData("/admin%23/../keys")]
    [InlineData("/public?/../admin/keys")]
    [InlineData("/public#/../admin/keys")]
    [InlineData("/%2561dmin/keys")]
    [InlineData("/..;/admin/keys")]
    [InlineData("/public/%2e%2e%3b/admin/keys")]
    [InlineData("/admin /keys")]
    [InlineData("/admin%20/keys")]
    [InlineData("/%20/admin/keys")]
    public async Task Request_ForTheSecretInAnotherSpelling_DoesNotReachIt(string target)
    {
        await using var service = await AttackedService.StartAsync();

        var text = await service.ExchangeAsync($"GET {target} HTTP/1.1\r\nHost: orders\r\nConnection: close\r\n\r\n");

        Assert.StartsWith("HTTP/1.1 ", text, StringComparison.Ordinal);
        Assert.DoesNotContain(AttackedService.Secret, text, StringComparison.Ordinal);
        Assert.True(service.Denials <= 1);
        await service.AssertNothingHeldAsync();
    }

    [Fact]
    public async Task Request_ForAnyMixtureOfSpellings_NeverReachesWhatIsDenied()
    {
        await using var service = await AttackedService.StartAsync();

        var served = await TryManyAsync(service, text => Assert.DoesNotContain(AttackedService.Secret, text, StringComparison.Ordinal));

        // The test would show nothing if everything were refused.
        Assert.True(served > 50, $"{served} served");
        Assert.DoesNotContain(service.Served, path => path.StartsWith("/admin", StringComparison.OrdinalIgnoreCase));
        await service.AssertNothingHeldAsync();
    }

    [Fact]
    public async Task Request_ForAnyMixtureOfSpellings_ReachesOnlyWhatIsAllowed()
    {
        await using var service = await AttackedService.StartAsync(OnlyPublic);

        var served = await TryManyAsync(service, text => Assert.DoesNotContain(AttackedService.Secret, text, StringComparison.Ordinal));

        Assert.True(served > 5, $"{served} served");
        Assert.All(service.Served, path => Assert.StartsWith("/public/", path, StringComparison.Ordinal));
        await service.AssertNothingHeldAsync();
    }

    private static async Task<int> TryManyAsync(AttackedService service, Action<string> check)
    {
        var random = new Random(42);
        var paths = Enumerable.Range(0, 1500).Select(_ => "/" + string.Concat(random.GetItems(Pieces, random.Next(1, 8)))).ToList();
        SslStream? tls = null;
        var certificate = service.GoodCertificate();
        var served = 0;
        try
        {
            foreach (var path in paths.Prepend("/public/a").Append("/public/../public/b"))
            {
                tls ??= await service.AuthenticateAsync(certificate, protocol: SslApplicationProtocol.Http11);
                await tls.WriteAsync(Encoding.Latin1.GetBytes($"GET {path} HTTP/1.1\r\nHost: orders\r\n\r\n"), Token);
                var (status, text) = await ReadAnswerAsync(tls);
                check(text);
                served += status == 200 ? 1 : 0;
                if (text.Contains("Connection: close", StringComparison.Ordinal))
                {
                    await tls.DisposeAsync();
                    tls = null;
                }
            }
        }
        finally
        {
            if (tls is not null)
            {
                await tls.DisposeAsync();
            }
        }

        return served;
    }

    private static async Task<(int Status, string Text)> ReadAnswerAsync(SslStream tls)
    {
        var text = new StringBuilder();
        var buffer = new byte[8192];
        while (!IsComplete(text.ToString()))
        {
            var read = await tls.ReadAsync(buffer, Token).AsTask().Bounded();
            if (read == 0)
            {
                break;
            }

            text.Append(Encoding.Latin1.GetString(buffer, 0, read));
        }

        var whole = text.ToString();
        return (int.Parse(whole.AsSpan(9, 3), System.Globalization.CultureInfo.InvariantCulture), whole);
    }

    private static bool IsComplete(string text)
    {
        var end = text.IndexOf("\r\n\r\n", StringComparison.Ordinal);
        if (end < 0)
        {
            return false;
        }

        var length = text.AsSpan(0, end).IndexOf("Content-Length: ", StringComparison.OrdinalIgnoreCase);
        if (length < 0)
        {
            return text.EndsWith("\r\n0\r\n\r\n", StringComparison.Ordinal);
        }

        var digits = text.AsSpan(length + "Content-Length: ".Length);
        return text.Length >= end + 4 + int.Parse(digits[..digits.IndexOf('\r')], System.Globalization.CultureInfo.InvariantCulture);
    }
}
