using System.Text.Json;
using System.Text.Json.Serialization;
using MeshClient.Core;
using MeshClient.Core.Intentions;
using MeshClient.Server.CertificateAuthority;
using MeshClient.Server.Intentions;

namespace MeshClient.Server.State;

/// <summary>
/// The content of a state file: JSON, format version 1. A change that an older server would misread gets a new version;
/// unknown keys are refused, so nothing that was stored is ever left out silently.
/// </summary>
internal static class StateFileFormat
{
    public const int Version = 1;

    public static byte[] Write(ServerState state)
    {
        var authority = state.Authority!;
        return JsonSerializer.SerializeToUtf8Bytes(
            new StateDocument
            {
                FormatVersion = Version,
                Index = state.Index,
                NodeId = state.Catalog.Node.Id,
                TrustDomain = authority.TrustDomain,
                RotatedAt = authority.RotatedAt,
                Configuration = authority.Configuration,
                Roots = [.. authority.Roots.Select(root => new RootDocument
                {
                    Certificate = root.CertificatePem,
                    PrivateKey = root.RevealPrivateKey(),
                    Intermediates = [.. root.IntermediatePems],
                    ReplacedAt = root.ReplacedAt,
                    RetireAt = root.RetireAt,
                    LongestLeafLifetime = root.LongestLeafLifetime,
                    CreateIndex = root.CreateIndex,
                    ModifyIndex = root.ModifyIndex,
                })],
                Intentions = [.. state.Intentions.All().Select(ToDocument)],
            },
            StateJsonContext.Default.StateDocument);
    }

    /// <exception cref="InvalidDataException">It cannot be understood, or is of a version this server does not know.</exception>
    public static StoredState Read(ReadOnlySpan<byte> bytes)
    {
        try
        {
            using (var document = JsonDocument.Parse(bytes.ToArray()))
            {
                if (document.RootElement.ValueKind != JsonValueKind.Object
                    || !document.RootElement.TryGetProperty(nameof(StateDocument.FormatVersion), out var version)
                    || !version.TryGetInt32(out var number))
                {
                    throw new InvalidDataException("it has no format version");
                }

                if (number != Version)
                {
                    throw new InvalidDataException($"it is of format version {number}, and this server knows {Version} only");
                }
            }

            return FromDocument(JsonSerializer.Deserialize(bytes, StateJsonContext.Default.StateDocument)
                ?? throw new InvalidDataException("it is empty"));
        }
        catch (JsonException e)
        {
            // The exception's own text names the place, never a value.
            throw new InvalidDataException($"it is not the JSON it should be (line {e.LineNumber + 1}, path {e.Path})");
        }
        catch (System.Security.Cryptography.CryptographicException)
        {
            throw new InvalidDataException("a root certificate or its key in it cannot be read");
        }
        catch (ArgumentException)
        {
            throw new InvalidDataException("a root certificate or its key in it cannot be read");
        }
    }

    private static StoredState FromDocument(StateDocument document)
    {
        if (document.Roots.Count == 0 || document.TrustDomain.Length == 0 || document.NodeId.Length == 0)
        {
            throw new InvalidDataException("it has no root, trust domain or node id");
        }

        if (document.Roots[0] is not { PrivateKey: not null, ReplacedAt: null } || document.Roots.Skip(1).Any(root => root.ReplacedAt is null))
        {
            throw new InvalidDataException("its first root has to be the one that signs, with its key, and no other");
        }

        var authority = new AuthorityState
        {
            TrustDomain = document.TrustDomain,
            Configuration = document.Configuration,
            RotatedAt = document.RotatedAt,
            RootsIndex = document.Index,
            Roots = [.. document.Roots.Select(root => FromDocument(root, document.Configuration.LeafLifetime))],
        };
        return new StoredState(document.Index, document.NodeId, authority, [.. document.Intentions.Select(FromDocument)]);
    }

    // Files of before have the keys of replaced roots too, which are let go, and do not say what lives they signed.
    private static CaRoot FromDocument(RootDocument root, TimeSpan presentLifetime)
    {
        var longest = root.LongestLeafLifetime ?? presentLifetime;
        return new CaRoot(root.Certificate, root.ReplacedAt is null ? root.PrivateKey : null)
        {
            IntermediatePems = [.. root.Intermediates],
            ReplacedAt = root.ReplacedAt,
            RetireAt = root.RetireAt ?? (root.ReplacedAt is { } replaced ? CaRoot.RetirementOf(replaced, longest) : null),
            LongestLeafLifetime = longest,
            CreateIndex = root.CreateIndex,
            ModifyIndex = root.ModifyIndex,
        };
    }

