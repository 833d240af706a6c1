using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace MeshClient.AspNetCore.Tests.Configuration;

/// <summary>Settings about callers that cannot be meant.</summary>
public sealed class InboundRuleOptionsTests
{
    [Fact]
    public async Task Options_WithRulesThatSayNothing_AreRefusedAllAtOnce()
    {
        await using var host = InboundTestHost.Create(settings: new()
        {
            ["Mesh:Inbound:Mode"] = "7",
            ["Mesh:Inbound:Rules:none:Callers:0"] = "web",
            ["Mesh:Inbound:Rules:both:Endpoint"] = "a",
            ["Mesh:Inbound:Rules:both:Route"] = "/a",
            ["Mesh:Inbound:Rules:both:Callers:0"] = "web",
            ["Mesh:Inbound:Rules:nobody:Route"] = "/a",
            ["Mesh:Inbound:Rules:unreadable:Route"] = "/a",
            ["Mesh:Inbound:Rules:unreadable:Callers:0"] = "a b",
            ["Mesh:Inbound:Passports:okta"] = " ",
            ["Mesh:Inbound:ForwardableHeaders:0"] = "Host",
            ["Mesh:Inbound:Diagnostics:Enabled"] = "true",
        });

        var failure = Assert.Throws<OptionsValidationException>(() => host.Services.GetRequiredService<IOptions<MeshInboundOptions>>().Value);

        Assert.Equal(8, failure.Failures.Count());
        foreach (var expected in (string[])[
            "Mesh:Inbound:Mode is 7",
            "Mesh:Inbound:Rules:none has to have either an Endpoint or a Route",
            "Mesh:Inbound:Rules:both has to have either an Endpoint or a Route",
            "Mesh:Inbound:Rules:nobody:Callers is empty",
            "Mesh:Inbound:Rules:unreadable:Callers has 'a b'",
            "Mesh:Inbound:Passports:okta is empty",
            "Mesh:Inbound:ForwardableHeaders has 'Host'",
            "Mesh:Inbound:Diagnostics:Callers is empty"])
        {
            Assert.Contains(failure.Failures, one => one.StartsWith(expected, StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task Options_ThatNameTheTokenAsForwardable_AreGood()
    {
        await using var host = InboundTestHost.Create(settings: new() { ["Mesh:Inbound:ForwardableHeaders:0"] = "authorization" });

        Assert.Equal(["authorization"], host.Services.GetRequiredService<IOptions<MeshInboundOptions>>().Value.ForwardableHeaders);
    }
}
