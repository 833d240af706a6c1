using System.Text.Json.Serialization;
using MeshClient.Server.AccessControl.Login;
using MeshClient.Server.AccessControl.Rules;
using MeshClient.Server.State;

namespace MeshClient.Server.AccessControl;

/// <summary>Stored policies, by id.</summary>
internal sealed class AccessPolicyRows() : JsonRows<AccessPolicy, AccessPolicyDocument>("acl-policies", AccessJsonContext.Default.AccessPolicyDocument)
{
    protected override IEnumerable<KeyValuePair<string, AccessPolicy>> All(ServerState state) => state.Access.Policies;

    protected override ServerState Restore(ServerState state, string key, AccessPolicy record, RestoreContext context) =>
        state with { Access = state.Access.WithPolicy(record, context.Change) };

    protected override AccessPolicyDocument ToDocument(AccessPolicy record, StateSeal seal) => new()
    {
        Id = record.Id,
        Name = record.Name,
        Description = record.Description,
        Rules = record.RulesText,
        Datacenters = [.. record.Datacenters],
        CreateIndex = record.CreateIndex,
        ModifyIndex = record.ModifyIndex,
    };

    protected override AccessPolicy FromDocument(AccessPolicyDocument document, RestoreContext context)
    {
        try
        {
            return new AccessPolicy
            {
                Id = document.Id,
                Name = document.Name,
                Description = document.Description,
                RulesText = document.Rules,
                Rules = RuleParser.Parse(document.Rules),
                Datacenters = [.. document.Datacenters],
                CreateIndex = document.CreateIndex,
                ModifyIndex = document.ModifyIndex,
            };
        }
        catch (RuleTextException e)
        {
            throw new InvalidDataException(e.Message);
        }
    }
}

/// <summary>Stored tokens, by accessor id, with their secrets sealed.</summary>
internal sealed class AccessTokenRows() : JsonRows<AccessToken, AccessTokenDocument>("acl-tokens", AccessJsonContext.Default.AccessTokenDocument)
{
    protected override IEnumerable<KeyValuePair<string, AccessToken>> All(ServerState state) => state.Access.Tokens;

    protected override ServerState Restore(ServerState state, string key, AccessToken record, RestoreContext context) =>
        state with { Access = state.Access.WithToken(record, context.Change) };

    protected override AccessTokenDocument ToDocument(AccessToken record, StateSeal seal) => new()
    {
        AccessorId = record.AccessorId,
        SealedSecret = seal.Seal(record.SecretId, SealName(record.AccessorId)),
        Description = record.Description,
        PolicyIds = [.. record.PolicyIds],
        Services = [.. record.ServiceIdentities.Select(identity => new ServiceIdentityDocument { Name = identity.ServiceName, Datacenters = [.. identity.Datacenters] })],
        Nodes = [.. record.NodeIdentities.Select(identity => new NodeIdentityDocument { Name = identity.NodeName, Datacenter = identity.Datacenter })],
        IsLocal = record.IsLocal,
        AuthMethod = record.AuthMethod,
        CreatedAt = record.CreatedAt,
        ExpiresAt = record.ExpiresAt,
        CreateIndex = record.CreateIndex,
        ModifyIndex = record.ModifyIndex,
    };

    protected override AccessToken FromDocument(AccessTokenDocument document, RestoreContext context) => new()
    {
        AccessorId = document.AccessorId,
        SecretId = context.Seal.Open(document.SealedSecret, SealName(document.AccessorId)),
        Description = document.Description,
        PolicyIds = [.. document.PolicyIds],
        ServiceIdentities = [.. document.Services.Select(identity => new ServiceIdentity(identity.Name, [.. identity.Datacenters]))],
        NodeIdentities = [.. document.Nodes.Select(identity => new NodeIdentity(identity.Name, identity.Datacenter))],
        IsLocal = document.IsLocal,
        AuthMethod = document.AuthMethod,
        CreatedAt = document.CreatedAt,
        ExpiresAt = document.ExpiresAt,
        CreateIndex = document.CreateIndex,
        ModifyIndex = document.ModifyIndex,
    };

    private static string SealName(string accessorId) => "acl-token/" + accessorId;
}

/// <summary>Stored auth methods, by name. Their keys are public ones.</summary>
internal sealed class AuthMethodRows() : JsonRows<AuthMethod, AuthMethodDocument>("acl-auth-methods", AccessJsonContext.Default.AuthMethodDocument)
{
    protected override IEnumerable<KeyValuePair<string, AuthMethod>> All(ServerState state) => state.Access.AuthMethods;

    protected override ServerState Restore(ServerState state, string key, AuthMethod record, RestoreContext context) =>
        state with { Access = state.Access.WithAuthMethod(record, context.Change) };

    protected override AuthMethodDocument ToDocument(AuthMethod record, StateSeal seal) => new()
    {
        Name = record.Name,
        DisplayName = record.DisplayName,
        Description = record.Description,
        MaxTokenLifetime = record.MaxTokenLifetime,
        Config = record.ConfigJson,
        CreateIndex = record.CreateIndex,
        ModifyIndex = record.ModifyIndex,
    };