    private static IntentionDocument ToDocument(StoredIntention intention) => new()
    {
        Id = intention.Id,
        Description = intention.Description,
        Source = intention.Source,
        Destination = intention.Destination,
        Action = intention.Action,
        Permissions = [.. intention.Permissions.Select(permission => new PermissionDocument
        {
            Action = permission.Rule.Action,
            PathExact = permission.Rule.PathExact,
            PathPrefix = permission.Rule.PathPrefix,
            PathRegex = permission.Rule.PathRegex,
            Methods = [.. permission.Rule.Methods],
            Headers = [.. permission.Rule.Headers],
            Jwt = permission.JwtJson,
        })],
        Jwt = intention.JwtJson,
        Meta = new Dictionary<string, string>(intention.Meta),
        CreatedAt = intention.CreatedAt,
        UpdatedAt = intention.UpdatedAt,
        CreateIndex = intention.CreateIndex,
        ModifyIndex = intention.ModifyIndex,
    };

    private static StoredIntention FromDocument(IntentionDocument document)
    {
        if (document.Action is null == (document.Permissions.Count == 0))
        {
            throw new InvalidDataException($"intention {document.Id} needs either an action or permissions");
        }

        return new StoredIntention
        {
            Id = document.Id,
            Description = document.Description,
            Source = document.Source,
            Destination = document.Destination,
            Action = document.Action,
            Permissions = EquatableArray.From(document.Permissions.Select(permission => new StoredPermission(
                new IntentionPermission
                {
                    Action = permission.Action,
                    PathExact = permission.PathExact,
                    PathPrefix = permission.PathPrefix,
                    PathRegex = permission.PathRegex,
                    Methods = EquatableArray.From(permission.Methods),
                    Headers = EquatableArray.From(permission.Headers),
                    HasUnsupportedRequirement = permission.Jwt is not null,
                },
                permission.Jwt))),
            JwtJson = document.Jwt,
            Meta = EquatableArray.From(document.Meta.OrderBy(pair => pair.Key, StringComparer.Ordinal)),
            CreatedAt = document.CreatedAt,
            UpdatedAt = document.UpdatedAt,
            CreateIndex = document.CreateIndex,
            ModifyIndex = document.ModifyIndex,
        };
    }
}

/// <summary>The whole file.</summary>
internal sealed class StateDocument
{
    public required int FormatVersion { get; init; }

    public required ulong Index { get; init; }

    public required string NodeId { get; init; }

    public required string TrustDomain { get; init; }

    public DateTimeOffset? RotatedAt { get; init; }

    public required CaConfiguration Configuration { get; init; }

    public required IReadOnlyList<RootDocument> Roots { get; init; }

    public required IReadOnlyList<IntentionDocument> Intentions { get; init; }
}

/// <summary>A root, with its key while it signs.</summary>
internal sealed class RootDocument
{
    public required string Certificate { get; init; }

    public string? PrivateKey { get; init; }

    public required IReadOnlyList<string> Intermediates { get; init; }

    public DateTimeOffset? ReplacedAt { get; init; }

    public DateTimeOffset? RetireAt { get; init; }

    public TimeSpan? LongestLeafLifetime { get; init; }

    public required ulong CreateIndex { get; init; }

    public required ulong ModifyIndex { get; init; }
}

/// <summary>An intention.</summary>
internal sealed class IntentionDocument
{
    public required string Id { get; init; }

    public required string Description { get; init; }

    public required string Source { get; init; }

    public required string Destination { get; init; }

    public IntentionAction? Action { get; init; }

    public required IReadOnlyList<PermissionDocument> Permissions { get; init; }

    public string? Jwt { get; init; }

    public required Dictionary<string, string> Meta { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    public required DateTimeOffset UpdatedAt { get; init; }

    public required ulong CreateIndex { get; init; }

    public required ulong ModifyIndex { get; init; }
}

/// <summary>A permission.</summary>
internal sealed class PermissionDocument
{
    public required IntentionAction Action { get; init; }

    public string? PathExact { get; init; }

    public string? PathPrefix { get; init; }

    public string? PathRegex { get; init; }

    public required IReadOnlyList<string> Methods { get; init; }

    public required IReadOnlyList<HeaderMatch> Headers { get; init; }

    public string? Jwt { get; init; }
}

/// <summary>How the file is read and written.</summary>
[JsonSourceGenerationOptions(
    WriteIndented = true,
    UseStringEnumConverter = true,
    RespectNullableAnnotations = true,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(StateDocument))]
internal sealed partial class StateJsonContext : JsonSerializerContext;
