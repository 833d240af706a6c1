using System.Collections.Immutable;
using MeshClient.Server.Filters;
using MeshClient.Server.Hosting;
using MeshClient.Server.State;
using Microsoft.Extensions.Logging;

namespace MeshClient.Server.AccessControl.Login;

/// <summary>Turns a good token of an identity provider into a token of this server's.</summary>
internal sealed class LoginService(StateStore store, MeshServerOptions options, TimeProvider time, ILogger<LoginService> logger)
{
    /// <summary>What selectors of binding rules can name.</summary>
    private static readonly FilterObject<JwtIdentity> Fields = new FilterObject<JwtIdentity>()
        .TextMap("value", identity => identity.Values)
        .TextsMap("list", identity => identity.Lists);

    /// <summary>Judges a binding rule before it is stored.</summary>
    /// <exception cref="RequestRefusedException">It cannot work.</exception>
    public static void Check(BindingRule rule, AuthMethod method)
    {
        if (rule.BindType != BindingRule.ServiceType)
        {
            throw RequestRefusedException.Invalid($"Invalid Binding Rule: unknown BindType \"{rule.BindType}\"");
        }

        if (rule.BindName.Length == 0)
        {
            throw RequestRefusedException.Invalid("Invalid Binding Rule: no BindName is set");
        }

        var variables = method.Config.ClaimMappings.Values.Select(name => "value." + name).ToHashSet(StringComparer.Ordinal);
        if (BindingRule.Interpolate(rule.BindName, name => variables.Contains(name) ? "x" : null, out var problem) is not { } example)
        {
            throw RequestRefusedException.Invalid($"Invalid Binding Rule: invalid BindName: {problem}");
        }

        if (!Names.IsIdentity(example))
        {
            throw RequestRefusedException.Invalid("Invalid Binding Rule: invalid BindName: no service can have this name");
        }

        if (rule.Selector.Length > 0)
        {
            Compile(rule.Selector);
        }
    }

    /// <summary>Logs in.</summary>
    /// <exception cref="RequestRefusedException">The token is not good, or nothing is bound to it.</exception>
    public async Task<AccessToken> LoginAsync(string methodName, string bearer, string meta)
    {
        var access = store.Current.Access;
        if (!access.AuthMethods.TryGetValue(methodName, out var method))
        {
            throw TokenResolver.NotFound();
        }

        if (bearer.Length == 0)
        {
            throw RequestRefusedException.Invalid("missing jwt");
        }

        var now = time.GetUtcNow();
        if (JwtValidator.Validate(bearer, method.Config, now, out var problem) is not { } identity)
        {
            Log.LoginRefused(logger, method.Name, problem);
            throw RequestAccess.Denied($": {problem}");
        }

        var services = FindServices(access, method, identity);
        if (services.IsEmpty)
        {
            Log.LoginRefused(logger, method.Name, "no binding rule speaks for it");
            throw RequestAccess.Denied();
        }

        var lifetime = method.MaxTokenLifetime > TimeSpan.Zero ? method.MaxTokenLifetime : options.AccessControl.LoginTokenLifetime;
        var token = new AccessToken
        {
            AccessorId = Guid.NewGuid().ToString(),
            SecretId = Access.NewSecret(),
            Description = meta.Length > 0 ? $"token created via login: {meta}" : "token created via login",
            ServiceIdentities = services,
            IsLocal = true,
            AuthMethod = method.Name,
            CreatedAt = now,
            ExpiresAt = lifetime > TimeSpan.Zero ? now + lifetime : null,
        };
        var after = await store.ApplyAsync(new CreateAccessToken(token, [])).ConfigureAwait(false);
        Log.LoggedIn(logger, method.Name, string.Join(", ", services.Select(service => service.ServiceName)), token.AccessorId);
        return after.Access.Tokens[token.AccessorId];
    }

    private static ImmutableArray<ServiceIdentity> FindServices(AccessState access, AuthMethod method, JwtIdentity identity)
    {
        var names = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var rule in access.BindingRules.Values.Where(rule => rule.AuthMethod == method.Name))
        {
            if (rule.Selector.Length > 0 && !Compile(rule.Selector)(identity))
            {
                continue;
            }

            // A claim that is not there, or that makes no name: the rule does not speak for this identity.
            string? ValueOf(string variable) => variable.StartsWith("value.", StringComparison.Ordinal)
                ? identity.Values.GetValueOrDefault(variable["value.".Length..])
                : null;
            if (BindingRule.Interpolate(rule.BindName, ValueOf, out _) is { } name && Names.IsIdentity(name))
            {
                names.Add(name);
            }
        }

        return [.. names.Select(name => new ServiceIdentity(name, []))];
    }

    private static Predicate<JwtIdentity> Compile(string selector)
    {
        try
        {
            return Fields.Compile(selector);
        }
        catch (FilterException e)
        {
            throw RequestRefusedException.Invalid($"invalid Binding Rule: Selector is invalid: {e.Message}");
        }
    }
}
