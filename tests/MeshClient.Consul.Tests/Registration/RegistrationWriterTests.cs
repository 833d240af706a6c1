using System.Text.Json;
using MeshClient.Consul.Tests.Fakes;
using MeshClient.Core;
using MeshClient.Core.Discovery;
using MeshClient.Core.Naming;
using MeshClient.Core.Registration;
using Microsoft.AspNetCore.Http;

namespace MeshClient.Consul.Tests.Registration;

public sealed class RegistrationWriterTests
{
    private static readonly InstanceEndpoint Main = new(null, "10.0.0.1", 8080, InstanceSecurity.Mesh);
    private static readonly InstanceEndpoint Admin = new("admin", "10.0.0.1", 9090, InstanceSecurity.Mesh);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Register_Least_SendsOnlyWhatOldVersionsKnow()
    {
        var body = await RegisterAsync(Registration([Main]));

        Assert.Equal(
            """{"ID":"orders-1","Name":"orders","Tags":[],"Address":"10.0.0.1","Port":8080,"Meta":{},"Weights":{"Passing":1,"Warning":1},"Connect":{"Native":true},"Check":{"CheckID":"service:orders-1","Name":"Time to live of orders","TTL":"1500ms","Status":"passing"}}""",
            body.RootElement.GetRawText());
    }

    [Fact]
    public async Task Register_PlainWithNamedEndpointsAndRemoval_SendsThem()
    {
        var body = await RegisterAsync(Registration([Main with { Security = InstanceSecurity.Plaintext }, Admin with { Security = InstanceSecurity.Tls }])
            with
        { DeregisterAfter = TimeSpan.FromMinutes(3) });

        Assert.False(body.RootElement.TryGetProperty("Connect", out _));
        Assert.Equal("""{"admin":{"Address":"10.0.0.1","Port":9090}}""", body.RootElement.GetProperty("TaggedAddresses").GetRawText());
        Assert.Equal("admin=tls", body.RootElement.GetProperty("Meta").GetProperty("meshclient-endpoints").GetString());
        Assert.Equal("180000ms", body.RootElement.GetProperty("Check").GetProperty("DeregisterCriticalServiceAfter").GetString());
    }

    [Fact]
    public async Task Register_WrongShape_IsRefusedBeforeAnythingIsSent()
    {
        await using var registry = await FakeRegistry.StartAsync("");
        using var plane = registry.CreatePlane();
        InstanceRegistration[] wrong =
        [
            Registration([]), Registration([Admin]), Registration([Main, Main]), Registration([Main, Admin, Admin]),
            Registration([Main]) with { TimeToLive = TimeSpan.FromMilliseconds(999) },
        ];

        foreach (var registration in wrong)
        {
            await Assert.ThrowsAsync<ArgumentException>(() => plane.RegisterAsync(registration, Cancellation));
        }

        Assert.Empty(registry.Calls);
    }

    private static InstanceRegistration Registration(EquatableArray<InstanceEndpoint> endpoints) => new()
    {
        Id = new InstanceId("orders-1"),
        Service = ServiceName.Parse("orders"),
        Endpoints = endpoints,
        TimeToLive = TimeSpan.FromSeconds(1.5),
    };

    private static async Task<JsonDocument> RegisterAsync(InstanceRegistration registration)
    {
        var bodies = new List<string>();
        await using var registry = await FakeRegistry.StartAsync(async context =>
        {
            using var reader = new StreamReader(context.Request.Body);
            bodies.Add(await reader.ReadToEndAsync(Cancellation));
            context.Response.StatusCode = StatusCodes.Status200OK;
        });
        using var plane = registry.CreatePlane();

        await plane.RegisterAsync(registration, Cancellation);

        Assert.Equal(
            ["PUT /v1/agent/service/register?replace-existing-checks=true", "PUT /v1/agent/check/pass/service:orders-1?note="], registry.Calls);
        return JsonDocument.Parse(bodies[0]);
    }
}
