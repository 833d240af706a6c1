using System.Text.Json;
using MeshClient.Server.AccessControl;
using MeshClient.Server.AccessControl.Rules;
using MeshClient.Server.Api;
using MeshClient.Server.Api.Catalog;
using MeshClient.Server.Catalog;
using MeshClient.Server.State;

namespace MeshClient.Server.Tests.AccessControl;

/// <summary>Which rights each write to the catalog takes.</summary>
public sealed class CatalogRightsTests
{
    private const string Node = """{"Node":"ext","Address":"127.0.0.9","ID":"aaaaaaaa-2222-3333-4444-555555555555" """;
    private static readonly DateTimeOffset Now = new(2026, 11, 21, 3, 0, 0, TimeSpan.Zero);

    [Theory]
    // A node that is new or changes takes the right on it; one that stays as it is takes none.
    [InlineData("""service "a" { policy = "write" }""", """{"Node":"new","Address":"127.0.0.1"}""", false)]
    [InlineData("""node "new" { policy = "write" }""", """{"Node":"new","Address":"127.0.0.1"}""", true)]
    [InlineData("""service "b" { policy = "write" }""", Node + ""","Service":{"Service":"b"}}""", true)]
    [InlineData("""service "b" { policy = "write" }""", """{"Node":"ext","Address":"127.0.0.10","Service":{"Service":"b"}}""", false)]
    [InlineData("""service "b" { policy = "write" }""", """{"Node":"ext","SkipNodeUpdate":true,"Address":"127.0.0.10","Service":{"Service":"b"}}""", true)]
    // The id of a service that is there takes the right on that one too.
    [InlineData("""service "b" { policy = "write" }""", Node + ""","Service":{"ID":"a1","Service":"b"}}""", false)]
    [InlineData("""service_prefix "" { policy = "write" }""", Node + ""","Service":{"ID":"a1","Service":"b"}}""", true)]
    // A proxy stands for another service.
    [InlineData("""service "p" { policy = "write" }""", Node + ""","Service":{"Service":"p","Kind":"connect-proxy","Port":1,"Proxy":{"DestinationServiceName":"a"}}}""", false)]
    // A check takes the right on what it belongs to, and on what it is taken from.
    [InlineData("""service "a" { policy = "write" }""", Node + ""","Check":{"CheckID":"n"}}""", false)]
    [InlineData("""service "a" { policy = "write" }""", Node + ""","Check":{"CheckID":"c","ServiceID":"a1"}}""", true)]
    [InlineData("""service "b" { policy = "write" }""", Node + ""","Check":{"CheckID":"c","ServiceID":"a1"}}""", false)]
    [InlineData("""service "a" { policy = "write" }""", Node + ""","Check":{"CheckID":"disk","ServiceID":"a1"}}""", false)]
    // The id of another node takes that one out, with all that is on it.
    [InlineData("""node "new" { policy = "write" }""", """{"Node":"new","Address":"127.0.0.1","ID":"aaaaaaaa-2222-3333-4444-555555555555"}""", false)]
    [InlineData("""node_prefix "" { policy = "write" }""", """{"Node":"new","Address":"127.0.0.1","ID":"aaaaaaaa-2222-3333-4444-555555555555"}""", true)]
    public void Registration_TakesTheRightsOnWhatItChanges(string rules, string body, bool allowed)
    {
        using var document = JsonDocument.Parse(body);
        var command = new CatalogWriteDecoder("dc1").DecodeRegistration(document.RootElement, Now);
        Assert.Equal(allowed, Allows(rules, access => access.DemandRegistration(Catalog(), command)));
    }

    [Theory]
    [InlineData("""service "a" { policy = "write" }""", "a1", "", true)]
    [InlineData("""service "b" { policy = "write" }""", "a1", "", false)]
    [InlineData("""service "a" { policy = "write" }""", "", "disk", false)]
    [InlineData("""node "ext" { policy = "write" }""", "", "disk", true)]
    [InlineData("""service "a" { policy = "write" }""", "", "", false)]
    [InlineData("""node "ext" { policy = "write" }""", "", "", true)]
    [InlineData("", "gone", "", true)]
    public void Deregistration_TakesTheRightsOnWhatItChanges(string rules, string service, string check, bool allowed) =>
        Assert.Equal(allowed, Allows(rules, access => access.DemandDeregistration(Catalog(), new DeregisterFromCatalog("ext", service, check))));

    // One external node with one service and one check of its own.
    private static CatalogState Catalog()
    {
        var state = ServerState.CreateEmpty(1, NodeRecord.Local("id", "n1", "127.0.0.1", "dc1", 1), Now);
        using var body = JsonDocument.Parse(Node + ""","Service":{"ID":"a1","Service":"a"},"Check":{"CheckID":"disk"}}""");
        return new CatalogWriteDecoder("dc1").DecodeRegistration(body.RootElement, Now).Apply(state, new StateChange(2)).Catalog;
    }

    private static bool Allows(string rules, Action<RequestAccess> demand)
    {
        try
        {
            demand(new RequestAccess(Authorizer.Create(RuleParser.Parse(rules), allowsByDefault: false), string.Empty));
            return true;
        }
        catch (RequestRefusedException e) when (e.StatusCode == 403)
        {
            return false;
        }
    }
}
