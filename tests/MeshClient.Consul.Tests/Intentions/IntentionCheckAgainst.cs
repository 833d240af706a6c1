using System.Net.Http.Json;
using System.Text.Json;
using MeshClient.Consul.Tests.Fakes;
using MeshClient.Core.Intentions;
using MeshClient.TestSupport;

namespace MeshClient.Consul.Tests.Intentions;

/// <summary>Against the original, which allows what no intention speaks about.</summary>
public sealed class IntentionCheckAgainstConsul(RealConsul consul) : IntentionCheckContract, IClassFixture<RealConsul>
{
    protected override Uri Address => consul.Address;

    protected override IntentionAction DefaultAction => IntentionAction.Allow;

    protected override bool TakesPermissions => false;
}

/// <summary>Against the original with access control, which denies it.</summary>
public sealed class IntentionCheckAgainstGuardedConsul(GuardedConsul consul) : IntentionCheckContract, IClassFixture<GuardedConsul>
{
    protected override Uri Address => consul.Address;

    protected override IntentionAction DefaultAction => IntentionAction.Deny;

    protected override bool TakesPermissions => false;

    // The default of the answer is that of the asker's rights, and whoever manages everything is allowed everything.
    protected override async Task<string?> GetTokenAsync(HttpClient http)
    {
        http.DefaultRequestHeaders.Add("X-Consul-Token", GuardedConsul.Token);
        await PutAsync(http, "v1/acl/policy", new { Name = "intentions", Rules = """service_prefix "" { policy = "read" intentions = "write" }""" });
        var token = await PutAsync(http, "v1/acl/token", new { Policies = new[] { new { Name = "intentions" } } });
        var secret = token.GetProperty("SecretID").GetString()!;
        http.DefaultRequestHeaders.Remove("X-Consul-Token");
        http.DefaultRequestHeaders.Add("X-Consul-Token", secret);
        return secret;
    }

    private static async Task<JsonElement> PutAsync(HttpClient http, string path, object body)
    {
        using var answer = await http.PutAsJsonAsync(new Uri(path, UriKind.Relative), body, TestContext.Current.CancellationToken);
        answer.EnsureSuccessStatusCode();
        return await answer.Content.ReadFromJsonAsync<JsonElement>(TestContext.Current.CancellationToken);
    }
}

/// <summary>Against our own server, which also knows permissions on requests.</summary>
public sealed class IntentionCheckAgainstMeshServer(RunningMeshServer server) : IntentionCheckContract, IClassFixture<RunningMeshServer>
{
    protected override Uri Address => server.Address;

    protected override IntentionAction DefaultAction => IntentionAction.Allow;

    protected override bool TakesPermissions => true;
}
