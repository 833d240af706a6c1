using System.Security.Cryptography;
using System.Text.Json.Serialization;
using MeshClient.Server.State;

namespace MeshClient.Server.CertificateAuthority;

/// <summary>The stored authority: one row, with the keys of its roots sealed.</summary>
internal sealed class AuthorityRows() : JsonRows<AuthorityState, AuthorityDocument>("authority", AuthorityJsonContext.Default.AuthorityDocument)
{
    /// <summary>The key of the one row.</summary>
    public const string OnlyKey = "connect";

    protected override IEnumerable<KeyValuePair<string, AuthorityState>> All(ServerState state) =>
        state.Authority is { } authority ? [new(OnlyKey, authority)] : [];

    protected override ServerState Restore(ServerState state, string key, AuthorityState record, RestoreContext context) =>
        state with { Authority = record };

    protected override AuthorityDocument ToDocument(AuthorityState record, StateSeal seal) => new()
    {
        TrustDomain = record.TrustDomain,
        RotatedAt = record.RotatedAt,
        Configuration = record.Configuration,
        Roots = [.. record.Roots.Select(root => new RootDocument
        {
            Certificate = root.CertificatePem,
            SealedPrivateKey = root.RevealPrivateKey() is { } key ? seal.Seal(key, root.CertificatePem) : null,
            Intermediates = [.. root.IntermediatePems],
            ReplacedAt = root.ReplacedAt,
            RetireAt = root.RetireAt,
            LongestLeafLifetime = root.LongestLeafLifetime,
            CreateIndex = root.CreateIndex,
            ModifyIndex = root.ModifyIndex,
        })],
    };

    protected override AuthorityState FromDocument(AuthorityDocument document, RestoreContext context)
    {
        if (document.Roots is not [{ SealedPrivateKey: not null, ReplacedAt: null }, ..] || document.Roots.Skip(1).Any(root => root.ReplacedAt is null))
        {
            throw new InvalidDataException("its first root has to be the one that signs, with its key, and no other");
        }

        try
        {
            return new AuthorityState
            {
                TrustDomain = document.TrustDomain,
                Configuration = document.Configuration,
                RotatedAt = document.RotatedAt,
                RootsIndex = context.Change.Index,
                Roots = [.. document.Roots.Select(root => ToRoot(root, context.Seal))],
            };
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            throw new InvalidDataException("a root certificate or its key in it cannot be read");
        }
    }

    private static CaRoot ToRoot(RootDocument root, StateSeal seal) =>
        new(root.Certificate, root.SealedPrivateKey is { } key ? seal.Open(key, root.Certificate) : null)
        {
            IntermediatePems = [.. root.Intermediates],
            ReplacedAt = root.ReplacedAt,
            RetireAt = root.RetireAt,
            LongestLeafLifetime = root.LongestLeafLifetime,
            CreateIndex = root.CreateIndex,
            ModifyIndex = root.ModifyIndex,
        };
}

/// <summary>The authority as stored.</summary>
internal sealed class AuthorityDocument
{
    public required string TrustDomain { get; init; }

    public DateTimeOffset? RotatedAt { get; init; }

    public required CaConfiguration Configuration { get; init; }

    public required IReadOnlyList<RootDocument> Roots { get; init; }
}

/// <summary>A root, with its key while it signs.</summary>
internal sealed class RootDocument
{
    public required string Certificate { get; init; }

    public byte[]? SealedPrivateKey { get; init; }

    public required IReadOnlyList<string> Intermediates { get; init; }

    public DateTimeOffset? ReplacedAt { get; init; }

    public DateTimeOffset? RetireAt { get; init; }

    public required TimeSpan LongestLeafLifetime { get; init; }

    public required ulong CreateIndex { get; init; }

    public required ulong ModifyIndex { get; init; }
}

/// <summary>How the authority is read and written.</summary>
[JsonSourceGenerationOptions(
    UseStringEnumConverter = true, RespectNullableAnnotations = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(AuthorityDocument))]
internal sealed partial class AuthorityJsonContext : JsonSerializerContext;
