using System.Diagnostics.CodeAnalysis;

namespace MeshClient.Outbound;

/// <summary>Tells what is gRPC: <c>application/grpc</c>, with or without the encoding of its messages behind it.</summary>
internal static class GrpcContentType
{
    public const string Name = "application/grpc";

    public static bool IsOf(HttpContent content) =>
        content.Headers.NonValidated.TryGetValues("Content-Type", out var values) && IsOf(values.ToString());

    // Another protocol begins with the same letters: application/grpc-web, which has its trailers in the body.
    public static bool IsOf([NotNullWhen(true)] string? type) => IsFollowedBy(type, out var next) && next is '\0' or '+' or ';' or ' ';

    /// <summary>
    /// Whether it is gRPC or gRPC-Web: both send their deadline in the same header, and both read the status of an answer without a
    /// body from its head (grpc/grpc, doc/PROTOCOL-WEB.md).
    /// </summary>
    public static bool IsOfAnyForm([NotNullWhen(true)] string? type) => IsOf(type) || (IsFollowedBy(type, out var next) && next == '-');

    // Zero where nothing follows.
    private static bool IsFollowedBy([NotNullWhen(true)] string? type, out char next)
    {
        next = type?.Length > Name.Length ? type[Name.Length] : '\0';
        return type?.StartsWith(Name, StringComparison.OrdinalIgnoreCase) == true;
    }
}
