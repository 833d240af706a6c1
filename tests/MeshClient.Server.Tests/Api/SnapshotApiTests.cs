using System.Net;
using MeshClient.Server.Tests.Support;

namespace MeshClient.Server.Tests.Api;

/// <summary>Snapshots: everything saved, and everything put back.</summary>
public sealed class SnapshotApiTests
{
    [Fact]
    public async Task Restore_PutsEverythingBackWakesEverybodyAndMovesNoIndexBack()
    {
        var folder = Directory.CreateTempSubdirectory("meshserver-").FullName;
        try
        {
            byte[] archive;
            ulong index;
            string roots;
            await using (var server = await TestServer.StartAsync(options => options.DataDirectory = folder))
            {
                await server.RegisterAsync("web");
                await server.MustPutAsync("/v1/kv/k", "before");
                await server.MustPutAsync("/v1/connect/intentions/exact?source=a&destination=b", """{"Action":"deny"}""");
                roots = Roots(await server.GetAsync("/v1/connect/ca/roots"));
                archive = await SaveAsync(server);

                await server.MustPutAsync("/v1/kv/k", "after");
                await server.MustPutAsync("/v1/kv/later", "x");
                await server.RegisterAsync("later", check: """{"TTL":"1h","Status":"passing"}""");
                await server.MustPutAsync("/v1/agent/service/deregister/web");
                await server.MustPutAsync("/v1/connect/ca/configuration", """{"Provider":"consul","Config":{"PrivateKeyBits":384,"LeafCertTTL":"24h"}}""");
                index = (await server.GetAsync("/v1/health/service/web")).Index;
                var parked = await server.ParkAsync("/v1/health/service/web", index);

                Assert.Equal(HttpStatusCode.OK, (await RestoreAsync(server, archive)).Status);
                var woken = await parked;
                Assert.Equal(1, woken.Json.GetArrayLength());
                Assert.True(woken.Index > index);
                await CheckAsync(server);

                // Clocks go by what was put back.
                server.Time.Advance(TimeSpan.FromSeconds(11));
                Assert.Contains("critical", (await server.GetAsync("/v1/health/service/web")).Body, StringComparison.Ordinal);
                index = server.State.Index;
            }

            await using var again = await TestServer.StartAsync(options => options.DataDirectory = folder);
            await CheckAsync(again);
            Assert.True(again.State.Index > index);

            async Task CheckAsync(TestServer server)
            {
                Assert.Equal("before", (await server.GetAsync("/v1/kv/k?raw")).Body);
                Assert.Equal(HttpStatusCode.NotFound, (await server.GetAsync("/v1/kv/later")).Status);
                Assert.Equal("[]", (await server.GetAsync("/v1/health/service/later")).Body);
                Assert.Equal(roots, Roots(await server.GetAsync("/v1/connect/ca/roots")));
                Assert.Equal("""{"Allowed":false}""", (await server.GetAsync("/v1/connect/intentions/check?source=a&destination=b")).Body);
                Assert.Equal(HttpStatusCode.OK, (await server.GetAsync("/v1/agent/connect/ca/leaf/web")).Status);
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task Save_HoldsNoPrivateKeyInTheClear()
    {
        await using var server = await TestServer.StartAsync();
        using var gzip = new System.IO.Compression.GZipStream(new MemoryStream(await SaveAsync(server)), System.IO.Compression.CompressionMode.Decompress);
        using var reader = new StreamReader(gzip, System.Text.Encoding.Latin1);
        var content = await reader.ReadToEndAsync(TestServer.Cancellation);
        Assert.Contains("BEGIN CERTIFICATE", content, StringComparison.Ordinal);
        Assert.DoesNotContain("PRIVATE KEY", content, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Restore_OfOneOfAnotherServer_IsRefusedAndSaysWhatToDo()
    {
        await using var one = await TestServer.StartAsync();
        await using var two = await TestServer.StartAsync();
        var before = two.State;
        var answer = await RestoreAsync(two, await SaveAsync(one));
        Assert.Equal(HttpStatusCode.BadRequest, answer.Status);
        Assert.Contains("seal.key", answer.Body, StringComparison.Ordinal);
        Assert.Same(before, two.State);
    }

    [Fact]
    public async Task Restore_OfADamagedOne_IsRefusedWhereverTheDamageIs()
    {
        await using var server = await TestServer.StartAsync();
        await server.MustPutAsync("/v1/kv/k", "v");
        var archive = await SaveAsync(server);
        var before = server.State;
        Assert.Equal(HttpStatusCode.BadRequest, (await RestoreAsync(server, "garbage"u8.ToArray())).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await RestoreAsync(server, [])).Status);
        var random = new Random(7);
        var refused = 0;
        for (var i = 0; i < 60; i++)
        {
            var damaged = (byte[])archive.Clone();
            if (i % 2 == 0)
            {
                damaged = damaged[..random.Next(damaged.Length - 64)];
            }
            else
            {
                // The head of gzip holds a time and a system that nobody checks.
                damaged[random.Next(10, damaged.Length)] ^= (byte)(1 << random.Next(8));
            }

            // Some of the bits are padding that holds nothing: then it is taken, with exactly what was saved.
            var answer = await RestoreAsync(server, damaged);
            Assert.True(answer.Status is HttpStatusCode.BadRequest or HttpStatusCode.OK, $"round {i}: {answer.Status} {answer.Body}");
            refused += answer.Status == HttpStatusCode.BadRequest ? 1 : 0;
            Assert.Equal(before.Authority!.Active.CertificatePem, server.State.Authority!.Active.CertificatePem);
            Assert.Equal("v", (await server.GetAsync("/v1/kv/k?raw")).Body);
        }

        Assert.InRange(refused, 45, 60);
    }

    private static string Roots(Answer answer) => answer.Json.GetProperty("ActiveRootID").GetString()!;

    private static async Task<byte[]> SaveAsync(TestServer server)
    {
        using var response = await server.Http.GetAsync(new Uri(server.Address, "/v1/snapshot"), TestServer.Cancellation);
        Assert.Equal((HttpStatusCode.OK, "application/x-gzip"), (response.StatusCode, response.Content.Headers.ContentType!.MediaType));
        return await response.Content.ReadAsByteArrayAsync(TestServer.Cancellation);
    }

    private static async Task<Answer> RestoreAsync(TestServer server, byte[] archive)
    {
        using var content = new ByteArrayContent(archive);
        using var response = await server.Http.PutAsync(new Uri(server.Address, "/v1/snapshot"), content, TestServer.Cancellation);
        return new Answer(response.StatusCode, await response.Content.ReadAsStringAsync(TestServer.Cancellation), new Dictionary<string, string>());
    }
}
