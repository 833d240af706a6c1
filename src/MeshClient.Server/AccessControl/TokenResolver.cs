using System.Collections.Concurrent;
using MeshClient.Server.State;
using Microsoft.AspNetCore.Http;

namespace MeshClient.Server.AccessControl;

/// <summary>Finds out who sends a request, and what that one may do.</summary>
/// <remarks>
/// A token is read from <c>?token=</c>, else <c>X-Consul-Token</c>, else <c>Authorization: Bearer</c>; without one the agent's
/// default token counts, and without that the anonymous one. What a token allows is worked out once for each state of the
/// rules: a change of a policy holds from the next request on.
/// </remarks>
internal sealed class TokenResolver(StateStore store, MeshServerOptions options, AgentTokens agentTokens, TimeProvider time)
{
    private const string BearerScheme = "Bearer ";

    private volatile Generation _generation = new(store.Current.Access);

    /// <summary>Whether access control is on.</summary>
    public bool IsEnabled => options.AccessControl.Enabled;

    /// <summary>The secret that a request carries; null when it carries none.</summary>
    public static string? SecretOf(HttpContext http)
    {
        if (http.Request.Query.TryGetValue("token", out var query) && query.FirstOrDefault() is { Length: > 0 } asked)
        {
            return asked;
        }

        if (http.Request.Headers["X-Consul-Token"].FirstOrDefault() is { Length: > 0 } header)
        {
            return header;
        }

        return http.Request.Headers.Authorization.FirstOrDefault() is { } authorization
            && authorization.StartsWith(BearerScheme, StringComparison.OrdinalIgnoreCase)
            && authorization[BearerScheme.Length..].Trim() is { Length: > 0 } bearer
                ? bearer
                : null;
    }

    /// <exception cref="RequestRefusedException">The token is unknown.</exception>
    public RequestAccess Resolve(HttpContext http)
    {
        if (!IsEnabled)
        {
            return new RequestAccess(Authorizer.Unrestricted, string.Empty);
        }

        var token = FindToken(http);
        return new RequestAccess(AuthorizerOf(token), token.AccessorId, () => AuthorizerOf(FindToken(http)));
    }

    /// <summary>The token of a request.</summary>
    /// <exception cref="RequestRefusedException">It is unknown, or its time is over.</exception>
    public AccessToken FindToken(HttpContext http)
    {
        var access = store.Current.Access;
        var secret = SecretOf(http) ?? agentTokens.Default;
        var token = secret is null ? Anonymous(access) : access.FindTokenBySecret(secret);
        return token is null || token.IsExpired(time.GetUtcNow()) ? throw NotFound() : token;
    }

    // A snapshot of before access control has none.
    private static AccessToken Anonymous(AccessState access) =>
        access.Tokens.GetValueOrDefault(AccessToken.AnonymousId) ?? AccessToken.Anonymous(DateTimeOffset.UnixEpoch);

    public static RequestRefusedException NotFound() => new(StatusCodes.Status403Forbidden, "ACL not found");

    private Authorizer AuthorizerOf(AccessToken token)
    {
        var access = store.Current.Access;
        var generation = _generation;
        if (!ReferenceEquals(generation.Access, access))
        {
            _generation = generation = new Generation(access);
        }

        // By the token itself and not by its name: one that has changed since it was found is another.
        return generation.Authorizers.GetOrAdd(token, Build, (access, options));
    }

    private static Authorizer Build(AccessToken token, (AccessState Access, MeshServerOptions Options) from)
    {
        var datacenter = from.Options.Datacenter;
        var policies = token.PolicyIds
            .Select(id => from.Access.Policies.GetValueOrDefault(id))
            .Where(policy => policy?.HoldsIn(datacenter) == true)
            .SelectMany(policy => policy!.Rules);
        var services = token.ServiceIdentities
            .Where(identity => identity.Datacenters.IsEmpty || identity.Datacenters.Contains(datacenter, StringComparer.Ordinal))
            .SelectMany(identity => IdentityRules.OfService(identity.ServiceName));
        var nodes = token.NodeIdentities
            .Where(identity => identity.Datacenter == datacenter)
            .SelectMany(identity => IdentityRules.OfNode(identity.NodeName));
        return Authorizer.Create(
            policies.Concat(services).Concat(nodes), from.Options.AccessControl.DefaultPolicy == DefaultAccessPolicy.Allow);
    }

    private sealed class Generation(AccessState access)
    {
        public AccessState Access => access;

        public ConcurrentDictionary<AccessToken, Authorizer> Authorizers { get; } = new(ReferenceEqualityComparer.Instance);
    }
}

/// <summary>What identities allow (Consul's synthetic policies).</summary>
internal static class IdentityRules
{
    /// <summary>To be the service and its sidecar, and to find all others.</summary>
    public static IEnumerable<AccessRule> OfService(string name) =>
    [
        new(ResourceKind.Service, name, IsPrefix: false, AccessLevel.Write),
        new(ResourceKind.Service, name + "-sidecar-proxy", IsPrefix: false, AccessLevel.Write),
        new(ResourceKind.Service, string.Empty, IsPrefix: true, AccessLevel.Read),
        new(ResourceKind.Node, string.Empty, IsPrefix: true, AccessLevel.Read),
    ];

    /// <summary>To be the agent of a node.</summary>
    public static IEnumerable<AccessRule> OfNode(string name) =>
    [
        new(ResourceKind.Node, name, IsPrefix: false, AccessLevel.Write),
        new(ResourceKind.Service, string.Empty, IsPrefix: true, AccessLevel.Read),
    ];
}
