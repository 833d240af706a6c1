using MeshClient.Outbound;

namespace MeshClient.Tests.Outbound;

public sealed class GrpcContentTypeTests
{
    [Theory]
    [InlineData("application/grpc", true, true)]
    [InlineData("Application/GRPC", true, true)]
    [InlineData("application/grpc+proto", true, true)]
    [InlineData("application/grpc;charset=utf-8", true, true)]
    [InlineData("application/grpc ; a=b", true, true)]
    [InlineData("application/grpc-web", false, true)]
    [InlineData("application/grpc-web-text+proto", false, true)]
    [InlineData("application/grpcs", false, false)]
    [InlineData("application/grp", false, false)]
    [InlineData("application/json", false, false)]
    [InlineData("", false, false)]
    [InlineData(null, false, false)]
    public void IsOf_Type_AsItSays(string? type, bool isGrpc, bool isAnyForm)
    {
        Assert.Equal((isGrpc, isAnyForm), (GrpcContentType.IsOf(type), GrpcContentType.IsOfAnyForm(type)));
        using var content = new ByteArrayContent([]);
        content.Headers.TryAddWithoutValidation("Content-Type", type);
        Assert.Equal(isGrpc, GrpcContentType.IsOf(content));
    }
}
