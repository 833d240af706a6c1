using System.Text.Json;
using MeshClient.Server.AccessControl;
using MeshClient.Server.AccessControl.Login;
using MeshClient.Server.State;

namespace MeshClient.Server.Api.AccessControl;

/// <summary>Logging in with tokens of identity providers, and what is set up for that.</summary>
internal sealed class LoginHandlers(StateStore store, BlockingQuery queries, TokenResolver resolver, LoginService logins)
{
    private const int IdLength = 36;

    public void Map(RouteTable routes)
    {
        var login = RouteAccess.Guarded(resolver, "the bearer of the token in the body", check: null);
        var self = RouteAccess.Guarded(resolver, "the bearer of the token", static request => request.Access.NeedNothing());
        var read = RouteAccess.Guarded(resolver, "acl:read", static request => request.Access.Demand(ResourceKind.Acl, string.Empty, AccessLevel.Read));
        var write = RouteAccess.Guarded(resolver, "acl:write", static request => request.Access.Demand(ResourceKind.Acl, string.Empty, AccessLevel.Write));
        routes.Map("POST", "/v1/acl/login", login, LoginAsync);
        routes.Map("POST", "/v1/acl/logout", self, LogoutAsync);
        routes.Map("GET", "/v1/acl/auth-methods", read, ListMethodsAsync);
        routes.Map("PUT", "/v1/acl/auth-method", write, CreateMethodAsync);
        routes.Map("GET", "/v1/acl/auth-method/", read, GetMethodAsync);
        routes.Map("PUT", "/v1/acl/auth-method/", write, UpdateMethodAsync);
        routes.Map("DELETE", "/v1/acl/auth-method/", write, DeleteMethodAsync);
        routes.Map("GET", "/v1/acl/binding-rules", read, ListRulesAsync);
        routes.Map("PUT", "/v1/acl/binding-rule", write, CreateRuleAsync);
        routes.Map("GET", "/v1/acl/binding-rule/", read, GetRuleAsync);
        routes.Map("PUT", "/v1/acl/binding-rule/", write, UpdateRuleAsync);
        routes.Map("DELETE", "/v1/acl/binding-rule/", write, DeleteRuleAsync);
    }

    private async Task LoginAsync(ApiRequest request)
    {
        var (method, bearer, meta) = await request
            .DecodeAsync(AccessDecoder.DecodeLogin, "Bad request: Failed to decode request body: ").ConfigureAwait(false);
        var token = await logins.LoginAsync(method, bearer, meta).ConfigureAwait(false);
        var access = store.Current.Access;
        await request.AnswerJsonAsync(writer => writer.WriteToken(token, access, SecretForm.Told), isSecret: true).ConfigureAwait(false);
    }

    private async Task LogoutAsync(ApiRequest request)
    {
        var secret = TokenResolver.SecretOf(request.Http);
        var token = secret is null ? throw TokenResolver.NotFound() : resolver.FindToken(request.Http);
        if (token.AuthMethod is null)
        {
            // Tokens that somebody wrote are taken away by who may write them.
            throw RequestAccess.Denied();
        }

        await store.ApplyAsync(new DeleteAccessToken(token.AccessorId)).ConfigureAwait(false);
        await AnswerTrueAsync(request).ConfigureAwait(false);
    }

    private async Task ListMethodsAsync(ApiRequest request)
    {
        var (access, index) = await queries
            .ReadAsync(request, [Topic.AuthMethods], state => (state.Access, state.Access.AuthMethodsIndex)).ConfigureAwait(false);
        request.SetIndex(index);
        await AnswerListAsync(request, access.AuthMethods.Values, (writer, method) => writer.WriteAuthMethod(method, withConfig: false)).ConfigureAwait(false);
    }

    private async Task CreateMethodAsync(ApiRequest request)
    {
        var method = await DecodeMethodAsync(request).ConfigureAwait(false);
        await PutMethodAsync(request, method, isNew: true).ConfigureAwait(false);
    }

    private async Task UpdateMethodAsync(ApiRequest request)
    {
        var method = await DecodeMethodAsync(request).ConfigureAwait(false);
        if (method.Name != MethodNameOf(request))
        {
            throw RequestRefusedException.Invalid("Bad request: AuthMethod Name in URL and payload do not match");
        }

        await PutMethodAsync(request, method, isNew: false).ConfigureAwait(false);
    }

    private async Task PutMethodAsync(ApiRequest request, AuthMethod method, bool isNew)
    {
        var after = await store.ApplyAsync(new PutAuthMethod(method, isNew)).ConfigureAwait(false);
        await request.AnswerJsonAsync(writer => writer.WriteAuthMethod(after.Access.AuthMethods[method.Name], withConfig: true)).ConfigureAwait(false);
    }

