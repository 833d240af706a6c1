using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using MeshClient.Server.AccessControl;
using MeshClient.Server.AccessControl.Login;
using MeshClient.Server.AccessControl.Rules;
using MeshClient.Server.Api.Json;

namespace MeshClient.Server.Api.AccessControl;

/// <summary>A token as it was written.</summary>
internal sealed class TokenInput
{
    public string AccessorId { get; set; } = string.Empty;

    public string SecretId { get; set; } = string.Empty;

    public string Description { get; set; } = string.Empty;

    public ImmutableArray<PolicyReference> Policies { get; set; } = [];

    public ImmutableArray<ServiceIdentity> ServiceIdentities { get; set; } = [];

    public ImmutableArray<NodeIdentity> NodeIdentities { get; set; } = [];

    public bool? IsLocal { get; set; }

    public string? AuthMethod { get; set; }

    public TimeSpan Lifetime { get; set; }

    public DateTimeOffset? ExpiresAt { get; set; }
}

/// <summary>Reads and judges what is written about policies, tokens, auth methods and binding rules.</summary>
internal static class AccessDecoder
{
    private const string ReservedIds = "00000000-0000-0000-0000-0000000000";
    private static readonly TimeSpan MinTokenLifetime = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan MaxTokenLifetime = TimeSpan.FromHours(24);

    public static TokenInput DecodeToken(JsonElement element)
    {
        var input = new TokenInput();
        foreach (var field in JsonField.In(element))
        {
            switch (field.Key)
            {
                case "accessorid": input.AccessorId = field.Text(); break;
                case "secretid": input.SecretId = field.Text(); break;
                case "description": input.Description = field.Text(); break;
                case "policies": input.Policies = [.. Objects(field).Select(DecodeReference)]; break;
                case "serviceidentities": input.ServiceIdentities = [.. Objects(field).Select(DecodeServiceIdentity)]; break;
                case "nodeidentities": input.NodeIdentities = [.. Objects(field).Select(DecodeNodeIdentity)]; break;
                case "roles": RefuseRoles(field); break;
                case "local": input.IsLocal = field.Flag(); break;
                case "authmethod": input.AuthMethod = field.Text() is { Length: > 0 } method ? method : null; break;
                case "expirationttl": input.Lifetime = field.Duration(); break;
                case "expirationtime": input.ExpiresAt = TimeOf(field); break;
                case "createtime" or "hash" or "createindex" or "modifyindex" or "rules" or "namespace" or "partition": break;
                default: throw field.Unknown();
            }
        }

        return input;
    }

    /// <summary>Judges a new token.</summary>
    public static AccessToken ToToken(TokenInput input, DateTimeOffset now)
    {
        if (input.AuthMethod is not null)
        {
            throw RequestRefusedException.Invalid("AuthMethod field is disallowed outside of Login");
        }

        CheckId(input.AccessorId, "AccessorID");
        CheckId(input.SecretId, "SecretID");
        CheckIdentities(input);
        return new AccessToken
        {
            AccessorId = input.AccessorId.Length > 0 ? input.AccessorId.ToLowerInvariant() : Guid.NewGuid().ToString(),
            SecretId = input.SecretId.Length > 0 ? input.SecretId : Access.NewSecret(),
            Description = input.Description,
            ServiceIdentities = input.ServiceIdentities,
            NodeIdentities = input.NodeIdentities,
            IsLocal = input.IsLocal == true,
            CreatedAt = now,
            ExpiresAt = EndOf(input, now),
        };
    }

    /// <summary>Judges what a token is to say from now on; the moments in it are not changed.</summary>
    public static AccessToken ToUpdate(TokenInput input, string accessorId, DateTimeOffset now)
    {
        CheckIdentities(input);
        return new AccessToken
        {
            AccessorId = accessorId,
            SecretId = input.SecretId,
            Description = input.Description,
            ServiceIdentities = input.ServiceIdentities,
            NodeIdentities = input.NodeIdentities,
            AuthMethod = input.AuthMethod,
            CreatedAt = now,
            ExpiresAt = input.ExpiresAt,
        };
    }

    public static AccessPolicy DecodePolicy(JsonElement element)
    {
        var policy = new AccessPolicy { Id = string.Empty, Name = string.Empty, RulesText = string.Empty, Rules = [] };
        foreach (var field in JsonField.In(element))
        {
            switch (field.Key)
            {
                case "id": policy = policy with { Id = field.Text() }; break;
                case "name": policy = policy with { Name = field.Text() }; break;
                case "description": policy = policy with { Description = field.Text() }; break;
                case "rules": policy = policy with { RulesText = field.Text() }; break;
                case "datacenters": policy = policy with { Datacenters = [.. field.Texts()] }; break;
                case "hash" or "createindex" or "modifyindex" or "namespace" or "partition": break;
                default: throw field.Unknown();
            }
        }

        return policy;
    }

