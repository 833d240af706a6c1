using MeshClient.Overload;

namespace MeshClient.Tests.Overload;

public sealed class MeshPriorityTests
{
    [Theory]
    [InlineData(MeshPriority.Low, "low")]
    [InlineData(MeshPriority.Normal, "normal")]
    [InlineData(MeshPriority.High, "high")]
    public void SetMeshPriority_Twice_TheLastStandsInTheHeader(MeshPriority priority, string expected)
    {
        using var request = new HttpRequestMessage().SetMeshPriority(MeshPriority.High).SetMeshPriority(priority);

        Assert.Equal(expected, Assert.Single(request.Headers.GetValues("mesh-priority")));
        Assert.Equal(priority, MeshPriorityExtensions.Parse(expected.ToUpperInvariant()));
    }

    [Fact]
    public void SetMeshPriority_Unknown_IsRefused() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new HttpRequestMessage().SetMeshPriority((MeshPriority)3));

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("urgent")]
    [InlineData("high,low")]
    public void Parse_AnythingElse_IsNormal(string? value) => Assert.Equal(MeshPriority.Normal, MeshPriorityExtensions.Parse(value));
}
