using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using MeshClient.Core.Identity;
using MeshClient.Server.Tests.Support;
using MeshClient.Testing;

namespace MeshClient.Server.Tests.CertificateAuthority;

/// <summary>Roots, leaves, rotation. Certificates are checked by the platform's own chain building.</summary>
public sealed class AuthorityApiTests
{
    private const string Leaf = "/v1/agent/connect/ca/leaf/";
    private const string Roots = "/v1/agent/connect/ca/roots";
    private const string Configuration = "/v1/connect/ca/configuration";

    [Fact]
    public async Task Leaf_OfAService_IsWhatConsulIssues()
    {
        await using var server = await TestServer.StartAsync(time: NowClock());
        var answer = await server.GetAsync(Leaf + "web-1");
        var leaf = answer.Json;
        var domain = server.State.Authority!.TrustDomain;
        Assert.Equal(
            ["SerialNumber", "CertPEM", "PrivateKeyPEM", "Service", "ServiceURI", "ValidAfter", "ValidBefore", "CreateIndex", "ModifyIndex"],
            leaf.EnumerateObject().Select(part => part.Name));
        Assert.Equal($"spiffe://{domain}/ns/default/dc/dc1/svc/web-1", leaf.GetProperty("ServiceURI").GetString());
        Assert.StartsWith("-----BEGIN EC PRIVATE KEY-----\n", leaf.GetProperty("PrivateKeyPEM").GetString(), StringComparison.Ordinal);
        Assert.EndsWith("-----END CERTIFICATE-----\n", leaf.GetProperty("CertPEM").GetString(), StringComparison.Ordinal);
        using var certificate = X509Certificate2.CreateFromPem(leaf.GetProperty("CertPEM").GetString(), leaf.GetProperty("PrivateKeyPEM").GetString());
        Assert.True(SpiffeCertificate.TryReadId(certificate, out var id, out _));
        Assert.Equal(leaf.GetProperty("ServiceURI").GetString(), id.ToString());
        Assert.Equal(leaf.GetProperty("SerialNumber").GetString()!.Replace(":", "", StringComparison.Ordinal), certificate.SerialNumber, ignoreCase: true);
        Assert.Equal(TimeSpan.FromHours(72), certificate.NotAfter - certificate.NotBefore);
        Assert.Equal(leaf.GetProperty("ModifyIndex").GetUInt64(), answer.Index);
        Assert.True(Chains(certificate, [], await RootsAsync(server)));
    }

