using System.Net;
using MeshClient.Core.Intentions;
using MeshClient.Server.HealthChecks;
using MeshClient.Server.State;
using MeshClient.Server.Tests.Support;
using MeshClient.Testing;

namespace MeshClient.Server.Tests.State;

/// <summary>What outlives the server, and what is made of files that cannot be read.</summary>
public sealed class RestartTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("meshserver-").FullName;

    private string DataDirectory => Path.Combine(_folder, "data");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Restart_KeepsConfigEntriesAndPreparedQueries()
    {
        string[] paths = ["/v1/config/", "/v1/query", "/v1/discovery-chain/api", "/v1/connect/intentions"];
        Answer[] before;
        await using (var server = await StartAsync())
        {
            await server.MustPutAsync("/v1/config", """{"Kind":"service-defaults","Name":"api","Protocol":"http"}""");
            await server.MustPutAsync("/v1/config", """{"Kind":"service-resolver","Name":"api","Subsets":{"v1":{"Filter":"Service.Meta.v == 1"}}}""");
            await server.MustPutAsync("/v1/config", """{"Kind":"service-resolver","Name":"gone","ConnectTimeout":"1s"}""");
            await server.MustPutAsync("/v1/config", """{"Kind":"service-intentions","Name":"api","Sources":[{"Name":"web","Action":"allow"},{"Name":"ops","Permissions":[{"Action":"deny","HTTP":{"PathPrefix":"/a"}}]}],"Meta":{"k":"v"}}""");
            await server.MustPutAsync("/v1/config", """{"Kind":"service-intentions","Name":"gone","Sources":[{"Name":"web","Action":"allow"}]}""");
            await server.PostAsync("/v1/query", """{"Name":"q","Service":{"Service":"api","Tags":["a"],"NodeMeta":{}}}""");
            Assert.Equal("{}", (await server.SendAsync("DELETE", "/v1/config/service-resolver/gone")).Body);
            Assert.Equal("{}", (await server.SendAsync("DELETE", "/v1/config/service-intentions/gone")).Body);
            before = await Task.WhenAll(paths.Select(server.GetAsync));
        }

        await using var again = await StartAsync();
        var after = await Task.WhenAll(paths.Select(again.GetAsync));
        Assert.Equal(before.Select(answer => answer.Body), after.Select(answer => answer.Body));
        Assert.All(after.Zip(before), pair => Assert.True(pair.First.Index > pair.Second.Index));
        Assert.Equal("true", (await again.PutAsync(
            $"/v1/config?cas={again.State.Config.Find("service-defaults", "api")!.ModifyIndex}", """{"Kind":"service-defaults","Name":"api","Protocol":"http2"}""")).Body);
    }

    [Fact]
    public async Task Restart_KeepsTheMesh()
    {
        string roots, leaf;
        ulong index;
        await using (var server = await StartAsync())
        {
            await server.MustPutAsync("/v1/connect/ca/configuration", """{"Provider":"consul","Config":{"PrivateKeyBits":384,"LeafCertTTL":"24h"}}""");
            await server.MustPutAsync("/v1/connect/intentions/exact?source=web&destination=orders", """{"Action":"deny","Meta":{"k":"v"}}""");
            await server.MustPutAsync("/v1/connect/intentions/exact?source=a&destination=orders", """{"Permissions":[{"Action":"allow","HTTP":{"PathPrefix":"/x","Header":[{"Name":"h","Present":true}],"Methods":["GET"]},"JWT":{"Providers":[]}}]}""");
            roots = Comparable((await server.GetAsync("/v1/connect/ca/roots")).Body);
            leaf = server.State.Catalog.Node.Id;
            index = (await server.GetAsync("/v1/connect/intentions")).Index;
        }

        await using var again = await StartAsync();
        Assert.Equal(roots, Comparable((await again.GetAsync("/v1/connect/ca/roots")).Body));
        Assert.Equal(leaf, again.State.Catalog.Node.Id);
        Assert.Equal("""{"Allowed":false}""", (await again.GetAsync("/v1/connect/intentions/check?source=web&destination=orders")).Body);
        var kept = again.State.Intentions.Find("a", "orders")!;
        Assert.Equal("""{"Providers":[]}""", kept.Permissions[0].JwtJson);
        Assert.Equal(new JwtRequirement([]), kept.ToRule().Permissions[0].Jwt);
        Assert.Equal(new HeaderMatch("h", HeaderMatchKind.Present, string.Empty), kept.Permissions[0].Rule.Headers[0]);
        Assert.Equal("24h", again.State.Authority!.Configuration.LeafLifetimeText);

        // A client that waits with an index of before is told at once, for the indexes of now are above.
        Assert.True((await again.GetAsync($"/v1/connect/intentions?index={index}&wait=10m")).Index > index);
    }

    [Fact]
    public async Task Restart_KeepsTheInstancesAndTheirClocks()
    {
        await using (var server = await StartAsync())
        {
            await server.RegisterAsync("web", "w1", more: ""","Tags":["t"],"Meta":{"k":"v"},"Connect":{"Native":true},"TaggedAddresses":{"lan":{"Address":"a","Port":1}}""");
            await server.RegisterAsync("web", "w2", """{"TTL":"10s"}""");
            await server.RegisterAsync("p", more: ""","Kind":"connect-proxy","Proxy":{"DestinationServiceName":"web","Config":{"a":1}}""");
            await server.MustPutAsync("/v1/agent/service/maintenance/w2?enable=true&reason=r");
        }

        await using var again = await StartAsync();
        var first = again.State.Catalog.Instances["w1"];
        Assert.Equal("v", Assert.Single((IEnumerable<KeyValuePair<string, string>>)first.Definition.Meta).Value);
        Assert.Equal(["p", "w1"], again.State.Catalog.Connect["web"].Instances.Select(instance => instance.Id));
        Assert.Equal(["_service_maintenance:w2", "service:w2"], again.State.Catalog.Instances["w2"].Checks.Select(check => check.CheckId));
        await again.MustPutAsync("/v1/agent/check/pass/service:w1");
        again.Time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal((CheckStatus.Critical, "TTL expired"), (again.State.Catalog.FindCheck("service:w1", out _)!.Status, again.State.Catalog.FindCheck("service:w1", out _)!.Output));

        // The same registration once more changes nothing: it came back as it was.
        var before = again.State;
        await again.RegisterAsync("web", "w1", more: ""","Tags":["t"],"Meta":{"k":"v"},"Connect":{"Native":true},"TaggedAddresses":{"lan":{"Address":"a","Port":1}}""");
        Assert.Same(before, again.State);
    }

    [Fact]
    public async Task Restart_AfterARotation_KeepsWhenTheOldRootGoesAndNotItsKey()
    {
        DateTimeOffset? retireAt;
        await using (var server = await StartAsync())
        {
            await server.MustPutAsync("/v1/connect/ca/configuration", """{"Provider":"consul","Config":{"PrivateKeyBits":384,"LeafCertTTL":"1h"}}""");
            retireAt = server.State.Authority!.Roots[1].RetireAt;
            Assert.Equal(server.Time.GetUtcNow() + (2 * MeshServerDefaults.LeafCertificateLifetime), retireAt);
        }

        await using var again = await StartAsync();
        Assert.Equal(retireAt, again.State.Authority!.Roots[1].RetireAt);
        Assert.Equal([true, false], again.State.Authority.Roots.Select(root => root.RevealPrivateKey() is not null));
        Assert.Equal((TimeSpan.FromHours(72), TimeSpan.FromHours(1)), (again.State.Authority.Roots[1].LongestLeafLifetime, again.State.Authority.Active.LongestLeafLifetime));
        Assert.Equal(HttpStatusCode.OK, (await again.GetAsync("/v1/agent/connect/ca/leaf/web")).Status);
    }

    [Fact]
    public async Task Restart_WithAVeryLongTimeToLive_StartsItsClock()
    {
        await using (var server = await StartAsync())
        {
            await server.RegisterAsync("web", check: """{"TTL":"2000h","Status":"passing"}""");
        }

        await using var again = await StartAsync();
        again.Time.Advance(TimeSpan.FromHours(2000) - TimeSpan.FromMilliseconds(1));
        Assert.Equal(CheckStatus.Passing, again.State.Catalog.FindCheck("service:web", out _)!.Status);
        again.Time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(CheckStatus.Critical, again.State.Catalog.FindCheck("service:web", out _)!.Status);
    }

    [Fact]
    public async Task Files_AreForTheirOwnerOnly()
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Skip("Windows has no such rights.");
            return;
        }

        await using (var server = await StartAsync())
        {
            await server.RegisterAsync("web");
        }

        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(DataDirectory));
        foreach (var file in Directory.GetFiles(DataDirectory))
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
            Assert.DoesNotContain("PRIVATE KEY", await File.ReadAllTextAsync(file, TestServer.Cancellation), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task ADataDirectoryInUse_CannotBeOpenedTwice()
    {
        await using var server = await StartAsync();
        var error = await Assert.ThrowsAsync<IOException>(() => StartAsync());
        Assert.Contains("another server", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task WithoutADataDirectory_EachRunIsAMeshOfItsOwn()
    {
        await using var one = await TestServer.StartAsync();
        await using var two = await TestServer.StartAsync();
        Assert.NotEqual(one.State.Authority!.TrustDomain, two.State.Authority!.TrustDomain);
    }

    [Fact]
    public async Task ASealKeyOfAnotherServer_EndsTheStartAndSaysWhatToDo()
    {
        await (await StartAsync()).DisposeAsync();
        await File.WriteAllBytesAsync(Path.Combine(DataDirectory, StateDirectory.SealFile), new byte[32], TestServer.Cancellation);
        var error = await Assert.ThrowsAsync<InvalidDataException>(() => StartAsync());
        Assert.Contains(StateDirectory.SealFile, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AClockSetBack_LeavesIndexesAboveThoseOfBefore()
    {
        ulong index;
        await using (var server = await StartAsync())
        {
            await server.RegisterAsync("web");
            index = server.State.Index;
        }

        var earlier = new FakeTimeProvider(new DateTimeOffset(2001, 1, 1, 0, 0, 0, TimeSpan.Zero));
        await using var again = await TestServer.StartAsync(options => options.DataDirectory = DataDirectory, earlier);
        Assert.True((await again.GetAsync("/v1/health/service/web")).Index > index);
    }

    private static string Comparable(string body) => System.Text.RegularExpressions.Regex.Replace(body, "\"(Create|Modify)Index\":\\d+", "");

    private Task<TestServer> StartAsync() => TestServer.StartAsync(options => options.DataDirectory = DataDirectory);
}
