using System.Collections.Immutable;
using MeshClient.Server.State;

namespace MeshClient.Server.AccessControl;

/// <summary>Makes sure that the built-in policy and the anonymous token are there, and the token that the options name.</summary>
internal sealed record InitializeAccess(AccessToken Anonymous, AccessToken? Management) : StateCommand
{
    public override ServerState Apply(ServerState state, StateChange change)
    {
        var access = state.Access;
        if (!access.Policies.ContainsKey(AccessPolicy.ManagementId))
        {
            access = access.WithPolicy(AccessPolicy.Management() with { CreateIndex = change.Index, ModifyIndex = change.Index }, change);
        }

        if (!access.Tokens.ContainsKey(AccessToken.AnonymousId))
        {
            access = access.WithToken(Anonymous with { CreateIndex = change.Index, ModifyIndex = change.Index }, change);
        }

        if (Management is { } token && access.FindTokenBySecret(token.SecretId) is null)
        {
            access = access.WithToken(token with { CreateIndex = change.Index, ModifyIndex = change.Index }, change);
            if (access.BootstrapIndex == 0)
            {
                access = access.WithBootstrap(new AccessBootstrap(change.Index), change);
            }
        }

        return ReferenceEquals(access, state.Access) ? state : state with { Access = access };
    }

    public override string ToString() => nameof(InitializeAccess);
}

/// <summary>Makes the first token, once.</summary>
/// <param name="Token">It.</param>
/// <param name="ResetIndex">Allows it once more, when it is the index at which it was done before.</param>
internal sealed record BootstrapAccess(AccessToken Token, ulong? ResetIndex) : StateCommand
{
    public override ServerState Apply(ServerState state, StateChange change)
    {
        if (state.Access.BootstrapIndex is > 0 and var done && done != ResetIndex)
        {
            throw RequestAccess.Denied($": ACL bootstrap no longer allowed (reset index: {done})");
        }

        return state with
        {
            Access = state.Access
                .WithToken(Token with { CreateIndex = change.Index, ModifyIndex = change.Index }, change)
                .WithBootstrap(new AccessBootstrap(change.Index), change),
        };
    }

    public override string ToString() => nameof(BootstrapAccess);
}

/// <summary>Makes a policy, or replaces what one of this id says.</summary>
/// <param name="Policy">It.</param>
/// <param name="IsNew">Whether it must not be there, or must.</param>
internal sealed record PutAccessPolicy(AccessPolicy Policy, bool IsNew) : StateCommand
{
    public override ServerState Apply(ServerState state, StateChange change)
    {
        var access = state.Access;
        var present = access.Policies.GetValueOrDefault(Policy.Id);
        if (!IsNew && present is null)
        {
            throw RequestRefusedException.NotFound($"cannot find policy {Policy.Id}");
        }

        if (access.FindPolicyByName(Policy.Name) is { } named && named.Id != Policy.Id)
        {
            throw RequestRefusedException.Invalid($"Invalid Policy: A Policy with Name \"{Policy.Name}\" already exists");
        }

        if (present?.Id == AccessPolicy.ManagementId && (present.RulesText != Policy.RulesText || !Policy.Datacenters.IsEmpty))
        {
            throw RequestRefusedException.Invalid("Changing the Rules for the builtin global-management policy is not permitted");
        }

        var policy = Policy with { CreateIndex = present?.CreateIndex ?? change.Index, ModifyIndex = change.Index };
        return state with { Access = access.WithPolicy(policy, change) };
    }
}

/// <summary>Takes a policy away; none is no error.</summary>
internal sealed record DeleteAccessPolicy(string Id) : StateCommand
{
    public override ServerState Apply(ServerState state, StateChange change)
    {
        if (Id == AccessPolicy.ManagementId)
        {
            throw RequestRefusedException.Invalid("Delete operation not permitted on the builtin global-management policy");
        }

        return state.Access.Policies.TryGetValue(Id, out var policy)
            ? state with { Access = state.Access.WithoutPolicy(policy, change) }
            : state;
    }
}

/// <summary>A policy that a token is to have, named by id or by name.</summary>
internal sealed record PolicyReference(string Id, string Name);

