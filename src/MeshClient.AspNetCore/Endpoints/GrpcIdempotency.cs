using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Reflection;
using Microsoft.AspNetCore.Http;

namespace MeshClient.AspNetCore.Endpoints;

/// <summary>What the description of a gRPC method says of it: the option <c>idempotency_level</c> (google/protobuf/descriptor.proto).</summary>
/// <remarks>
/// Looked up by name, since this package depends on none of gRPC's: the endpoint has a <c>GrpcMethodMetadata</c>, whose service type
/// descends from a generated class, which names by <c>BindServiceMethodAttribute</c> the class with the service's <c>Descriptor</c>; that is
/// where gRPC's own reflection service finds it too. Services made without a .proto file have none.
/// </remarks>
internal static class GrpcIdempotency
{
    private const string MethodMetadata = "Grpc.AspNetCore.Server.GrpcMethodMetadata";
    private const string BindAttribute = "Grpc.Core.BindServiceMethodAttribute";
    private const int NoSideEffects = 1;
    private const int Idempotent = 2;

    /// <summary>Whether an endpoint is a gRPC method as gRPC's own package maps it.</summary>
    public static bool IsMethod(Endpoint endpoint) => Find(endpoint) is not null;

    /// <summary>Whether the method is described as idempotent, or as one without side effects.</summary>
    public static bool IsDeclared(Endpoint endpoint) =>
        Find(endpoint) is { } metadata
        && Get(metadata, "ServiceType") is Type service
        && Get(metadata, "Method") is { } method
        && Get(method, "Name") is string name
        && DescriptorOf(service) is { } descriptor
        && Call(descriptor, "FindMethodByName", name) is { } described
        && Call(described, "GetOptions") is { } options
        && Get(options, "IdempotencyLevel") is Enum level
        && Convert.ToInt32(level, CultureInfo.InvariantCulture) is NoSideEffects or Idempotent;

    private static object? Find(Endpoint endpoint)
    {
        foreach (var one in endpoint.Metadata)
        {
            if (one.GetType().FullName == MethodMetadata)
            {
                return one;
            }
        }

        return null;
    }

    [UnconditionalSuppressMessage("Trimming", "IL2075", Justification = "What was trimmed away is not found, and what is not found is not idempotent.")]
    private static object? DescriptorOf(Type service)
    {
        for (var type = service; type is not null; type = type.BaseType)
        {
            var bind = type.GetCustomAttributes(inherit: false).FirstOrDefault(one => one.GetType().FullName == BindAttribute);
            if (bind is not null)
            {
                return Get(bind, "BindType") is Type generated
                    ? generated.GetProperty("Descriptor", BindingFlags.Public | BindingFlags.Static)?.GetValue(null)
                    : null;
            }
        }

        return null;
    }

    [UnconditionalSuppressMessage("Trimming", "IL2075", Justification = "What was trimmed away is not found, and what is not found is not idempotent.")]
    private static object? Get(object of, string property) =>
        of.GetType().GetProperty(property, BindingFlags.Public | BindingFlags.Instance)?.GetValue(of);

    [UnconditionalSuppressMessage("Trimming", "IL2075", Justification = "What was trimmed away is not found, and what is not found is not idempotent.")]
    private static object? Call(object of, string method, params string[] arguments) =>
        of.GetType().GetMethod(method, BindingFlags.Public | BindingFlags.Instance, [.. arguments.Select(_ => typeof(string))])?.Invoke(of, [.. arguments]);
}
