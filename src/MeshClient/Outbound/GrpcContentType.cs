namespace MeshClient.Outbound;

/// <summary>Tells what is gRPC: <c>application/grpc</c>, with or without the encoding of its messages behind it.</summary>
internal static class GrpcContentType
{
    private const string Name = "application/grpc";

    public static bool IsOf(HttpContent content) =>
        content.Headers.NonValidated.TryGetValues("Content-Type", out var values)
        && values.ToString() is { } type
        && type.StartsWith(Name, StringComparison.OrdinalIgnoreCase)
        // Another protocol begins with the same letters: application/grpc-web, which has its trailers in the body.
        && (type.Length == Name.Length || type[Name.Length] is '+' or ';' or ' ');
}
