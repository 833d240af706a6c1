using System.Text.Json;
using System.Text.Json.Serialization;
using MeshClient.Core;
using MeshClient.Server.Catalog;
using MeshClient.Server.HealthChecks;

namespace MeshClient.Server.State;

/// <summary>The content of the file of instances: JSON, format version 1.</summary>
internal static class CatalogFileFormat
{
    public const int Version = 1;

    public static byte[] Write(CatalogState catalog) => JsonSerializer.SerializeToUtf8Bytes(
        new CatalogDocument
        {
            FormatVersion = Version,
            NodeChecks = [.. catalog.NodeChecks.Values.Where(check => check.CheckId != CheckRecord.NodeAliveId)],
            Instances = [.. catalog.Instances.Values.OrderBy(instance => instance.Id, StringComparer.Ordinal).Select(ToDocument)],
        },
        CatalogJsonContext.Default.CatalogDocument);

    /// <summary>Puts the instances of a file into the empty catalog of a new run.</summary>
    /// <exception cref="InvalidDataException">The file cannot be understood.</exception>
    public static CatalogState Restore(ReadOnlySpan<byte> bytes, CatalogState empty, ulong index, DateTimeOffset now)
    {
        CatalogDocument document;
        try
        {
            document = JsonSerializer.Deserialize(bytes, CatalogJsonContext.Default.CatalogDocument)
                ?? throw new InvalidDataException("it is empty");
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"it is not the JSON it should be (line {e.LineNumber + 1}, path {e.Path})");
        }

        if (document.FormatVersion != Version)
        {
            throw new InvalidDataException($"it is of format version {document.FormatVersion}, and this server knows {Version} only");
        }

        // Nobody watches yet, so what is touched does not matter.
        var change = new StateChange(index);
        var catalog = empty;
        foreach (var check in document.NodeChecks)
        {
            catalog = catalog.WithNodeCheck(check with { StatusSince = now }, change);
        }

        foreach (var instance in document.Instances)
        {
            catalog = catalog.WithInstance(FromDocument(instance, now), change);
        }

        return catalog;
    }

    private static InstanceDocument ToDocument(InstanceRecord instance)
    {
        var service = instance.Definition;
        return new InstanceDocument
        {
            Id = service.Id,
            Name = service.Name,
            Kind = service.Kind,
            Tags = [.. service.Tags],
            Address = service.Address,
            Port = service.Port,
            TaggedAddresses = [.. service.TaggedAddresses],
            Meta = new Dictionary<string, string>(service.Meta),
            Weights = service.Weights,
            EnableTagOverride = service.EnableTagOverride,
            ConnectNative = service.ConnectNative,
            Proxy = service.Proxy,
            Checks = instance.Checks,
            CreateIndex = instance.CreateIndex,
            ModifyIndex = instance.ModifyIndex,
        };
    }

    private static InstanceRecord FromDocument(InstanceDocument document, DateTimeOffset now) => new(
        new ServiceDefinition
        {
            Id = document.Id,
            Name = document.Name,
            Kind = document.Kind,
            Tags = EquatableArray.From(document.Tags),
            Address = document.Address,
            Port = document.Port,
            TaggedAddresses = EquatableArray.From(document.TaggedAddresses),
            Meta = EquatableArray.From(document.Meta.OrderBy(pair => pair.Key, StringComparer.Ordinal)),
            Weights = document.Weights,
            EnableTagOverride = document.EnableTagOverride,
            ConnectNative = document.ConnectNative,
            Proxy = document.Proxy,
        },
        [.. document.Checks.OrderBy(check => check.CheckId, StringComparer.Ordinal).Select(check => check with { StatusSince = now })],
        document.CreateIndex,
        document.ModifyIndex);
}

/// <summary>The whole file.</summary>
internal sealed class CatalogDocument
{
    public required int FormatVersion { get; init; }

    public required IReadOnlyList<CheckRecord> NodeChecks { get; init; }

    public required IReadOnlyList<InstanceDocument> Instances { get; init; }
}

/// <summary>An instance with its checks.</summary>
internal sealed class InstanceDocument
{
    public required string Id { get; init; }

    public required string Name { get; init; }

    public required string Kind { get; init; }

    public required IReadOnlyList<string> Tags { get; init; }

    public required string Address { get; init; }

    public required int Port { get; init; }

    public required IReadOnlyList<TaggedAddress> TaggedAddresses { get; init; }

    public required Dictionary<string, string> Meta { get; init; }

    public required ServiceWeights Weights { get; init; }

    public required bool EnableTagOverride { get; init; }

    public required bool ConnectNative { get; init; }

    public ProxyDefinition? Proxy { get; init; }

    public required IReadOnlyList<CheckRecord> Checks { get; init; }

    public required ulong CreateIndex { get; init; }

    public required ulong ModifyIndex { get; init; }
}

/// <summary>How the file is read and written.</summary>
[JsonSourceGenerationOptions(
    UseStringEnumConverter = true,
    RespectNullableAnnotations = true,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(CatalogDocument))]
internal sealed partial class CatalogJsonContext : JsonSerializerContext;