    [Fact]
    public async Task Leaf_AskedForAgain_IsTheSame()
    {
        await using var server = await TestServer.StartAsync();
        Assert.Equal((await server.GetAsync(Leaf + "web")).Body, (await server.GetAsync(Leaf + "web")).Body);
        var parallel = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => server.GetAsync(Leaf + "other")));
        Assert.Single(parallel.Select(answer => answer.Body).Distinct());
    }

    [Theory]
    [InlineData("", 400, "URI must be either service or agent")]
    [InlineData("Bad%20Name_1", 400, "A certificate is issued for a service name only: 1 to 128 characters of A-Z a-z 0-9 - _ . are allowed, the first a letter or digit.")]
    [InlineData("web?index=abc", 400, "Invalid index")]
    [InlineData("web?dc=dc9", 500, "No path to datacenter")]
    public async Task Leaf_OfSomethingWrong_IsRefused(string path, int status, string text)
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.GetAsync(Leaf + path);
        Assert.Equal((status, text), ((int)answer.Status, answer.Body));
        Assert.Empty(server.State.Leaves);
    }

    [Fact]
    public async Task Leaf_OfOneWhoWaits_IsRenewedBetween60And90PercentOfItsLife()
    {
        await using var server = await TestServer.StartAsync();
        var first = await server.GetAsync(Leaf + "web");
        var due = server.State.Leaves["web"].RenewAt - server.Time.GetUtcNow();
        Assert.InRange(due, TimeSpan.FromHours(72 * 0.6) - TimeSpan.FromMinutes(1), TimeSpan.FromHours(72 * 0.9));

        server.Time.Advance(due - TimeSpan.FromMinutes(5));
        var parked = await server.ParkAsync(Leaf + "web", first.Index, "10m");
        await server.Time.WaitForTimerAsync(TimeSpan.FromMinutes(5), cancellationToken: TestServer.Cancellation);
        server.Time.Advance(TimeSpan.FromMinutes(5) - TimeSpan.FromTicks(1));
        Assert.Equal(1, server.Store.Watches.Count);
        server.Time.Advance(TimeSpan.FromTicks(1));
        var renewed = await parked;
        Assert.True(renewed.Index > first.Index);
        Assert.NotEqual(first.Json.GetProperty("SerialNumber").GetString(), renewed.Json.GetProperty("SerialNumber").GetString());
    }

    [Fact]
    public async Task Leaf_WhenTheWaitIsOver_IsTheSameWithoutJitter()
    {
        await using var server = await TestServer.StartAsync();
        var first = await server.GetAsync(Leaf + "web");
        var parked = await server.ParkAsync(Leaf + "web", first.Index, "2s");
        await server.Time.WaitForTimerAsync(TimeSpan.FromSeconds(2), cancellationToken: TestServer.Cancellation);
        server.Time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(first.Body, (await parked).Body);
    }

    [Fact]
    public async Task Leaf_OfOneSecond_IsValidWhenItIsIssuedAndRenewedBeforeItEnds()
    {
        var time = new FakeTimeProvider(new DateTimeOffset(2026, 11, 21, 3, 0, 0, 789, TimeSpan.Zero));
        await using var server = await TestServer.StartAsync(options => options.LeafCertificateLifetime = TimeSpan.FromSeconds(1), time);
        for (var i = 0; i < 5; i++)
        {
            var leaf = await server.GetAsync(Leaf + "web");
            var end = leaf.Json.GetProperty("ValidBefore").GetDateTimeOffset();
            Assert.InRange(end - time.GetUtcNow(), TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(2));
            var parked = await server.ParkAsync(Leaf + "web", leaf.Index);
            await time.WaitForTimersAsync(2, cancellationToken: TestServer.Cancellation);
            time.Advance((end - time.GetUtcNow()) * 0.95);
            Assert.True((await parked).Index > leaf.Index);
        }

        Assert.Equal("1s", (await server.GetAsync(Configuration)).Json.GetProperty("Config").GetProperty("LeafCertTTL").GetString());
    }

    [Fact]
    public async Task Leaf_OverTheRate_Is429AndComesBackWithTime()
    {
        await using var server = await TestServer.StartAsync(options => options.MaxLeavesPerSecond = 2);
        Assert.Equal(HttpStatusCode.OK, (await server.GetAsync(Leaf + "a")).Status);
        Assert.Equal(HttpStatusCode.OK, (await server.GetAsync(Leaf + "b")).Status);
        var refused = await server.GetAsync(Leaf + "c");
        Assert.Equal((HttpStatusCode.TooManyRequests, "Rate limit reached, try again later"), (refused.Status, refused.Body));
        Assert.Equal(HttpStatusCode.OK, (await server.GetAsync(Leaf + "a")).Status);
        server.Time.Advance(TimeSpan.FromMilliseconds(500));
        Assert.Equal(HttpStatusCode.OK, (await server.GetAsync(Leaf + "c")).Status);
    }

    [Fact]
    public async Task Roots_InJsonAndPem_AreTheSelfSignedRoot()
    {
        await using var server = await TestServer.StartAsync(time: NowClock());
        var answer = await server.GetAsync(Roots);
        Assert.Equal(answer.Body, (await server.GetAsync("/v1/connect/ca/roots")).Body);
        var root = Assert.Single(answer.Json.GetProperty("Roots").EnumerateArray());
        Assert.Equal(
            ["ID", "Name", "SerialNumber", "SigningKeyID", "ExternalTrustDomain", "NotBefore", "NotAfter", "RootCert", "IntermediateCerts", "Active",
             "PrivateKeyType", "PrivateKeyBits", "CreateIndex", "ModifyIndex"],
            root.EnumerateObject().Select(part => part.Name));
        using var certificate = X509Certificate2.CreateFromPem(root.GetProperty("RootCert").GetString());
        Assert.Equal(
            string.Join(':', Convert.FromHexString(certificate.GetCertHashString(HashAlgorithmName.SHA1)).Select(b => b.ToString("x2", null))),
            root.GetProperty("ID").GetString());
        Assert.Equal(root.GetProperty("ID").GetString(), answer.Json.GetProperty("ActiveRootID").GetString());
        Assert.Equal(("ec", 256, true, JsonValueKind.Null), (
            root.GetProperty("PrivateKeyType").GetString(), root.GetProperty("PrivateKeyBits").GetInt32(),
            root.GetProperty("Active").GetBoolean(), root.GetProperty("IntermediateCerts").ValueKind));
        Assert.Equal(answer.Json.GetProperty("TrustDomain").GetString(), root.GetProperty("ExternalTrustDomain").GetString() + ".consul");
        var pem = await server.GetAsync("/v1/connect/ca/roots?pem=true");
        Assert.Equal((root.GetProperty("RootCert").GetString(), "application/pem-certificate-chain"), (pem.Body, pem.Headers["Content-Type"]));
    }

    [Fact]
    public async Task Sign_OfARequest_CertifiesTheCallersKeyAndTellsNone()
    {
        await using var server = await TestServer.StartAsync(time: NowClock());
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=whatever the caller writes", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        var answer = await server.PostAsync("/v1/agent/connect/ca/sign/web", request.CreateSigningRequestPem());
        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.False(answer.Json.TryGetProperty("PrivateKeyPEM", out _));
        using var certificate = X509Certificate2.CreateFromPem(answer.Json.GetProperty("CertPEM").GetString());
        Assert.Equal(key.ExportSubjectPublicKeyInfo(), certificate.PublicKey.ExportSubjectPublicKeyInfo());
        Assert.True(SpiffeCertificate.TryReadId(certificate, out var id, out _));
        Assert.EndsWith("/svc/web", id.ToString(), StringComparison.Ordinal);
        Assert.True(Chains(certificate, [], await RootsAsync(server)));
    }

    [Fact]
    public async Task Sign_OfNoGoodRequest_IsRefused()
    {
        await using var server = await TestServer.StartAsync();
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var weak = RSA.Create(1024);
        var forged = new CertificateRequest(new X500DistinguishedName("CN=x"), new PublicKey(other), HashAlgorithmName.SHA256)
            .CreateSigningRequest(X509SignatureGenerator.CreateForECDsa(key));
        string[] bodies =
        [
            "", "garbage", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----",
            PemEncoding.WriteString("CERTIFICATE REQUEST", forged),
            new CertificateRequest("CN=x", weak, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1).CreateSigningRequestPem(),
        ];
        foreach (var body in bodies)
        {
            Assert.Equal(HttpStatusCode.BadRequest, (await server.PostAsync("/v1/agent/connect/ca/sign/web", body)).Status);
        }
    }

    [Theory]
    [InlineData("""{"Provider":"consul","Config":{"LeafCertTTL":"5m"}}""", "error configuring provider: leaf cert TTL must be greater or equal than 1h0m0s")]
    [InlineData("""{"Provider":"consul","Config":{"LeafCertTTL":"9000h"}}""", "error configuring provider: leaf cert TTL must be less than 8760h0m0s")]
    [InlineData("""{"Provider":"consul","Config":{"LeafCertTTL":"soon"}}""", "error configuring provider: error decoding config: 1 error(s) decoding:\n\n* error decoding 'LeafCertTTL': time: invalid duration \"soon\"")]
    [InlineData("""{"Provider":"nope","Config":{}}""", "could not initialize provider: unknown CA provider \"nope\"")]
    [InlineData("""{"Config":{}}""", "could not initialize provider: unknown CA provider \"\"")]
    [InlineData("{", "Bad request: Request decode failed: unexpected EOF")]
    [InlineData("""{"Provider":"consul","Config":{"PrivateKey":"x"}}""", "error configuring provider: PrivateKey and RootCert have to be given together")]
    [InlineData("""{"Provider":"consul","Config":{"PrivateKey":"x","RootCert":"y"}}""", "error configuring provider: RootCert and PrivateKey must be a PEM certificate and its own unencrypted PEM key")]
    [InlineData("""{"Provider":"consul","Config":{"PrivateKeyType":"ec","PrivateKeyBits":100}}""", "error configuring provider: EC key length must be one of (256, 384, 521) bits")]
    [InlineData("""{"Provider":"consul","Config":{"PrivateKeyType":"rsa","PrivateKeyBits":1024}}""", "error configuring provider: RSA key length must be one of (2048, 3072, 4096) bits")]
    [InlineData("""{"Provider":"consul","Config":{"CSRMaxPerSecond":-1}}""", "error configuring provider: CSRMaxPerSecond cannot be negative; 0 is no limit")]
    public async Task Configuration_OfSomethingWrong_IsRefusedInConsulsWords(string body, string text)
    {
        await using var server = await TestServer.StartAsync();
        var before = server.State;
        var answer = await server.PutAsync(Configuration, body);
        Assert.Equal((HttpStatusCode.BadRequest, text), (answer.Status, answer.Body));
        Assert.Same(before, server.State);
    }

    [Fact]
    public async Task Configuration_WithAnotherLifetime_HoldsForTheNextLeaf()
    {
        await using var server = await TestServer.StartAsync();
        Assert.Equal(
            """{"IntermediateCertTTL":"8760h","LeafCertTTL":"72h","RotationPeriod":"2160h"}""",
            (await server.GetAsync(Configuration)).Json.GetProperty("Config").GetRawText());
        await server.MustPutAsync(Configuration, """{"Provider":"consul","Config":{"LeafCertTTL":"24h","Zed":1}}""");
        var leaf = (await server.GetAsync(Leaf + "web")).Json;
        Assert.Equal(TimeSpan.FromHours(24), leaf.GetProperty("ValidBefore").GetDateTimeOffset() - leaf.GetProperty("ValidAfter").GetDateTimeOffset());
        Assert.Equal("24h", (await server.GetAsync(Configuration)).Json.GetProperty("Config").GetProperty("LeafCertTTL").GetString());
        Assert.Single(server.State.Authority!.Roots);
    }

    [Fact]
    public async Task Configuration_LeavingOutTheKey_KeepsWhatWasSaidOfIt()
    {
        await using var server = await TestServer.StartAsync();
        await server.MustPutAsync(Configuration, """{"Provider":"consul","Config":{"PrivateKeyType":"ec","PrivateKeyBits":384}}""");
        await server.MustPutAsync(Configuration, """{"Provider":"consul","Config":{"LeafCertTTL":"24h"}}""");
        Assert.Equal(
            """{"IntermediateCertTTL":"8760h","LeafCertTTL":"24h","PrivateKeyBits":384,"PrivateKeyType":"ec","RotationPeriod":"2160h"}""",
            (await server.GetAsync(Configuration)).Json.GetProperty("Config").GetRawText());
        Assert.Equal(2, server.State.Authority!.Roots.Length);
    }

    [Fact]
    public async Task Configuration_AfterAGivenRootOfAnotherKey_StaysWithThatRoot()
    {
        await using var server = await TestServer.StartAsync(time: NowClock());
        await server.MustPutAsync(Configuration, """{"Provider":"consul","Config":{"PrivateKeyBits":384}}""");
        var (certificate, key) = MakeRoot(server.State.Authority!.TrustDomain);
        await PutRootAsync(server, certificate, key);
        var active = server.State.Authority.Active.Id;
        await server.MustPutAsync(Configuration, """{"Provider":"consul","Config":{"LeafCertTTL":"24h"}}""");
        await server.MustPutAsync(Configuration, """{"Provider":"consul","Config":{"PrivateKeyType":"ec"}}""");
        Assert.Equal(active, server.State.Authority.Active.Id);
        Assert.Equal(("ec", 256), (server.State.Authority.Configuration.PrivateKeyType, server.State.Authority.Configuration.PrivateKeyBits));
    }

    [Fact]
    public async Task Rotation_WithAGivenRoot_LetsOldPeersAcceptNewLeaves()
    {
        await using var server = await TestServer.StartAsync(time: NowClock());
        var oldRoots = await RootsAsync(server);
        var oldLeaf = await LeafAsync(server, "web");
        var rootsWatch = await server.ParkAsync(Roots, (await server.GetAsync(Roots)).Index);
        var index = (await server.GetAsync(Leaf + "web")).Index;
        var leafWatch = await server.ParkAsync(Leaf + "web", index);

        var (certificate, key) = MakeRoot(server.State.Authority!.TrustDomain);
        await PutRootAsync(server, certificate, key);
        Assert.DoesNotContain("PRIVATE", (await server.GetAsync(Configuration)).Body, StringComparison.Ordinal);

        // Roots are told at once: two of them, the new one active and bridged.
        var roots = (await rootsWatch).Json;
        Assert.Equal(2, roots.GetProperty("Roots").GetArrayLength());
        var active = Assert.Single(roots.GetProperty("Roots").EnumerateArray(), root => root.GetProperty("Active").GetBoolean());
        Assert.Equal(roots.GetProperty("ActiveRootID").GetString(), active.GetProperty("ID").GetString());
        Assert.Equal(1, active.GetProperty("IntermediateCerts").GetArrayLength());
        var newRoots = await RootsAsync(server);

        // The one who waits gets a new leaf within the spread, and not more than that.
        server.Time.Advance(MeshServerDefaults.RotationSpread);
        Assert.True((await leafWatch).Index > index);

        var newLeaf = await LeafAsync(server, "web");
        var bridge = newLeaf.Skip(1).ToArray();
        Assert.Single(bridge);
        Assert.True(Chains(newLeaf[0], bridge, oldRoots), "a peer that knows the old root only, with the bridge");
        Assert.False(Chains(newLeaf[0], [], oldRoots), "the same without the bridge");
        Assert.True(Chains(newLeaf[0], bridge, newRoots), "a peer that knows both");
        Assert.True(Chains(newLeaf[0], [], [newRoots.Single(root => root.Thumbprint == certificate.Thumbprint)]), "a peer that knows the new one only");
        Assert.True(Chains(oldLeaf[0], [], newRoots), "an old leaf at a peer that knows both");
    }

    [Fact]
    public async Task Rotation_Twice_BridgesFromTheFirstRoot()
    {
        await using var server = await TestServer.StartAsync(time: NowClock());
        var oldest = await RootsAsync(server);
        await server.MustPutAsync(Configuration, """{"Provider":"consul","Config":{"PrivateKeyType":"ec","PrivateKeyBits":384}}""");
        await server.MustPutAsync(Configuration, """{"Provider":"consul","Config":{"PrivateKeyType":"ec","PrivateKeyBits":256}}""");
        var leaf = await LeafAsync(server, "web");
        Assert.Equal(3, leaf.Length);
        Assert.True(Chains(leaf[0], leaf[1..], oldest));
        Assert.Equal(3, (await RootsAsync(server)).Length);
    }

    [Fact]
    public async Task Rotation_OldRootRetires_ItsBridgeIsSentNoMore()
    {
        // Begun so long ago that it is now when all is done: chains are judged by the machine's clock.
        await using var server = await TestServer.StartAsync(time: new FakeTimeProvider(TimeProvider.System.GetUtcNow() - TimeSpan.FromHours(145)));
        var oldest = await RootsAsync(server);
        await server.MustPutAsync(Configuration, """{"Provider":"consul","Config":{"PrivateKeyType":"ec","PrivateKeyBits":384}}""");
        server.Time.Advance(TimeSpan.FromHours(72));
        await server.MustPutAsync(Configuration, """{"Provider":"consul","Config":{"PrivateKeyType":"ec","PrivateKeyBits":256}}""");
        Assert.Equal(3, (await LeafAsync(server, "web")).Length);

        // Two lives of its leaves after it was replaced.
        server.Time.Advance(TimeSpan.FromHours(73));
        await TestServer.UntilAsync(() => server.State.Authority!.Roots.Length == 2);

        var leaf = await LeafAsync(server, "other");
        Assert.Equal(2, leaf.Length);
        Assert.False(Chains(leaf[0], leaf[1..], oldest));
        Assert.True(Chains(leaf[0], leaf[1..], [(await RootsAsync(server))[1]]));
        Assert.Equal([1, 0], (await server.GetAsync(Roots)).Json.GetProperty("Roots").EnumerateArray().Select(root =>
            root.GetProperty("IntermediateCerts") is { ValueKind: JsonValueKind.Array } bridges ? bridges.GetArrayLength() : 0));
    }

    [Fact]
    public async Task Rotation_ByKeyBits_HappensOnceAndLeafOfNowIsOfTheNewRoot()
    {
        await using var server = await TestServer.StartAsync();
        var first = await server.GetAsync(Leaf + "web");
        const string body = """{"Provider":"consul","Config":{"PrivateKeyType":"ec","PrivateKeyBits":384}}""";
        await server.MustPutAsync(Configuration, body);
        await server.MustPutAsync(Configuration, body);
        var roots = (await server.GetAsync(Roots)).Json.GetProperty("Roots").EnumerateArray().ToList();
        Assert.Equal([384, 256], roots.Select(root => root.GetProperty("PrivateKeyBits").GetInt32()));
        Assert.NotEqual(first.Body, (await server.GetAsync(Leaf + "web")).Body);
        Assert.Equal(roots[0].GetProperty("ID").GetString(), server.State.Leaves["web"].RootId);
    }

    [Fact]
    public async Task Rotation_ByKeyType_MakesARootOfThatType()
    {
        await using var server = await TestServer.StartAsync(time: NowClock());
        var oldRoots = await RootsAsync(server);
        await server.MustPutAsync(Configuration, """{"Provider":"consul","Config":{"PrivateKeyType":"rsa"}}""");
        Assert.Equal(("rsa", 2048), (server.State.Authority!.Active.PrivateKeyType, server.State.Authority.Active.PrivateKeyBits));
        var leaf = await LeafAsync(server, "web");
        Assert.True(Chains(leaf[0], leaf[1..], oldRoots), "a peer that knows the old root only, with the bridge");
        await server.MustPutAsync(Configuration, """{"Provider":"consul","Config":{"PrivateKeyType":"ec"}}""");
        var again = await LeafAsync(server, "web");
        Assert.True(Chains(again[0], again[1..], oldRoots), "the same across two rotations");
        Assert.Equal("ec", server.State.Authority.Active.PrivateKeyType);
    }

    [Fact]
    public async Task Rotation_ForcedWithoutCrossSigning_BuildsNoBridge()
    {
        await using var server = await TestServer.StartAsync(time: NowClock());
        var oldRoots = await RootsAsync(server);
        await server.MustPutAsync(Configuration, """{"Provider":"consul","Config":{"PrivateKeyBits":384},"ForceWithoutCrossSigning":true}""");
        var leaf = await LeafAsync(server, "web");
        Assert.Single(leaf);
        Assert.False(Chains(leaf[0], [], oldRoots));
        Assert.True(Chains(leaf[0], [], await RootsAsync(server)));
    }

    [Fact]
    public async Task Leaf_OverTheRateOfTheConfiguration_Is429()
    {
        await using var server = await TestServer.StartAsync();
        await server.MustPutAsync(Configuration, """{"Provider":"consul","Config":{"CSRMaxPerSecond":2}}""");
        Assert.Equal(2, (await server.GetAsync(Configuration)).Json.GetProperty("Config").GetProperty("CSRMaxPerSecond").GetInt32());
        Assert.Equal(HttpStatusCode.OK, (await server.GetAsync(Leaf + "a")).Status);
        Assert.Equal(HttpStatusCode.OK, (await server.GetAsync(Leaf + "b")).Status);
        var refused = await server.GetAsync(Leaf + "c");
        Assert.Equal((429, "Rate limit reached, try again later"), ((int)refused.Status, refused.Body));
        Assert.Equal(429, (int)(await server.PostAsync("/v1/agent/connect/ca/sign/c", "x")).Status);
        await server.MustPutAsync(Configuration, """{"Provider":"consul","Config":{"CSRMaxPerSecond":0}}""");
        Assert.Equal(HttpStatusCode.OK, (await server.GetAsync(Leaf + "c")).Status);
    }

    [Fact]
    public async Task Rotation_OfAnRsaRoot_Works()
    {
        await using var server = await TestServer.StartAsync(time: NowClock());
        var oldRoots = await RootsAsync(server);
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=rsa", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        AddCaExtensions(request, SHA256.HashData(key.ExportSubjectPublicKeyInfo()));
        var now = TimeProvider.System.GetUtcNow();
        using var root = request.CreateSelfSigned(now.AddMinutes(-1), now.AddYears(1));
        await PutRootAsync(server, root, key.ExportPkcs8PrivateKeyPem());
        var leaf = await LeafAsync(server, "web");
        Assert.True(Chains(leaf[0], leaf[1..], oldRoots));
        Assert.Equal(("rsa", 2048), (server.State.Authority!.Active.PrivateKeyType, server.State.Authority.Active.PrivateKeyBits));
    }

    [Fact]
    public async Task Rotation_ToTheRootInUse_ChangesNothing()
    {
        await using var server = await TestServer.StartAsync(time: NowClock());
        var (certificate, key) = MakeRoot(server.State.Authority!.TrustDomain);
        await PutRootAsync(server, certificate, key);
        var id = server.State.Authority.Active.Id;
        var index = (await server.GetAsync(Roots)).Index;
        await PutRootAsync(server, certificate, key);
        Assert.Equal(index, (await server.GetAsync(Roots)).Index);
        Assert.Equal(id, server.State.Authority.Active.Id);
        Assert.Equal(2, server.State.Authority.Roots.Length);
    }

    [Fact]
    public async Task OldRoot_AfterTwoLifetimes_IsDroppedAndTheWatchersAreTold()
    {
        await using var server = await TestServer.StartAsync(options => options.LeafCertificateLifetime = TimeSpan.FromHours(1));
        await server.MustPutAsync(Configuration, """{"Provider":"consul","Config":{"PrivateKeyBits":384}}""");
        server.Time.Advance(TimeSpan.FromHours(2));
        Assert.Equal(2, server.State.Authority!.Roots.Length);
        var parked = await server.ParkAsync(Roots, (await server.GetAsync(Roots)).Index);
        server.Time.Advance(TimeSpan.FromSeconds(31));
        Assert.Equal(1, (await parked).Json.GetProperty("Roots").GetArrayLength());
        Assert.Equal(384, server.State.Authority.Active.PrivateKeyBits);
    }

    [Theory]
    [InlineData("before")]
    [InlineData("with")]
    [InlineData("after")]
    public async Task OldRoot_WhenTheLifetimeIsShortened_StaysAsLongAsItsLongestLeaves(string shortened)
    {
        await using var server = await TestServer.StartAsync();
        const string Shorter = "\"LeafCertTTL\":\"1h\"";
        if (shortened == "before")
        {
            await server.MustPutAsync(Configuration, $$$"""{"Provider":"consul","Config":{{{{Shorter}}}}}""");
        }

        var more = shortened == "with" ? Shorter + "," : "";
        await server.MustPutAsync(Configuration, $$$"""{"Provider":"consul","Config":{{{{more}}}"PrivateKeyBits":384}}""");
        if (shortened == "after")
        {
            await server.MustPutAsync(Configuration, $$$"""{"Provider":"consul","Config":{{{{Shorter}}}}}""");
        }

        Assert.Equal(TimeSpan.FromHours(1), server.State.Authority!.Configuration.LeafLifetime);
        server.Time.Advance(2 * MeshServerDefaults.LeafCertificateLifetime);
        Assert.Equal(2, (await server.GetAsync(Roots)).Json.GetProperty("Roots").GetArrayLength());
        server.Time.Advance(TimeSpan.FromSeconds(31));
        Assert.Equal(1, (await server.GetAsync(Roots)).Json.GetProperty("Roots").GetArrayLength());
    }

    [Fact]
    public async Task OldRoot_WhenItIsReplaced_LetsGoOfItsKey()
    {
        await using var server = await TestServer.StartAsync();
        var first = server.State.Authority!.Active;
        Assert.True(first.Signer.HasPrivateKey);
        await server.MustPutAsync(Configuration, """{"Provider":"consul","Config":{"PrivateKeyBits":384}}""");
        var old = server.State.Authority.Roots[1];
        Assert.Equal((first.Id, false, null), (old.Id, old.Signer.HasPrivateKey, old.RevealPrivateKey()));
        Assert.True(server.State.Authority.Active.Signer.HasPrivateKey);
    }

    [Fact]
    public async Task GivenRoot_ThatCannotSign_IsRefused()
    {
        await using var server = await TestServer.StartAsync(time: NowClock());
        var now = TimeProvider.System.GetUtcNow();
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var plain = new CertificateRequest("CN=x", key, HashAlgorithmName.SHA256);
        using var noCa = plain.CreateSelfSigned(now.AddMinutes(-1), now.AddYears(1));
        plain.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        using var noKeyIdentifier = plain.CreateSelfSigned(now.AddMinutes(-1), now.AddYears(1));
        plain.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(SHA256.HashData(key.ExportSubjectPublicKeyInfo()), false));
        using var expired = plain.CreateSelfSigned(now.AddYears(-2), now.AddYears(-1));
        using var good = plain.CreateSelfSigned(now.AddMinutes(-1), now.AddYears(1));
        using var shortKey = RSA.Create(1024);
        var weak = new CertificateRequest("CN=x", shortKey, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        weak.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        weak.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(weak.PublicKey, false));
        using var weakRoot = weak.CreateSelfSigned(now.AddMinutes(-1), now.AddYears(1));
        Assert.Contains("too short", (await server.PutAsync(Configuration, RootBody(weakRoot, shortKey.ExportRSAPrivateKeyPem()))).Body, StringComparison.Ordinal);
        foreach (var (certificate, privateKey) in new[] { (noCa, key), (noKeyIdentifier, key), (expired, key), (good, other) })
        {
            var answer = await server.PutAsync(Configuration, RootBody(certificate, privateKey.ExportECPrivateKeyPem()));
            Assert.Equal(HttpStatusCode.BadRequest, answer.Status);
        }

        Assert.Single(server.State.Authority!.Roots);
    }

    // Chain building looks at the machine's clock, so these tests begin at its moment.
    private static FakeTimeProvider NowClock() => new(TimeProvider.System.GetUtcNow());

    private static async Task<X509Certificate2[]> RootsAsync(TestServer server) =>
        [.. (await server.GetAsync(Roots)).Json.GetProperty("Roots").EnumerateArray().Select(root => X509Certificate2.CreateFromPem(root.GetProperty("RootCert").GetString()))];

    private static async Task<X509Certificate2[]> LeafAsync(TestServer server, string service)
    {
        var chain = new X509Certificate2Collection();
        chain.ImportFromPem((await server.GetAsync(Leaf + service)).Json.GetProperty("CertPEM").GetString());
        return [.. chain];
    }

    private static bool Chains(X509Certificate2 leaf, X509Certificate2[] sent, X509Certificate2[] trusted)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(trusted);
        chain.ChainPolicy.ExtraStore.AddRange(sent);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid("1.3.6.1.5.5.7.3.2"));
        return chain.Build(leaf);
    }

    private static (X509Certificate2 Certificate, string KeyPem) MakeRoot(string trustDomain)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN=root of {trustDomain}", key, HashAlgorithmName.SHA256);
        // The identifier other tools make, which is not the one our own roots have.
        AddCaExtensions(request, new X509SubjectKeyIdentifierExtension(request.PublicKey, false).SubjectKeyIdentifierBytes.ToArray());
        var now = TimeProvider.System.GetUtcNow();
        return (request.CreateSelfSigned(now.AddMinutes(-1), now.AddYears(1)), key.ExportECPrivateKeyPem());
    }

    private static void AddCaExtensions(CertificateRequest request, byte[] keyIdentifier)
    {
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.DigitalSignature, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(keyIdentifier, false));
    }

    private static Task PutRootAsync(TestServer server, X509Certificate2 root, string keyPem) =>
        server.MustPutAsync(Configuration, RootBody(root, keyPem));

    private static string RootBody(X509Certificate2 root, string keyPem) => JsonSerializer.Serialize(new
    {
        Provider = "consul",
        Config = new { PrivateKey = keyPem, RootCert = root.ExportCertificatePem() },
    });
}
