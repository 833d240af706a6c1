using System.Text.Json;
using MeshClient.Consul.Intentions;
using MeshClient.Consul.Model;
using MeshClient.Core.Intentions;
using MeshClient.Core.Naming;

namespace MeshClient.Consul.Tests.Intentions;

public sealed class IntentionMapperTests
{
    [Fact]
    public void Map_WithoutId_IsNamedByItsPair() => Assert.Equal("web->orders", Map(""" "Action":"allow" """)!.Id);

    [Theory]
    [InlineData(""" "SourcePeer":"cluster-2","Action":"allow" """)]
    [InlineData(""" "SourceSamenessGroup":"group","Action":"allow" """)]
    [InlineData(""" "SourceName":"","Action":"allow" """)]
    [InlineData(""" "DestinationName":null,"Action":"deny" """)]
    public void Map_SourceThatIsNoServiceOfThisMesh_IsLeftOut(string json) => Assert.Null(Map(json));

    [Theory]
    [InlineData("SourceNS")]
    [InlineData("SourcePartition")]
    [InlineData("DestinationNS")]
    [InlineData("DestinationPartition")]
    public void Map_OfAnotherNamespace_KeepsOnlyWhatDenies(string key)
    {
        Assert.Null(Map($""" "{key}":"dev","Action":"allow" """));
        Assert.Null(Map($""" "{key}":"Default","Action":"allow" """));
        Assert.Null(Map($$$""" "{{{key}}}":"dev","Action":"allow","JWT":{"Providers":[{"Name":"okta"}]} """));
        Assert.Null(Map($$$""" "{{{key}}}":"dev","Permissions":[{"Action":"allow","HTTP":{"PathPrefix":"/"}}] """));
        Assert.Equal(IntentionAction.Deny, Map($""" "{key}":"dev","Action":"deny" """)!.Action);
        Assert.False(Allows($""" "{key}":"dev","Action":"permit" """, IntentionAction.Allow));
    }

    // Under a default that allows it would otherwise decide in the place of a denial for everyone, and open all but its path.
    [Fact]
    public void Map_DenyingPermissionOfAnotherNamespace_DoesNotHideOtherRules() =>
        Assert.Null(Map(""" "SourceNS":"dev","Permissions":[{"Action":"deny","HTTP":{"PathPrefix":"/admin"}}] """));

    [Theory]
    [InlineData("null")]
    [InlineData("\"\"")]
    [InlineData("\"default\"")]
    [InlineData("\"*\"")]
    public void Map_OfOurNamespaceOrAny_IsKept(string value)
    {
        var json = $""" "SourceNS":{value},"SourcePartition":{value},"DestinationNS":{value},"DestinationPartition":{value},"Action":"allow" """;

        Assert.True(Allows(json, IntentionAction.Deny));
    }

    [Theory]
    [InlineData(""" "Action":"permit" """)]
    [InlineData(""" "Action":"Allow" """)]
    [InlineData(""" "Action":"" """)]
    [InlineData(""" "Action":null """)]
    [InlineData(""" "Action":"allow","JWT":{"Providers":[{"Name":"okta"}]} """)]
    [InlineData(""" "JWT":{"Providers":[{"Name":"okta"}]},"Permissions":[{"Action":"allow","HTTP":{"PathPrefix":"/"}}] """)]
    [InlineData(""" "Permissions":[null] """)]
    [InlineData(""" "Permissions":[{"Action":"permit"}] """)]
    public void Map_WhatIsNotUnderstood_DeniesWhateverTheDefault(string json) => Assert.False(Allows(json, IntentionAction.Allow));

    [Theory]
    [InlineData(""" "Permissions":[{"Action":"allow","JWT":{"Providers":[{"Name":"okta"}]}}] """)]
    [InlineData(""" "Permissions":[{"Action":"allow","HTTP":{"PathPrefix":"/","Query":[{"Name":"a"}]}}] """)]
    [InlineData(""" "Permissions":[{"Action":"allow","HTTP":{"PathPrefix":"/","PathExact":"/a"}}] """)]
    [InlineData(""" "Permissions":[{"Action":"allow","HTTP":{"Header":[{"Name":"a","Newer":"x"}]}}] """)]
    [InlineData(""" "Permissions":[{"Action":"allow","HTTP":{"Header":[{"Name":"a"}]}}] """)]
    [InlineData(""" "Permissions":[{"Action":"allow","HTTP":{"Header":[{"Name":"a","Exact":"x","Prefix":"x"}]}}] """)]
    [InlineData(""" "Permissions":[{"Action":"allow","HTTP":{"Header":[null]}}] """)]
    [InlineData(""" "Permissions":[{"Action":"allow","HTTP":{"Methods":[null]}}] """)]
    public void Map_AllowWithARequirementThatCannotBeChecked_NeverAllows(string json) => Assert.False(Allows(json, IntentionAction.Deny));

    [Fact]
    public void Map_DenyWithARequirementThatCannotBeChecked_Denies() => Assert.False(Allows(
        """ "Permissions":[{"Action":"deny","HTTP":{"Query":[{"Name":"a"}]}},{"Action":"allow","HTTP":{"PathPrefix":"/"}}] """,
        IntentionAction.Allow));