/// <summary>Makes a token.</summary>
/// <param name="Token">It, without its policies.</param>
/// <param name="Policies">Its policies.</param>
internal sealed record CreateAccessToken(AccessToken Token, ImmutableArray<PolicyReference> Policies) : StateCommand
{
    public override ServerState Apply(ServerState state, StateChange change)
    {
        var access = state.Access;
        if (access.Tokens.ContainsKey(Token.AccessorId))
        {
            throw RequestRefusedException.Invalid("Invalid Token: AccessorID is already in use");
        }

        if (access.FindTokenBySecret(Token.SecretId) is not null)
        {
            throw RequestRefusedException.Invalid("Invalid Token: SecretID is already in use");
        }

        if (Token.AuthMethod is { } method && !access.AuthMethods.ContainsKey(method))
        {
            // Taken away while somebody logged in by it: its tokens went along with it.
            throw RequestAccess.Denied();
        }

        var token = Token with
        {
            PolicyIds = TokenWrites.Resolve(access, Policies),
            CreateIndex = change.Index,
            ModifyIndex = change.Index,
        };
        return state with { Access = access.WithToken(token, change) };
    }

    public override string ToString() => $"{nameof(CreateAccessToken)} {Token}";
}

/// <summary>Replaces what a token says; its ids, its beginning and its end stay.</summary>
/// <param name="Token">It, without its policies.</param>
/// <param name="Policies">Its policies.</param>
/// <param name="IsLocal">Whether it is said to be local; null: as it is.</param>
internal sealed record UpdateAccessToken(AccessToken Token, ImmutableArray<PolicyReference> Policies, bool? IsLocal) : StateCommand
{
    public override ServerState Apply(ServerState state, StateChange change)
    {
        var access = state.Access;
        if (!access.Tokens.TryGetValue(Token.AccessorId, out var present))
        {
            throw RequestRefusedException.NotFound($"Cannot find token \"{Token.AccessorId}\"");
        }

        if (Token.SecretId.Length > 0 && Token.SecretId != present.SecretId)
        {
            throw RequestRefusedException.Invalid("Changing a tokens SecretID is not permitted");
        }

        if (IsLocal is { } isLocal && isLocal != present.IsLocal)
        {
            throw RequestRefusedException.Invalid($"cannot toggle local mode of {Token.AccessorId}");
        }

        if (Token.AuthMethod is { } method && method != present.AuthMethod)
        {
            throw RequestRefusedException.Invalid($"Cannot change AuthMethod of {Token.AccessorId}");
        }

        if (Token.ExpiresAt is { } end && end != present.ExpiresAt)
        {
            throw RequestRefusedException.Invalid($"Cannot change expiration time of {Token.AccessorId}");
        }

        var token = present with
        {
            Description = Token.Description,
            PolicyIds = TokenWrites.Resolve(access, Policies),
            ServiceIdentities = Token.ServiceIdentities,
            NodeIdentities = Token.NodeIdentities,
            ModifyIndex = change.Index,
        };
        return state with { Access = access.WithToken(token, change) };
    }

    public override string ToString() => $"{nameof(UpdateAccessToken)} {Token}";
}

/// <summary>Takes a token away; none is no error.</summary>
internal sealed record DeleteAccessToken(string AccessorId) : StateCommand
{
    public override ServerState Apply(ServerState state, StateChange change)
    {
        if (AccessorId == AccessToken.AnonymousId)
        {
            throw RequestRefusedException.Invalid("Delete operation not permitted on the anonymous token");
        }

        return state.Access.Tokens.TryGetValue(AccessorId, out var token)
            ? state with { Access = state.Access.WithoutToken(token, change) }
            : state;
    }
}

/// <summary>Takes the tokens away whose time is over. They are unknown from that moment on; this only makes room.</summary>
internal sealed record DropExpiredTokens(DateTimeOffset At) : StateCommand
{
    public override ServerState Apply(ServerState state, StateChange change)
    {
        var access = state.Access;
        foreach (var token in access.Tokens.Values.Where(token => token.IsExpired(At)))
        {
            access = access.WithoutToken(token, change);
        }

        return ReferenceEquals(access, state.Access) ? state : state with { Access = access };
    }
}

/// <summary>What the commands on tokens share.</summary>
internal static class TokenWrites
{
    public static ImmutableArray<string> Resolve(AccessState access, ImmutableArray<PolicyReference> policies)
    {
        var ids = ImmutableArray.CreateBuilder<string>(policies.Length);
        foreach (var reference in policies)
        {
            var policy = reference.Id.Length > 0
                ? access.Policies.GetValueOrDefault(reference.Id)
                    ?? throw RequestRefusedException.Invalid($"No such ACL policy with ID \"{reference.Id}\"")
                : access.FindPolicyByName(reference.Name)
                    ?? throw RequestRefusedException.Invalid($"No such ACL policy with name \"{reference.Name}\"");
            if (!ids.Contains(policy.Id))
            {
                ids.Add(policy.Id);
            }
        }

        return ids.ToImmutable();
    }
}
