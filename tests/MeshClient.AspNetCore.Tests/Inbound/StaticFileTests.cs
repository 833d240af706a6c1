using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.Intentions;
using MeshClient.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.FileProviders;

namespace MeshClient.AspNetCore.Tests.Inbound;

/// <summary>Denials against files, which the file system finds under more paths than routing finds endpoints.</summary>
public sealed class StaticFileTests : IDisposable
{
    private const string Secret = "the keys";
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("mesh-files-");
    private readonly PhysicalFileProvider _files;

    public StaticFileTests()
    {
        _root.CreateSubdirectory("files/secret");
        File.WriteAllText(Path.Combine(_root.FullName, "files", "secret", "x.txt"), Secret);
        File.WriteAllText(Path.Combine(_root.FullName, "files", "page.txt"), "a page");
        _files = new PhysicalFileProvider(_root.FullName);
    }

    [Theory]
    [InlineData("/files/secret/x.txt")]
    [InlineData("//files/secret/x.txt")]
    [InlineData("/files//secret/x.txt")]
    [InlineData("/files/secret//x.txt")]
    [InlineData("///files///secret///x.txt")]
    [InlineData("/public/..//files//secret/x.txt")]
    [InlineData("/%66iles//%73ecret/x.txt")]
    public async Task File_Denied_IsNotServedUnderAnyOfItsPaths(string path)
    {
        await using (var open = await StartAsync([new() { Action = IntentionAction.Allow }]))
        {
            // The path has to lead there, or its denial would show nothing.
            Assert.Contains(Secret, (await RawCaller.SendAsync(open, "web", $"GET {path}")).Text, StringComparison.Ordinal);
        }

        foreach (var denial in new IntentionPermission[]
        {
            new() { Action = IntentionAction.Deny, PathPrefix = "/files/secret" },
            new() { Action = IntentionAction.Deny, PathExact = "/files/secret/x.txt" },
            new() { Action = IntentionAction.Deny, PathRegex = "/files/secret/.*" },
        })
        {
            await using var host = await StartAsync([denial, new() { Action = IntentionAction.Allow, PathPrefix = "/" }]);

            var (status, text) = await RawCaller.SendAsync(host, "web", $"GET {path}");

            Assert.Equal(403, status);
            Assert.Contains("web-rule#1", text, StringComparison.Ordinal);
            Assert.Equal(200, (await RawCaller.SendAsync(host, "web", "GET /files//page.txt")).Status);
        }
    }

    [Fact]
    public async Task File_OutsideWhatIsAllowed_IsNotServedUnderAnAllowedSpelling()
    {
        await using var host = await StartAsync([new() { Action = IntentionAction.Allow, PathPrefix = "/files/page" }]);

        Assert.Equal(403, (await RawCaller.SendAsync(host, "web", "GET /files//page.txt")).Status);
        Assert.Equal(403, (await RawCaller.SendAsync(host, "web", "GET //files/secret/x.txt")).Status);
        Assert.Equal(200, (await RawCaller.SendAsync(host, "web", "GET /files/page.txt")).Status);
    }

    public void Dispose()
    {
        _files.Dispose();
        _root.Delete(recursive: true);
    }

    private Task<InboundTestHost> StartAsync(IReadOnlyList<IntentionPermission> permissions)
    {
        var plane = new InMemoryControlPlane();
        plane.SetIntentions(InboundTestHost.Orders, IntentionAction.Deny, new Intention
        {
            Id = "web-rule",
            Source = "web",
            Destination = "orders",
            Permissions = [.. permissions],
        });
        return InboundTestHost.StartAsync(
            map: app => app.UseStaticFiles(new StaticFileOptions { FileProvider = _files }), controlPlane: plane);
    }
}
