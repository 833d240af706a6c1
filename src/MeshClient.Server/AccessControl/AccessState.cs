using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using MeshClient.Server.AccessControl.Login;
using MeshClient.Server.State;

namespace MeshClient.Server.AccessControl;

/// <summary>Policies, tokens, and the ways to log in. Immutable.</summary>
internal sealed record AccessState
{
    public ImmutableSortedDictionary<string, AccessPolicy> Policies { get; init; } =
        ImmutableSortedDictionary.Create<string, AccessPolicy>(StringComparer.OrdinalIgnoreCase);

    public ImmutableSortedDictionary<string, AccessToken> Tokens { get; init; } =
        ImmutableSortedDictionary.Create<string, AccessToken>(StringComparer.OrdinalIgnoreCase);

    public ImmutableSortedDictionary<string, AuthMethod> AuthMethods { get; init; } =
        ImmutableSortedDictionary.Create<string, AuthMethod>(StringComparer.Ordinal);

    public ImmutableSortedDictionary<string, BindingRule> BindingRules { get; init; } =
        ImmutableSortedDictionary.Create<string, BindingRule>(StringComparer.OrdinalIgnoreCase);

    /// <summary>The index of the write that made the first token; 0 while nobody has.</summary>
    public ulong BootstrapIndex { get; init; }

    public ulong PoliciesIndex { get; init; } = 1;

    public ulong TokensIndex { get; init; } = 1;

    public ulong AuthMethodsIndex { get; init; } = 1;

    public ulong BindingRulesIndex { get; init; } = 1;

    // By digest of the secret: how long a look-up takes tells nothing of a secret that is nearly right.
    private ImmutableDictionary<string, string> AccessorBySecret { get; init; } =
        ImmutableDictionary.Create<string, string>(StringComparer.Ordinal);

    public AccessPolicy? FindPolicyByName(string name)
    {
        foreach (var policy in Policies.Values)
        {
            if (string.Equals(policy.Name, name, StringComparison.Ordinal))
            {
                return policy;
            }
        }

        return null;
    }

    public AccessToken? FindTokenBySecret(string secret) =>
        AccessorBySecret.TryGetValue(DigestOf(secret), out var accessor) ? Tokens[accessor] : null;

    public AccessState WithPolicy(AccessPolicy policy, StateChange change)
    {
        change.Touch(Topic.AccessPolicies);
        change.Put(StateTables.AccessPolicies, policy.Id, policy);
        return this with { Policies = Policies.SetItem(policy.Id, policy), PoliciesIndex = change.Index };
    }

    /// <summary>Takes a policy away, and off the tokens that have it.</summary>
    public AccessState WithoutPolicy(AccessPolicy policy, StateChange change)
    {
        change.Touch(Topic.AccessPolicies);
        change.Delete(StateTables.AccessPolicies, policy.Id);
        var next = this with { Policies = Policies.Remove(policy.Id), PoliciesIndex = change.Index };
        foreach (var token in Tokens.Values.Where(token => token.PolicyIds.Contains(policy.Id)))
        {
            next = next.WithToken(token with { PolicyIds = token.PolicyIds.Remove(policy.Id), ModifyIndex = change.Index }, change);
        }

        return next;
    }

    public AccessState WithToken(AccessToken token, StateChange change)
    {
        change.Touch(Topic.AccessTokens);
        change.Put(StateTables.AccessTokens, token.AccessorId, token);
        return this with
        {
            Tokens = Tokens.SetItem(token.AccessorId, token),
            AccessorBySecret = AccessorBySecret.SetItem(DigestOf(token.SecretId), token.AccessorId),
            TokensIndex = change.Index,
        };
    }

    public AccessState WithoutToken(AccessToken token, StateChange change)
    {
        change.Touch(Topic.AccessTokens);
        change.Delete(StateTables.AccessTokens, token.AccessorId);
        return this with
        {
            Tokens = Tokens.Remove(token.AccessorId),
            AccessorBySecret = AccessorBySecret.Remove(DigestOf(token.SecretId)),
            TokensIndex = change.Index,
        };
    }

    public AccessState WithAuthMethod(AuthMethod method, StateChange change)
    {
        change.Touch(Topic.AuthMethods);
        change.Put(StateTables.AuthMethods, method.Name, method);
        return this with { AuthMethods = AuthMethods.SetItem(method.Name, method), AuthMethodsIndex = change.Index };
    }

    /// <summary>Takes an auth method away, with its binding rules and the tokens of its logins.</summary>
    public AccessState WithoutAuthMethod(AuthMethod method, StateChange change)
    {
        change.Touch(Topic.AuthMethods);
        change.Delete(StateTables.AuthMethods, method.Name);
        var next = this with { AuthMethods = AuthMethods.Remove(method.Name), AuthMethodsIndex = change.Index };
        foreach (var rule in BindingRules.Values.Where(rule => rule.AuthMethod == method.Name))
        {
            next = next.WithoutBindingRule(rule, change);
        }

        foreach (var token in Tokens.Values.Where(token => token.AuthMethod == method.Name))
        {
            next = next.WithoutToken(token, change);
        }

        return next;
    }

    public AccessState WithBindingRule(BindingRule rule, StateChange change)
    {
        change.Touch(Topic.BindingRules);
        change.Put(StateTables.BindingRules, rule.Id, rule);
        return this with { BindingRules = BindingRules.SetItem(rule.Id, rule), BindingRulesIndex = change.Index };
    }

    public AccessState WithoutBindingRule(BindingRule rule, StateChange change)
    {
        change.Touch(Topic.BindingRules);
        change.Delete(StateTables.BindingRules, rule.Id);
        return this with { BindingRules = BindingRules.Remove(rule.Id), BindingRulesIndex = change.Index };
    }

    public AccessState WithBootstrap(AccessBootstrap bootstrap, StateChange change)
    {
        change.Put(StateTables.AccessBootstrap, AccessBootstrapRows.OnlyKey, bootstrap);
        return this with { BootstrapIndex = bootstrap.Index };
    }

    private static string DigestOf(string secret) => Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(secret)));
}
