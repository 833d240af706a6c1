using System.Net;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.Intentions;
using MeshClient.Testing;

namespace MeshClient.AspNetCore.Tests.Intentions;

public sealed class DefaultActionTests
{
    [Theory]
    [InlineData(null, null, "Production", HttpStatusCode.Forbidden)]
    [InlineData(null, null, "Staging", HttpStatusCode.Forbidden)]
    [InlineData(null, null, "Development", HttpStatusCode.OK)]
    [InlineData(null, IntentionAction.Allow, "Production", HttpStatusCode.OK)]
    [InlineData(null, IntentionAction.Deny, "Development", HttpStatusCode.Forbidden)]
    [InlineData(IntentionAction.Deny, IntentionAction.Allow, "Development", HttpStatusCode.Forbidden)]
    [InlineData(IntentionAction.Allow, IntentionAction.Deny, "Production", HttpStatusCode.OK)]
    public async Task Request_NoIntentionMatches_IsDecidedByTheFirstThatSays(
        IntentionAction? ofApp, IntentionAction? ofControlPlane, string environment, HttpStatusCode status)
    {
        var plane = new InMemoryControlPlane();
        plane.SetDefaultAction(ofControlPlane);
        plane.Deny("somebody-else", "orders");
        await using var host = await InboundTestHost.StartAsync(
            inbound: options => options.DefaultAction = ofApp, controlPlane: plane, environment: environment);
        using var client = host.CallerFrom("web");

        using var response = await client.GetAsync("/hello", TestContext.Current.CancellationToken);

        Assert.Equal(status, response.StatusCode);
    }
}