    /// <summary>Judges a policy and reads its rules.</summary>
    public static AccessPolicy ToPolicy(AccessPolicy input)
    {
        if (input.Name.Length == 0)
        {
            throw RequestRefusedException.Invalid("Invalid Policy: no Name is set");
        }

        if (!Names.IsPlain(input.Name))
        {
            throw RequestRefusedException.Invalid("Invalid Policy: invalid Name. Only alphanumeric characters, '-' and '_' are allowed");
        }

        try
        {
            return input with { Rules = RuleParser.Parse(input.RulesText) };
        }
        catch (RuleTextException e)
        {
            throw RequestRefusedException.Invalid(e.Message);
        }
    }

    public static AuthMethod DecodeAuthMethod(JsonElement element)
    {
        var (name, type, display, description, config) = (string.Empty, string.Empty, string.Empty, string.Empty, "{}");
        var lifetime = TimeSpan.Zero;
        foreach (var field in JsonField.In(element))
        {
            switch (field.Key)
            {
                case "name": name = field.Text(); break;
                case "type": type = field.Text(); break;
                case "displayname": display = field.Text(); break;
                case "description": description = field.Text(); break;
                case "maxtokenttl": lifetime = field.Duration(); break;
                case "config": config = field.Json() ?? "{}"; break;
                case "tokenlocality" when field.Text() is "" or "local": break;
                case "createindex" or "modifyindex" or "namespace" or "partition" or "namespacerules": break;
                default: throw field.Unknown();
            }
        }

        if (name.Length == 0)
        {
            throw RequestRefusedException.Invalid("Invalid Auth Method: no Name is set");
        }

        if (!Names.IsPlain(name))
        {
            throw RequestRefusedException.Invalid("Invalid Auth Method: invalid Name. Only alphanumeric characters, '-' and '_' are allowed");
        }

        if (type != AuthMethod.JwtType)
        {
            throw RequestRefusedException.Invalid("Invalid Auth Method: Type should be one of: [jwt]");
        }

        if (lifetime != TimeSpan.Zero && (lifetime < MinTokenLifetime || lifetime > MaxTokenLifetime))
        {
            throw RequestRefusedException.Invalid(
                $"MaxTokenTTL {GoDuration.From(lifetime)} cannot be less than {GoDuration.From(MinTokenLifetime)} or more than {GoDuration.From(MaxTokenLifetime)}");
        }

        try
        {
            return new AuthMethod
            {
                Name = name,
                DisplayName = display,
                Description = description,
                MaxTokenLifetime = lifetime,
                ConfigJson = config,
                Config = JwtConfig.Parse(config),
            };
        }
        catch (JwtConfigException e)
        {
            throw RequestRefusedException.Invalid($"Invalid Auth Method: {e.Message}");
        }
    }

    public static BindingRule DecodeBindingRule(JsonElement element)
    {
        var rule = new BindingRule { Id = string.Empty, AuthMethod = string.Empty, BindType = string.Empty, BindName = string.Empty };
        foreach (var field in JsonField.In(element))
        {
            switch (field.Key)
            {
                case "id": rule = rule with { Id = field.Text() }; break;
                case "description": rule = rule with { Description = field.Text() }; break;
                case "authmethod": rule = rule with { AuthMethod = field.Text() }; break;
                case "selector": rule = rule with { Selector = field.Text() }; break;
                case "bindtype": rule = rule with { BindType = field.Text() }; break;
                case "bindname": rule = rule with { BindName = field.Text() }; break;
                case "createindex" or "modifyindex" or "namespace" or "partition": break;
                default: throw field.Unknown();
            }
        }

        return rule;
    }

    /// <summary>A login: the method, the token of the identity provider, and what the caller says of itself.</summary>
    public static (string Method, string Bearer, string Meta) DecodeLogin(JsonElement element)
    {
        var (method, bearer, meta) = (string.Empty, string.Empty, string.Empty);
        foreach (var field in JsonField.In(element))
        {
            switch (field.Key)
            {
                case "authmethod": method = field.Text(); break;
                case "bearertoken": bearer = field.Text(); break;
                case "meta": meta = field.TextMap().Count > 0 ? field.Json()! : string.Empty; break;
                case "namespace" or "partition": break;
                default: throw field.Unknown();
            }
        }

        return (method, bearer, meta);
    }