    private Task GetMethodAsync(ApiRequest request)
    {
        var access = store.Current.Access;
        if (!access.AuthMethods.TryGetValue(MethodNameOf(request), out var method))
        {
            throw RequestRefusedException.NotFound(string.Empty);
        }

        request.SetIndex(access.AuthMethodsIndex);
        return request.AnswerJsonAsync(writer => writer.WriteAuthMethod(method, withConfig: true));
    }

    private async Task DeleteMethodAsync(ApiRequest request)
    {
        await store.ApplyAsync(new DeleteAuthMethod(MethodNameOf(request))).ConfigureAwait(false);
        await AnswerTrueAsync(request).ConfigureAwait(false);
    }

    private async Task ListRulesAsync(ApiRequest request)
    {
        var (access, index) = await queries
            .ReadAsync(request, [Topic.BindingRules], state => (state.Access, state.Access.BindingRulesIndex)).ConfigureAwait(false);
        request.SetIndex(index);
        var method = request.Query("authmethod");
        var rules = access.BindingRules.Values.Where(rule => string.IsNullOrEmpty(method) || rule.AuthMethod == method);
        await AnswerListAsync(request, rules, (writer, rule) => writer.WriteBindingRule(rule)).ConfigureAwait(false);
    }

    private async Task CreateRuleAsync(ApiRequest request)
    {
        var rule = await DecodeRuleAsync(request).ConfigureAwait(false);
        if (rule.Id.Length > 0)
        {
            throw RequestRefusedException.Invalid("Bad request: Cannot specify the ID when creating a new binding rule");
        }

        await PutRuleAsync(request, rule with { Id = Guid.NewGuid().ToString() }, isNew: true).ConfigureAwait(false);
    }

    private async Task UpdateRuleAsync(ApiRequest request)
    {
        var id = RuleIdOf(request);
        var rule = await DecodeRuleAsync(request).ConfigureAwait(false);
        if (rule.Id.Length > 0 && !string.Equals(rule.Id, id, StringComparison.OrdinalIgnoreCase))
        {
            throw RequestRefusedException.Invalid("Bad request: BindingRule ID in URL and payload do not match");
        }

        await PutRuleAsync(request, rule with { Id = id }, isNew: false).ConfigureAwait(false);
    }

    private async Task PutRuleAsync(ApiRequest request, BindingRule rule, bool isNew)
    {
        var after = await store.ApplyAsync(new PutBindingRule(rule, isNew)).ConfigureAwait(false);
        await request.AnswerJsonAsync(writer => writer.WriteBindingRule(after.Access.BindingRules[rule.Id])).ConfigureAwait(false);
    }

    private Task GetRuleAsync(ApiRequest request)
    {
        var access = store.Current.Access;
        if (!access.BindingRules.TryGetValue(RuleIdOf(request), out var rule))
        {
            throw RequestRefusedException.NotFound(string.Empty);
        }

        request.SetIndex(access.BindingRulesIndex);
        return request.AnswerJsonAsync(writer => writer.WriteBindingRule(rule));
    }

    private async Task DeleteRuleAsync(ApiRequest request)
    {
        await store.ApplyAsync(new DeleteBindingRule(RuleIdOf(request))).ConfigureAwait(false);
        await AnswerTrueAsync(request).ConfigureAwait(false);
    }

    private static Task AnswerListAsync<T>(ApiRequest request, IEnumerable<T> items, Action<Utf8JsonWriter, T> write) =>
        request.AnswerJsonAsync(writer =>
        {
            writer.WriteStartArray();
            foreach (var item in items)
            {
                write(writer, item);
            }

            writer.WriteEndArray();
        });

    private static Task<AuthMethod> DecodeMethodAsync(ApiRequest request) =>
        request.DecodeAsync(AccessDecoder.DecodeAuthMethod, "Bad request: AuthMethod decoding failed: ");

    private static Task<BindingRule> DecodeRuleAsync(ApiRequest request) =>
        request.DecodeAsync(AccessDecoder.DecodeBindingRule, "Bad request: BindingRule decoding failed: ");

    private static Task AnswerTrueAsync(ApiRequest request) => request.AnswerJsonAsync(writer => writer.WriteBooleanValue(true));

    private static string MethodNameOf(ApiRequest request) =>
        request.Rest.Length > 0 ? request.Rest : throw RequestRefusedException.Invalid("Bad request: Missing auth method name");

    private static string RuleIdOf(ApiRequest request) =>
        request.Rest.Length == 0 ? throw RequestRefusedException.Invalid("Bad request: Missing binding rule ID")
        : request.Rest.Length == IdLength ? request.Rest.ToLowerInvariant()
        : throw RequestRefusedException.Invalid("failed acl binding rule lookup: index error: UUID must be 36 characters");
}
