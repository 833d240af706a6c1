using System.Security.Claims;
using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using MeshClient.AspNetCore.Passports;

namespace MeshClient.AspNetCore.Tests.Passports;

/// <summary>Claims found in principals, whatever handler has made them.</summary>
public sealed class PassportClaimsTests
{
    private const string ShortTypeName = "http://schemas.xmlsoap.org/ws/2005/05/identity/claimproperties/ShortTypeName";

    [Theory]
    [InlineData(ClaimTypes.Role, null, "role", true)]
    [InlineData(ClaimTypes.Role, "role", "role", true)]
    [InlineData(ClaimTypes.Role, "roles", "role", false)]
    [InlineData(ClaimTypes.Role, "roles", "roles", true)]
    [InlineData(ClaimTypes.NameIdentifier, null, "sub", true)]
    [InlineData(ClaimTypes.NameIdentifier, "nameid", "sub", false)]
    [InlineData("role", null, "role", true)]
    [InlineData("Role", null, "role", false)]
    public void Has_AMappedType_IsKnownByItsNameInTheToken(string type, string? original, string name, bool expected)
    {
        var claim = new Claim(type, "admin");
        if (original is not null)
        {
            claim.Properties[ShortTypeName] = original;
        }

        Assert.Equal(expected, PassportClaims.Has(Principal(claim), [name], "admin"));
    }

    [Theory]
    [InlineData("""{"role":"admin"}""", "JSON", true)]
    [InlineData("""{"role":["guest","admin"]}""", "JSON", true)]
    [InlineData("""[{"role":"guest"},{"role":"admin"}]""", "JSON_ARRAY", true)]
    [InlineData("""{"role":{"role":"admin"}}""", "JSON", false)]
    [InlineData("""{"role":"admin"}""", ClaimValueTypes.String, false)]
    [InlineData("""{"role":"admin" """, "JSON", false)]
    [InlineData("", "JSON", false)]
    public void Has_ANestedClaim_IsReadOnlyWhereTheHandlerSaysItIsJson(string json, string valueType, bool expected) =>
        Assert.Equal(expected, PassportClaims.Has(Principal(new Claim("perms", json, valueType)), ["perms", "role"], "admin"));

    [Fact]
    public void Has_AnIdentityThatIsNotAuthenticated_CountsForNothing()
    {
        var principal = new ClaimsPrincipal(
            [new ClaimsIdentity([new Claim("role", "guest")], "Token"), new ClaimsIdentity([new Claim("role", "admin")])]);

        Assert.True(PassportClaims.Has(principal, ["role"], "guest"));
        Assert.False(PassportClaims.Has(principal, ["role"], "admin"));
    }

    [Fact]
    public void Has_WithoutAPath_IsFalse() => Assert.False(PassportClaims.Has(Principal(new Claim("", "admin")), [], "admin"));

    [Fact]
    public void Has_AnyTokenFlattened_FindsWhatIsInItAndNothingElse()
    {
        string[] names = ["a", "b", "c"];
        string[] values = ["x", "y", ""];
        var json = Json(names, values, 3);
        var paths = Gen.Elements(names).NonEmptyListOf();

        Prop.ForAll(
            Gen.Zip(Gen.Elements(names), json).NonEmptyListOf().Zip(paths).Zip(Gen.Elements(values)).ToArbitrary(),
            one =>
            {
                var ((claims, path), value) = one;
                var token = claims.GroupBy(claim => claim.Item1).ToDictionary(group => group.Key, group => group.First().Item2);
                var principal = Principal([.. token.SelectMany(claim => Flatten(claim.Key, JsonSerializer.SerializeToElement(claim.Value)))]);
                var expected = token.TryGetValue(path[0], out var root) && Contains(root, [.. path.Skip(1)], value);

                Assert.Equal(expected, PassportClaims.Has(principal, [.. path], value));
            }).QuickCheckThrowOnFailure();
    }

    // A token's value: a text, several, or an object.
    private static Gen<object> Json(string[] names, string[] values, int depth)
    {
        var leaf = Gen.Elements(values).Select(value => (object)value);
        if (depth == 0)
        {
            return leaf;
        }

        var inner = Json(names, values, depth - 1);
        return Gen.OneOf(
            leaf,
            inner.ListOf(2).Select(list => (object)list.ToArray()),
            Gen.Zip(Gen.Elements(names), inner).Select(pair => (object)new Dictionary<string, object> { [pair.Item1] = pair.Item2 }));
    }

    // The same, as plainly as it can be said.
    private static bool Contains(object node, string[] path, string value) => node switch
    {
        object[] list => list.Any(one => Contains(one, path, value)),
        Dictionary<string, object> members => path.Length > 0 && members.TryGetValue(path[0], out var member) && Contains(member, path[1..], value),
        _ => path.Length == 0 && (string)node == value,
    };

    private static IEnumerable<Claim> Flatten(string name, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Array => value.EnumerateArray().SelectMany(one => Flatten(name, one)),
        JsonValueKind.Object => [new Claim(name, value.GetRawText(), "JSON")],
        _ => [new Claim(name, value.GetString()!)],
    };

    private static ClaimsPrincipal Principal(params Claim[] claims) => new(new ClaimsIdentity(claims, "Token"));
}