    private static IEnumerable<JsonField> Objects(JsonField field) =>
        field.Items().Select(item => new JsonField(field.Name, item, field.Path));

    private static PolicyReference DecodeReference(JsonField reference)
    {
        var (id, name) = (string.Empty, string.Empty);
        foreach (var field in reference.Fields())
        {
            switch (field.Key)
            {
                case "id": id = field.Text(); break;
                case "name": name = field.Text(); break;
                default: throw field.Unknown();
            }
        }

        return new PolicyReference(id, name);
    }

    private static ServiceIdentity DecodeServiceIdentity(JsonField identity)
    {
        var name = string.Empty;
        ImmutableArray<string> datacenters = [];
        foreach (var field in identity.Fields())
        {
            switch (field.Key)
            {
                case "servicename": name = field.Text(); break;
                case "datacenters": datacenters = [.. field.Texts()]; break;
                default: throw field.Unknown();
            }
        }

        return new ServiceIdentity(name, datacenters);
    }

    private static NodeIdentity DecodeNodeIdentity(JsonField identity)
    {
        var (name, datacenter) = (string.Empty, string.Empty);
        foreach (var field in identity.Fields())
        {
            switch (field.Key)
            {
                case "nodename": name = field.Text(); break;
                case "datacenter": datacenter = field.Text(); break;
                default: throw field.Unknown();
            }
        }

        return new NodeIdentity(name, datacenter);
    }

    private static void RefuseRoles(JsonField field)
    {
        if (Objects(field).Select(DecodeReference).FirstOrDefault() is { } role)
        {
            throw RequestRefusedException.Invalid(
                role.Id.Length > 0 ? $"No such ACL role with ID \"{role.Id}\"" : $"No such ACL role with name \"{role.Name}\"");
        }
    }

    private static DateTimeOffset? TimeOf(JsonField field) =>
        field.Text() is not { Length: > 0 } text ? null
        : DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var time) ? time
        : throw new JsonDecodeException($"parsing time \"{text}\" as a time of RFC 3339: it is none");

    private static DateTimeOffset? EndOf(TokenInput input, DateTimeOffset now)
    {
        if (input.Lifetime != TimeSpan.Zero && input.ExpiresAt is not null)
        {
            throw RequestRefusedException.Invalid("Token Expiration TTL and Expiration Time cannot both be set");
        }

        var end = input.Lifetime != TimeSpan.Zero ? now + input.Lifetime : input.ExpiresAt;
        if (end is { } moment)
        {
            var left = moment - now;
            if (left < MinTokenLifetime)
            {
                throw RequestRefusedException.Invalid(
                    $"ExpirationTime cannot be less than {GoDuration.From(MinTokenLifetime)} in the future (was {GoDuration.From(left)})");
            }

            if (left > MaxTokenLifetime)
            {
                throw RequestRefusedException.Invalid(
                    $"ExpirationTime cannot be more than {GoDuration.From(MaxTokenLifetime)} in the future (was {GoDuration.From(left)})");
            }
        }

        return end;
    }

    private static void CheckId(string id, string name)
    {
        if (id.Length == 0)
        {
            return;
        }

        if (!Guid.TryParseExact(id, "D", out _))
        {
            throw RequestRefusedException.Invalid($"Invalid Token: {name} is not a valid UUID");
        }

        if (id.StartsWith(ReservedIds, StringComparison.Ordinal))
        {
            throw RequestRefusedException.Invalid($"Invalid Token: UUIDs with the prefix \"{ReservedIds}\" are reserved");
        }
    }

    private static void CheckIdentities(TokenInput input)
    {
        foreach (var identity in input.ServiceIdentities)
        {
            if (identity.ServiceName.Length == 0)
            {
                throw RequestRefusedException.Invalid("Service identity is missing the service name field on this token");
            }

            if (!Names.IsIdentity(identity.ServiceName))
            {
                throw RequestRefusedException.Invalid(
                    $"Service identity \"{identity.ServiceName}\" has an invalid name. Only alphanumeric characters, '-' and '_' are allowed");
            }
        }

        foreach (var identity in input.NodeIdentities)
        {
            if (identity.NodeName.Length == 0)
            {
                throw RequestRefusedException.Invalid("Node identity is missing the node name field on this token");
            }

            if (!Names.IsIdentity(identity.NodeName))
            {
                throw RequestRefusedException.Invalid(
                    $"Node identity \"{identity.NodeName}\" has an invalid name. Only alphanumeric characters, '-' and '_' are allowed");
            }

            if (identity.Datacenter.Length == 0)
            {
                throw RequestRefusedException.Invalid("Node identity is missing the datacenter field on this token");
            }
        }
    }
}
