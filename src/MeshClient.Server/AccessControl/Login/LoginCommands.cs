using MeshClient.Server.State;

namespace MeshClient.Server.AccessControl.Login;

/// <summary>Makes an auth method, or replaces one of its name.</summary>
/// <param name="Method">It.</param>
/// <param name="IsNew">Whether one of this name must not be there, or must.</param>
internal sealed record PutAuthMethod(AuthMethod Method, bool IsNew) : StateCommand
{
    public override ServerState Apply(ServerState state, StateChange change)
    {
        var present = state.Access.AuthMethods.GetValueOrDefault(Method.Name);
        if (IsNew && present is not null)
        {
            throw RequestRefusedException.Invalid($"Invalid Auth Method: An auth method with Name \"{Method.Name}\" already exists");
        }

        if (!IsNew && present is null)
        {
            throw RequestRefusedException.NotFound($"cannot find auth method \"{Method.Name}\"");
        }

        var method = Method with { CreateIndex = present?.CreateIndex ?? change.Index, ModifyIndex = change.Index };
        return state with { Access = state.Access.WithAuthMethod(method, change) };
    }
}

/// <summary>Takes an auth method away; none is no error.</summary>
internal sealed record DeleteAuthMethod(string Name) : StateCommand
{
    public override ServerState Apply(ServerState state, StateChange change) =>
        state.Access.AuthMethods.TryGetValue(Name, out var method)
            ? state with { Access = state.Access.WithoutAuthMethod(method, change) }
            : state;
}

/// <summary>Makes a binding rule, or replaces one.</summary>
/// <param name="Rule">It.</param>
/// <param name="IsNew">Whether it must not be there, or must.</param>
internal sealed record PutBindingRule(BindingRule Rule, bool IsNew) : StateCommand
{
    public override ServerState Apply(ServerState state, StateChange change)
    {
        var present = state.Access.BindingRules.GetValueOrDefault(Rule.Id);
        if (!IsNew && present is null)
        {
            throw RequestRefusedException.NotFound($"cannot find binding rule {Rule.Id}");
        }

        var methodName = Rule.AuthMethod.Length > 0 ? Rule.AuthMethod : present?.AuthMethod ?? string.Empty;
        if (present is not null && methodName != present.AuthMethod)
        {
            throw RequestRefusedException.Invalid("the AuthMethod field of a Binding Rule is immutable");
        }

        if (!state.Access.AuthMethods.TryGetValue(methodName, out var method))
        {
            throw RequestRefusedException.Invalid($"cannot find auth method with name \"{methodName}\"");
        }

        var rule = Rule with { AuthMethod = methodName, CreateIndex = present?.CreateIndex ?? change.Index, ModifyIndex = change.Index };
        LoginService.Check(rule, method);
        return state with { Access = state.Access.WithBindingRule(rule, change) };
    }
}

/// <summary>Takes a binding rule away; none is no error.</summary>
internal sealed record DeleteBindingRule(string Id) : StateCommand
{
    public override ServerState Apply(ServerState state, StateChange change) =>
        state.Access.BindingRules.TryGetValue(Id, out var rule)
            ? state with { Access = state.Access.WithoutBindingRule(rule, change) }
            : state;
}