    [Fact]
    public void Map_PermissionAsGoWritesIt_IsUnderstood()
    {
        var intention = Map("""
            "Action":"","JWT":null,"Permissions":[{"Action":"allow","JWT":null,"HTTP":{"PathExact":"","PathPrefix":"/v1/","PathRegex":"",
            "Methods":["get","PUT"],"Header":[
              {"Name":"x-a","Present":true,"Exact":"","Invert":false},{"Name":"x-b","Exact":"1","Invert":true},{"Name":"x-c","Prefix":"p"},
              {"Name":"x-d","Suffix":"s"},{"Name":"x-e","Contains":"c","IgnoreCase":true},{"Name":"x-f","Regex":"r+"}]}}]
            """)!;

        Assert.Equal(
            new IntentionPermission
            {
                Action = IntentionAction.Allow,
                PathPrefix = "/v1/",
                Methods = ["GET", "PUT"],
                Headers =
                [
                    new HeaderMatch("x-a", HeaderMatchKind.Present, ""),
                    new HeaderMatch("x-b", HeaderMatchKind.Exact, "1", Invert: true),
                    new HeaderMatch("x-c", HeaderMatchKind.Prefix, "p"),
                    new HeaderMatch("x-d", HeaderMatchKind.Suffix, "s"),
                    new HeaderMatch("x-e", HeaderMatchKind.Contains, "c", IgnoreCase: true),
                    new HeaderMatch("x-f", HeaderMatchKind.Regex, "r+"),
                ],
            },
            Assert.Single(intention.Permissions));
        Assert.Null(intention.Action);
    }

    [Fact]
    public void Map_Jwt_IsReadOfTheIntentionAndItsPermissions()
    {
        var intention = Map("""
            "JWT":{"Providers":[{"Name":"okta","VerifyClaims":null}]},
            "Permissions":[{"Action":"allow","HTTP":null,"JWT":{"Providers":[{"Name":"other","VerifyClaims":[{"Path":["perms","role"],"Value":"admin"}]}]}}]
            """)!;

        Assert.Equal(new JwtRequirement([new JwtProviderRequirement("okta", [])]), intention.Jwt);
        Assert.Equal(
            new JwtRequirement([new JwtProviderRequirement("other", [new JwtClaimRequirement(["perms", "role"], "admin")])]),
            Assert.Single(intention.Permissions).Jwt);
        Assert.False(intention.Permissions[0].HasUnsupportedRequirement);
    }

    [Theory]
    [InlineData("""{"Providers":[{"Name":""}]}""")]
    [InlineData("""{"Providers":[null]}""")]
    [InlineData("""{"Providers":"okta"}""")]
    [InlineData("""{"Providers":[{"Name":"okta"}],"Audience":"x"}""")]
    [InlineData("""{"Providers":[{"Name":"okta","Newer":1}]}""")]
    [InlineData("""{"Providers":[{"Name":"okta","VerifyClaims":[null]}]}""")]
    [InlineData("""{"Providers":[{"Name":"okta","VerifyClaims":[{"Path":["a"]}]}]}""")]
    [InlineData("""{"Providers":[{"Name":"okta","VerifyClaims":[{"Path":[],"Value":"b"}]}]}""")]
    [InlineData("""{"Providers":[{"Name":"okta","VerifyClaims":[{"Path":["a"],"Value":"b","Newer":true}]}]}""")]
    public void Map_JwtThatIsNotUnderstood_AllowsNothing(string jwt)
    {
        Assert.Equal(IntentionAction.Deny, Map($""" "Action":"allow","JWT":{jwt} """)!.Action);
        Assert.True(Map($$""" "Permissions":[{"Action":"allow","JWT":{{jwt}}}] """)!.Permissions[0].HasUnsupportedRequirement);
    }

    [Theory]
    [InlineData("""{"meshclient-mode":"shadow"}""", IntentionMode.Shadow, IntentionAction.Allow)]
    [InlineData("""{"meshclient-mode":"enforce"}""", IntentionMode.Enforce, IntentionAction.Allow)]
    [InlineData("""{"owner":"me"}""", IntentionMode.Enforce, IntentionAction.Allow)]
    [InlineData("null", IntentionMode.Enforce, IntentionAction.Allow)]
    [InlineData("""{"meshclient-mode":"shadwo"}""", IntentionMode.Enforce, IntentionAction.Deny)]
    public void Map_ModeOfItsMeta_IsReadAndAWrongOneAllowsNothing(string meta, IntentionMode mode, IntentionAction action)
    {
        var intention = Map($""" "Action":"allow","Meta":{meta} """)!;

        Assert.Equal((mode, action), (intention.Mode, intention.Action));
    }

    private static Intention? Map(string json)
    {
        // A key that comes twice holds with its last value.
        var document = $$"""{"orders":[{"SourceName":"web","DestinationName":"orders",{{json}}}]}""";
        var byName = JsonSerializer.Deserialize(document, WireJson.Default.DictionaryStringIntentionDocumentArray)!;
        return IntentionMapper.TryMap(byName["orders"]![0]!, out _);
    }

    private static bool Allows(string json, IntentionAction otherwise)
    {
        var snapshot = new IntentionSnapshot(ServiceName.Parse("orders"), [Map(json)!], null);
        return new IntentionEvaluator(snapshot, otherwise).EvaluateRequest("web", "GET", "/a", default(SomeHeaders)).IsAllowed;
    }

    private readonly struct SomeHeaders : IHeaderLookup
    {
        public string? Find(string name) => "x";

        public string? FindLine(string name, int index) => index == 0 ? "x" : null;
    }
}
