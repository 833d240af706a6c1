using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.Intentions;

namespace MeshClient.AspNetCore.Tests.Attacks;

/// <summary>Callers that say in headers who they are, or write headers so that a rule about them reads something else.</summary>
public sealed class HeaderAttackTests
{
    private const string OpsId = "spiffe://11111111-2222-3333-4444-555555555555.consul/ns/default/dc/dc1/svc/ops";

    // Allowed is ops; web is not, whatever it says of itself.
    [Theory]
    [InlineData("X-Forwarded-Client-Cert: By=spiffe://x/y;Hash=00;URI=" + OpsId)]
    [InlineData("x-forwarded-client-cert: URI=" + OpsId + "\r\nX-Forwarded-Client-Cert: URI=" + OpsId)]
    [InlineData("X-Client-Cert: " + OpsId)]
    [InlineData("X-ARR-ClientCert: " + OpsId)]
    [InlineData("Client-Cert: :" + OpsId + ":")]
    [InlineData("X-Consul-Source-Service: ops")]
    [InlineData("X-Consul-Token: anonymous\r\nX-Consul-Namespace: default\r\nX-Consul-Service: ops")]
    [InlineData("l5d-client-id: ops.default.serviceaccount.identity.linkerd.cluster.local")]
    [InlineData("X-Envoy-Peer-Metadata-Id: ops\r\nX-Envoy-Downstream-Service-Cluster: ops")]
    [InlineData("X-Spiffe-Id: " + OpsId)]
    [InlineData("mesh-service: ops\r\nmesh-peer: ops\r\nmesh-source: ops\r\nmesh-priority: High\r\nmesh_service: ops")]
    [InlineData("Forwarded: for=ops;by=" + OpsId + "\r\nX-Forwarded-For: 127.0.0.1\r\nX-Real-IP: 127.0.0.1")]
    [InlineData("X-Forwarded-Proto: https\r\nX-Forwarded-Host: ops\r\nX-Original-URL: /public/a\r\nX-Rewrite-URL: /public/a")]
    [InlineData("X-HTTP-Method-Override: GET\r\nX-Forwarded-Prefix: /public")]
    [InlineData("Authorization: Basic b3BzOm9wcw==")]
    public async Task Request_ThatSaysInHeadersThatItIsAnother_IsStillTheCertificates(string headers)
    {
        await using var service = await AttackedService.StartAsync();
        service.Host.ControlPlane.Allow("ops", "orders");
        await Eventually.HoldsAsync(async () => (await Ask(service, "ops", "/admin/keys", headers)).StartsWith("HTTP/1.1 200", StringComparison.Ordinal));

        var text = await Ask(service, "web", "/admin/keys", headers);

        Assert.StartsWith("HTTP/1.1 403", text, StringComparison.Ordinal);
        Assert.Contains("\"source\":\"web\"", text, StringComparison.Ordinal);
        var line = Assert.Single(service.Host.Logs.Lines, line => line.Text.StartsWith("Denied web to orders", StringComparison.Ordinal));
        Assert.DoesNotContain("ops", line.Text, StringComparison.Ordinal);
    }

    [Theory]
    // Denied is a role of admin, in any of these ways.
    [InlineData("X-Role: admin", 403)]
    [InlineData("x-role: admin", 403)]
    [InlineData("X-ROLE:admin", 403)]
    [InlineData("X-Role:   admin\t", 403)]
    [InlineData("X-Role: user\r\nX-Role: admin", 403)]
    [InlineData("X-Role: admin\r\nX-Role: user", 403)]
    [InlineData("X-Role: \r\nX-Role: admin", 403)]
    [InlineData("X-Role: user\r\nx-rOLE: admin\r\nX-Role: user", 403)]
    // Not that header, and so nothing the app would take for it.
    [InlineData("X_Role: admin", 200)]
    [InlineData("X-Role2: admin", 200)]
    [InlineData("X-Role: user", 200)]
    // No header at all.
    [InlineData("X-Role : admin", 400)]
    [InlineData("X-Role\t: admin", 400)]
    [InlineData(" X-Role: admin", 400)]
    [InlineData("X-Role: us\0er", 400)]
    [InlineData("X-Role: user\r\n admin", 400)]
    [InlineData("X-Role\r\n: admin", 400)]
    public async Task Request_WithADeniedHeaderInAnotherSpelling_IsReadAsTheAppReadsIt(string headers, int status)
    {
        await using var service = await AttackedService.StartAsync(
        [
            new IntentionPermission { Action = IntentionAction.Deny, Headers = [new HeaderMatch("x-role", HeaderMatchKind.Exact, "admin")] },
            new IntentionPermission { Action = IntentionAction.Allow },
        ]);

        Assert.StartsWith($"HTTP/1.1 {status}", await Ask(service, "web", "/public/a", headers), StringComparison.Ordinal);

        Assert.Equal(status == 403 ? 1 : 0, service.Denials);
        Assert.Equal(status == 200 ? 1 : 0, service.Served.Count);
        await service.AssertNothingHeldAsync();
    }

    [Theory]
    // Allowed is a role of user, and only when that is all there is.
    [InlineData("X-Role: user", 200)]
    [InlineData("X-Role: admin", 403)]
    [InlineData("X-Role: user\r\nX-Role: admin", 403)]
    [InlineData("X-Role: admin\r\nX-Role: user", 403)]
    [InlineData("X-Role: user,user", 403)]
    [InlineData("X-Role: USER", 403)]
    [InlineData("X-Role: user%00", 403)]
    [InlineData("X-Other: user", 403)]
    public async Task Request_WithAnAllowedHeaderAmongOthers_IsAllowedByItAlone(string headers, int status)
    {
        await using var service = await AttackedService.StartAsync(
            [new IntentionPermission { Action = IntentionAction.Allow, Headers = [new HeaderMatch("x-role", HeaderMatchKind.Exact, "user")] }]);

        Assert.StartsWith($"HTTP/1.1 {status}", await Ask(service, "web", "/public/a", headers), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Request_WithMoreHeadersThanAnybodyNeeds_IsRefused()
    {
        await using var service = await AttackedService.StartAsync();
        var many = string.Join("\r\n", Enumerable.Range(0, 200).Select(i => $"X-{i}: 1"));
        var large = "X-Large: " + new string('a', 64 * 1024);

        Assert.StartsWith("HTTP/1.1 431", await Ask(service, "web", "/public/a", many), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 431", await Ask(service, "web", "/public/a", large), StringComparison.Ordinal);

        service.AssertNoRequest();
        await service.AssertNothingHeldAsync();
    }

    private static Task<string> Ask(AttackedService service, string caller, string path, string headers) =>
        service.ExchangeAsync($"GET {path} HTTP/1.1\r\nHost: orders\r\n{headers}\r\nConnection: close\r\n\r\n", caller);
}
