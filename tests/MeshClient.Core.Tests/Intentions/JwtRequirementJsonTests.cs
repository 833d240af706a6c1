using System.Text.Json;
using MeshClient.Core.Intentions;

namespace MeshClient.Core.Tests.Intentions;

public sealed class JwtRequirementJsonTests
{
    private const string Whole = """{"Providers":[{"Name":"okta","VerifyClaims":[{"Path":["perms","role"],"Value":"admin"}]},{"name":"other","verifyclaims":null}]}""";

    [Fact]
    public void TryRead_Requirement_IsRead()
    {
        Assert.True(JwtRequirementJson.TryRead(Whole, out var requirement));
        Assert.Equal(
            new JwtRequirement(
            [
                new JwtProviderRequirement("okta", [new JwtClaimRequirement(["perms", "role"], "admin")]), new JwtProviderRequirement("other", []),
            ]),
            requirement);
    }

    [Theory]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("\"\"")]
    public void TryRead_Nothing_AsksForNothing(string json)
    {
        Assert.True(JwtRequirementJson.TryRead(json, out var requirement));
        Assert.Null(requirement);
    }

    // Whatever has been done to it: it is refused, or it asks for as much, never for less without a word.
    [Fact]
    public void TryRead_DamagedText_IsRefusedOrStillAsksForSomething()
    {
        var random = new Random(5);
        var (read, refused) = (0, 0);
        for (var i = 0; i < 20_000; i++)
        {
            var text = Whole.ToCharArray();
            for (var j = random.Next(1, 4); j > 0; j--)
            {
                text[random.Next(text.Length)] = "{}[]\",:nulltrue0aP "[random.Next(19)];
            }

            try
            {
                if (JwtRequirementJson.TryRead(new string(text), out var requirement))
                {
                    read++;
                    Assert.NotNull(requirement);
                }
                else
                {
                    refused++;
                }
            }
            catch (JsonException)
            {
                // No JSON at all: readers of answers and bodies refuse it before.
            }
        }

        Assert.True(read > 500 && refused > 500, $"{read} read, {refused} refused");
    }
}
