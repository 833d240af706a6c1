using System.Text.Json;
using System.Text.Json.Serialization;
using MeshClient.Core.Discovery;
using MeshClient.Core.Intentions;

namespace MeshClient.Restart;

/// <summary>
/// How the document is written. Snapshots are written as they are, so that a part added to them is kept without anybody thinking
/// of it; everything has to be there when it is read.
/// </summary>
[JsonSourceGenerationOptions(
    UseStringEnumConverter = true,
    IgnoreReadOnlyProperties = true,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    Converters =
    [
        typeof(SavedConverters.ServiceNameConverter), typeof(SavedConverters.InstanceIdConverter), typeof(SavedConverters.SpiffeIdConverter),
        typeof(SavedConverters.EquatableArrayConverter<string>), typeof(SavedConverters.EquatableArrayConverter<ServiceInstance>),
        typeof(SavedConverters.EquatableArrayConverter<InstanceEndpoint>), typeof(SavedConverters.EquatableArrayConverter<Intention>),
        typeof(SavedConverters.EquatableArrayConverter<IntentionPermission>), typeof(SavedConverters.EquatableArrayConverter<HeaderMatch>),
        typeof(SavedConverters.EquatableArrayConverter<JwtProviderRequirement>), typeof(SavedConverters.EquatableArrayConverter<JwtClaimRequirement>),
    ])]
[JsonSerializable(typeof(SavedDocument))]
[JsonSerializable(typeof(SavedBundle))]
[JsonSerializable(typeof(SavedLeaf))]
[JsonSerializable(typeof(ServiceSnapshot))]
[JsonSerializable(typeof(IntentionSnapshot))]
[JsonSerializable(typeof(string[]))]
[JsonSerializable(typeof(ServiceInstance[]))]
[JsonSerializable(typeof(InstanceEndpoint[]))]
[JsonSerializable(typeof(Intention[]))]
[JsonSerializable(typeof(IntentionPermission[]))]
[JsonSerializable(typeof(HeaderMatch[]))]
[JsonSerializable(typeof(JwtProviderRequirement[]))]
[JsonSerializable(typeof(JwtClaimRequirement[]))]
internal sealed partial class SavedJson : JsonSerializerContext
{
    /// <summary>Whether an exception is one that reading throws for content that is not what it should be.</summary>
    public static bool IsReadFailure(Exception e) =>
        e is JsonException or InvalidOperationException or FormatException or ArgumentException or NotSupportedException;
}
