using MeshClient.Server.AccessControl;
using MeshClient.Server.Api.Json;
using MeshClient.Server.State;

namespace MeshClient.Server.Api.AccessControl;

/// <summary>Policies and tokens, and the first token.</summary>
internal sealed class AccessHandlers(
    StateStore store, BlockingQuery queries, TokenResolver resolver, AgentTokens agentTokens, MeshServerOptions options, TimeProvider time)
{
    private const int IdLength = 36;
    private const string ClonePart = "/clone";

    public void Map(RouteTable routes)
    {
        var bootstrap = RouteAccess.Guarded(resolver, "everybody, once", check: null);
        var self = RouteAccess.Guarded(resolver, "the bearer of the token", static request => request.Access.NeedNothing());
        var read = RouteAccess.Guarded(resolver, "acl:read", static request => request.Access.Demand(ResourceKind.Acl, string.Empty, AccessLevel.Read));
        var write = RouteAccess.Guarded(resolver, "acl:write", static request => request.Access.Demand(ResourceKind.Acl, string.Empty, AccessLevel.Write));
        routes.Map("PUT", "/v1/acl/bootstrap", bootstrap, BootstrapAsync);
        routes.Map("GET", "/v1/acl/policies", read, ListPoliciesAsync);
        routes.Map("PUT", "/v1/acl/policy", write, CreatePolicyAsync);
        routes.Map("GET", "/v1/acl/policy/", read, GetPolicyAsync);
        routes.Map("PUT", "/v1/acl/policy/", write, UpdatePolicyAsync);
        routes.Map("DELETE", "/v1/acl/policy/", write, DeletePolicyAsync);
        routes.Map("GET", "/v1/acl/policy/name/", read, GetPolicyByNameAsync);
        routes.Map("GET", "/v1/acl/tokens", read, ListTokensAsync);
        routes.Map("PUT", "/v1/acl/token", write, CreateTokenAsync);
        routes.Map("GET", "/v1/acl/token/self", self, GetSelfAsync);
        routes.Map("GET", "/v1/acl/token/", read, GetTokenAsync);
        routes.Map("PUT", "/v1/acl/token/", write, UpdateTokenAsync);
        routes.Map("DELETE", "/v1/acl/token/", write, DeleteTokenAsync);
        routes.Map("GET", "/v1/acl/roles", read, ListRolesAsync);
        routes.Map("GET", "/v1/acl/replication", read, GetReplicationAsync);
        routes.Map(
            "PUT",
            "/v1/agent/token/",
            RouteAccess.Guarded(resolver, "agent:write on the node", request => request.Access.Demand(ResourceKind.Agent, options.NodeName, AccessLevel.Write)),
            SetAgentTokenAsync);
    }

    private async Task BootstrapAsync(ApiRequest request)
    {
        var token = new AccessToken
        {
            AccessorId = Guid.NewGuid().ToString(),
            SecretId = Access.NewSecret(),
            Description = "Bootstrap Token (Global Management)",
            PolicyIds = [AccessPolicy.ManagementId],
            CreatedAt = time.GetUtcNow(),
        };
        var access = (await store.ApplyAsync(new BootstrapAccess(token, options.AccessControl.BootstrapResetIndex)).ConfigureAwait(false)).Access;
        await request.AnswerJsonAsync(
            writer => writer.WriteToken(access.Tokens[token.AccessorId], access, SecretForm.Told, withOldId: true), isSecret: true).ConfigureAwait(false);
    }

    private async Task ListPoliciesAsync(ApiRequest request)
    {
        var (access, index) = await queries
            .ReadAsync(request, [Topic.AccessPolicies], state => (state.Access, state.Access.PoliciesIndex)).ConfigureAwait(false);
        request.SetIndex(index);
        await request.AnswerJsonAsync(writer =>
        {
            writer.WriteStartArray();
            foreach (var policy in access.Policies.Values)
            {
                writer.WritePolicyEntry(policy);
            }

            writer.WriteEndArray();
        }).ConfigureAwait(false);
    }

    private async Task CreatePolicyAsync(ApiRequest request)
    {
        var input = await DecodePolicyAsync(request).ConfigureAwait(false);
        if (input.Id.Length > 0)
        {
            throw RequestRefusedException.Invalid("Bad request: Cannot specify the ID when creating a new policy");
        }

        await PutPolicyAsync(request, input with { Id = Guid.NewGuid().ToString() }, isNew: true).ConfigureAwait(false);
    }

    private async Task UpdatePolicyAsync(ApiRequest request)
    {
        var id = PolicyIdOf(request);
        var input = await DecodePolicyAsync(request).ConfigureAwait(false);
        if (input.Id.Length > 0 && !string.Equals(input.Id, id, StringComparison.OrdinalIgnoreCase))
        {
            throw RequestRefusedException.Invalid("Bad request: Policy ID in URL and payload do not match");
        }

        await PutPolicyAsync(request, input with { Id = id.ToLowerInvariant() }, isNew: false).ConfigureAwait(false);
    }

    private async Task PutPolicyAsync(ApiRequest request, AccessPolicy input, bool isNew)
    {
        var policy = AccessDecoder.ToPolicy(input);
        var after = await store.ApplyAsync(new PutAccessPolicy(policy, isNew)).ConfigureAwait(false);
        await request.AnswerJsonAsync(writer => writer.WritePolicy(after.Access.Policies[policy.Id])).ConfigureAwait(false);
    }

    private async Task GetPolicyAsync(ApiRequest request)
    {
        var id = PolicyIdOf(request);
        await AnswerPolicyAsync(request, access => access.Policies.GetValueOrDefault(id)).ConfigureAwait(false);
    }

    private async Task GetPolicyByNameAsync(ApiRequest request)
    {
        if (request.Rest.Length == 0)
        {
            throw RequestRefusedException.Invalid("Bad request: Missing policy Name");
        }

        await AnswerPolicyAsync(request, access => access.FindPolicyByName(request.Rest)).ConfigureAwait(false);
    }

    private async Task AnswerPolicyAsync(ApiRequest request, Func<AccessState, AccessPolicy?> find)
    {
        var (policy, index) = await queries.ReadAsync(request, [Topic.AccessPolicies], state =>
        {
            var found = find(state.Access);
            return (found, found?.ModifyIndex ?? state.Access.PoliciesIndex);
        }).ConfigureAwait(false);
        request.SetIndex(index);
        await request.AnswerJsonAsync(writer => writer.WritePolicy(policy ?? throw TokenResolver.NotFound())).ConfigureAwait(false);
    }

    private async Task DeletePolicyAsync(ApiRequest request)
    {
        await store.ApplyAsync(new DeleteAccessPolicy(PolicyIdOf(request))).ConfigureAwait(false);
        await AnswerTrueAsync(request).ConfigureAwait(false);
    }

    private async Task ListTokensAsync(ApiRequest request)
    {
        var (access, index) = await queries
            .ReadAsync(request, [Topic.AccessTokens], state => (state.Access, state.Access.TokensIndex)).ConfigureAwait(false);
        request.SetIndex(index);
        var now = time.GetUtcNow();
        await request.AnswerJsonAsync(writer =>
        {
            writer.WriteStartArray();
            foreach (var token in access.Tokens.Values)
            {
                if (!token.IsExpired(now) && Matches(request, token))
                {
                    writer.WriteToken(token, access, SecretForm.LeftOut);
                }
            }

            writer.WriteEndArray();
        }).ConfigureAwait(false);
    }

    private async Task CreateTokenAsync(ApiRequest request)
    {
        var input = await DecodeTokenAsync(request).ConfigureAwait(false);
        var token = AccessDecoder.ToToken(input, time.GetUtcNow());
        await CreateTokenAsync(request, token, input.Policies).ConfigureAwait(false);
    }

    private async Task CreateTokenAsync(ApiRequest request, AccessToken token, System.Collections.Immutable.ImmutableArray<PolicyReference> policies)
    {
        var access = (await store.ApplyAsync(new CreateAccessToken(token, policies)).ConfigureAwait(false)).Access;
        await request.AnswerJsonAsync(
            writer => writer.WriteToken(access.Tokens[token.AccessorId], access, SecretForm.Told), isSecret: true).ConfigureAwait(false);
    }

    private async Task UpdateTokenAsync(ApiRequest request)
    {
        if (request.Rest.EndsWith(ClonePart, StringComparison.Ordinal))
        {
            await CloneTokenAsync(request).ConfigureAwait(false);
            return;
        }

        var accessorId = AccessorIdOf(request, request.Rest);
        var input = await DecodeTokenAsync(request).ConfigureAwait(false);
        if (input.AccessorId.Length > 0 && !string.Equals(input.AccessorId, accessorId, StringComparison.OrdinalIgnoreCase))
        {
            throw RequestRefusedException.Invalid("Bad request: Token Accessor ID in URL and payload do not match");
        }

        var update = AccessDecoder.ToUpdate(input, accessorId, time.GetUtcNow());
        var access = (await store.ApplyAsync(new UpdateAccessToken(update, input.Policies, input.IsLocal)).ConfigureAwait(false)).Access;
        await request.AnswerJsonAsync(
            writer => writer.WriteToken(access.Tokens[accessorId], access, SecretForm.Told), isSecret: true).ConfigureAwait(false);
    }

    private async Task CloneTokenAsync(ApiRequest request)
    {
        var accessorId = AccessorIdOf(request, request.Rest[..^ClonePart.Length]);
        var input = await DecodeTokenAsync(request).ConfigureAwait(false);
        var now = time.GetUtcNow();
        if (!store.Current.Access.Tokens.TryGetValue(accessorId, out var original) || original.IsExpired(now))
        {
            throw TokenResolver.NotFound();
        }

        if (original.AuthMethod is not null)
        {
            throw RequestRefusedException.Invalid("Cannot clone a token created from an auth method");
        }

        var clone = original with
        {
            AccessorId = Guid.NewGuid().ToString(),
            SecretId = Access.NewSecret(),
            Description = input.Description.Length > 0 ? input.Description : original.Description,
            CreatedAt = now,
        };
        await CreateTokenAsync(request, clone, [.. original.PolicyIds.Select(id => new PolicyReference(id, string.Empty))]).ConfigureAwait(false);
    }

    private Task GetSelfAsync(ApiRequest request)
    {
        var token = resolver.FindToken(request.Http);
        if (token.AccessorId == AccessToken.AnonymousId && TokenResolver.SecretOf(request.Http) is null)
        {
            throw TokenResolver.NotFound();
        }

        // The default token of the agent counts for whoever sends none; its secret is for those who know it.
        return AnswerTokenAsync(request, token, TokenResolver.SecretOf(request.Http) is null ? SecretForm.Hidden : SecretForm.Told);
    }

    private Task GetTokenAsync(ApiRequest request)
    {
        var accessorId = AccessorIdOf(request, request.Rest);
        var access = store.Current.Access;
        if (!access.Tokens.TryGetValue(accessorId, out var token) || token.IsExpired(time.GetUtcNow()))
        {
            request.SetIndex(access.TokensIndex);
            throw TokenResolver.NotFound();
        }

        // Whoever may write tokens could make one like it; whoever may only read must not become its bearer.
        var tells = request.Access.Allows(ResourceKind.Acl, string.Empty, AccessLevel.Write);
        return AnswerTokenAsync(request, token, tells ? SecretForm.Told : SecretForm.Hidden);
    }

    private Task AnswerTokenAsync(ApiRequest request, AccessToken token, SecretForm form)
    {
        var access = store.Current.Access;
        request.SetIndex(access.TokensIndex);
        return request.AnswerJsonAsync(writer => writer.WriteToken(token, access, form), isSecret: true);
    }

    private async Task DeleteTokenAsync(ApiRequest request)
    {
        var accessorId = AccessorIdOf(request, request.Rest);
        if (accessorId == request.Access.AccessorId)
        {
            throw RequestRefusedException.Invalid("Deletion of the request's authorization token is not permitted");
        }

        await store.ApplyAsync(new DeleteAccessToken(accessorId)).ConfigureAwait(false);
        await AnswerTrueAsync(request).ConfigureAwait(false);
    }

    // There are no roles; who asks for all of them is told so.
    private Task ListRolesAsync(ApiRequest request)
    {
        request.SetIndex(1);
        return request.AnswerJsonAsync(writer =>
        {
            writer.WriteStartArray();
            writer.WriteEndArray();
        });
    }

    private Task GetReplicationAsync(ApiRequest request) => request.AnswerJsonAsync(writer =>
    {
        const string never = "0001-01-01T00:00:00Z";
        writer.WriteStartObject();
        writer.WriteBoolean("Enabled", false);
        writer.WriteBoolean("Running", false);
        writer.WriteString("SourceDatacenter", string.Empty);
        writer.WriteString("ReplicationType", string.Empty);
        writer.WriteNumber("ReplicatedIndex", 0);
        writer.WriteNumber("ReplicatedRoleIndex", 0);
        writer.WriteNumber("ReplicatedTokenIndex", 0);
        writer.WriteString("LastSuccess", never);
        writer.WriteString("LastError", never);
        writer.WriteEndObject();
    });

    // Only the default token means something here: this agent calls nobody on its own.
    private async Task SetAgentTokenAsync(ApiRequest request)
    {
        var token = await request.DecodeAsync(
            element =>
            {
                var token = string.Empty;
                foreach (var field in JsonField.In(element))
                {
                    token = field.Key == "token" ? field.Text() : throw field.Unknown();
                }

                return token;
            },
            "Bad request: Request decode failed: ").ConfigureAwait(false);
        switch (request.Rest)
        {
            case "default" or "acl_token":
                agentTokens.Default = token;
                break;
            case "agent" or "acl_agent_token" or "agent_master" or "acl_agent_master_token" or "replication" or "acl_replication_token":
                break;
            default:
                throw RequestRefusedException.NotFound($"Token \"{request.Rest}\" is unknown");
        }

        await request.AnswerEmptyAsync().ConfigureAwait(false);
    }

    private static bool Matches(ApiRequest request, AccessToken token) =>
        (request.Query("policy") is not { Length: > 0 } policy || token.PolicyIds.Contains(policy, StringComparer.OrdinalIgnoreCase))
        && (request.Query("authmethod") is not { Length: > 0 } method || token.AuthMethod == method)
        && request.Query("role") is not { Length: > 0 };

    private static Task<AccessPolicy> DecodePolicyAsync(ApiRequest request) =>
        request.DecodeAsync(AccessDecoder.DecodePolicy, "Bad request: Policy decoding failed: ");

    private static Task<TokenInput> DecodeTokenAsync(ApiRequest request) =>
        request.DecodeAsync(AccessDecoder.DecodeToken, "Bad request: Token decoding failed: ");

    private static Task AnswerTrueAsync(ApiRequest request) => request.AnswerJsonAsync(writer => writer.WriteBooleanValue(true));

    private static string PolicyIdOf(ApiRequest request) =>
        request.Rest.Length == 0 ? throw RequestRefusedException.Invalid("Bad request: Missing policy ID")
        : request.Rest.Length == IdLength ? request.Rest
        : throw RequestRefusedException.Invalid("failed acl policy lookup: index error: UUID must be 36 characters");

    private static string AccessorIdOf(ApiRequest request, string id) =>
        request.Rest.Length == 0 ? throw RequestRefusedException.Invalid("Bad request: Missing token ID")
        : id.Length == IdLength ? id.ToLowerInvariant()
        : throw RequestRefusedException.Invalid("Failed acl token lookup by accessor: failed acl token lookup: index error: UUID must be 36 characters");
}