    protected override AuthMethod FromDocument(AuthMethodDocument document, RestoreContext context)
    {
        try
        {
            return new AuthMethod
            {
                Name = document.Name,
                DisplayName = document.DisplayName,
                Description = document.Description,
                MaxTokenLifetime = document.MaxTokenLifetime,
                ConfigJson = document.Config,
                Config = JwtConfig.Parse(document.Config),
                CreateIndex = document.CreateIndex,
                ModifyIndex = document.ModifyIndex,
            };
        }
        catch (JwtConfigException e)
        {
            throw new InvalidDataException(e.Message);
        }
    }
}

/// <summary>Stored binding rules, by id.</summary>
internal sealed class BindingRuleRows() : JsonRows<BindingRule, BindingRule>("acl-binding-rules", AccessJsonContext.Default.BindingRule)
{
    protected override IEnumerable<KeyValuePair<string, BindingRule>> All(ServerState state) => state.Access.BindingRules;

    protected override ServerState Restore(ServerState state, string key, BindingRule record, RestoreContext context) =>
        state with { Access = state.Access.WithBindingRule(record, context.Change) };

    protected override BindingRule ToDocument(BindingRule record, StateSeal seal) => record;

    protected override BindingRule FromDocument(BindingRule document, RestoreContext context) => document;
}

/// <summary>That the first token has been made.</summary>
internal sealed record AccessBootstrap(ulong Index);

/// <summary>Whether the first token has been made: one row.</summary>
internal sealed class AccessBootstrapRows() : JsonRows<AccessBootstrap, AccessBootstrap>("acl-bootstrap", AccessJsonContext.Default.AccessBootstrap)
{
    /// <summary>The key of the one row.</summary>
    public const string OnlyKey = "first";

    protected override IEnumerable<KeyValuePair<string, AccessBootstrap>> All(ServerState state) =>
        state.Access.BootstrapIndex > 0 ? [new(OnlyKey, new AccessBootstrap(state.Access.BootstrapIndex))] : [];

    protected override ServerState Restore(ServerState state, string key, AccessBootstrap record, RestoreContext context) =>
        state with { Access = state.Access.WithBootstrap(record, context.Change) };

    protected override AccessBootstrap ToDocument(AccessBootstrap record, StateSeal seal) => record;

    protected override AccessBootstrap FromDocument(AccessBootstrap document, RestoreContext context) => document;
}

/// <summary>A policy as stored.</summary>
internal sealed class AccessPolicyDocument
{
    public required string Id { get; init; }

    public required string Name { get; init; }

    public string Description { get; init; } = string.Empty;

    public required string Rules { get; init; }

    public IReadOnlyList<string> Datacenters { get; init; } = [];

    public required ulong CreateIndex { get; init; }

    public required ulong ModifyIndex { get; init; }
}

/// <summary>A token as stored.</summary>
internal sealed class AccessTokenDocument
{
    public required string AccessorId { get; init; }

    public required byte[] SealedSecret { get; init; }

    public string Description { get; init; } = string.Empty;

    public IReadOnlyList<string> PolicyIds { get; init; } = [];

    public IReadOnlyList<ServiceIdentityDocument> Services { get; init; } = [];

    public IReadOnlyList<NodeIdentityDocument> Nodes { get; init; } = [];

    public bool IsLocal { get; init; }

    public string? AuthMethod { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    public DateTimeOffset? ExpiresAt { get; init; }

    public required ulong CreateIndex { get; init; }

    public required ulong ModifyIndex { get; init; }
}

/// <summary>A service identity as stored.</summary>
internal sealed class ServiceIdentityDocument
{
    public required string Name { get; init; }

    public IReadOnlyList<string> Datacenters { get; init; } = [];
}

/// <summary>A node identity as stored.</summary>
internal sealed class NodeIdentityDocument
{
    public required string Name { get; init; }

    public required string Datacenter { get; init; }
}

/// <summary>An auth method as stored.</summary>
internal sealed class AuthMethodDocument
{
    public required string Name { get; init; }

    public string DisplayName { get; init; } = string.Empty;

    public string Description { get; init; } = string.Empty;

    public TimeSpan MaxTokenLifetime { get; init; }

    public required string Config { get; init; }

    public required ulong CreateIndex { get; init; }

    public required ulong ModifyIndex { get; init; }
}

/// <summary>How all of these are read and written.</summary>
[JsonSourceGenerationOptions(RespectNullableAnnotations = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(AccessPolicyDocument))]
[JsonSerializable(typeof(AccessTokenDocument))]
[JsonSerializable(typeof(AuthMethodDocument))]
[JsonSerializable(typeof(BindingRule))]
[JsonSerializable(typeof(AccessBootstrap))]
internal sealed partial class AccessJsonContext : JsonSerializerContext;
