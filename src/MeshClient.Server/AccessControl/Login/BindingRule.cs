using System.Text;

namespace MeshClient.Server.AccessControl.Login;

/// <summary>Says which service somebody who logs in may be.</summary>
internal sealed record BindingRule
{
    public const string ServiceType = "service";

    public required string Id { get; init; }

    public string Description { get; init; } = string.Empty;

    public required string AuthMethod { get; init; }

    /// <summary>A filter on the claims, as <c>value.ns==prod</c>; empty: everybody's.</summary>
    public string Selector { get; init; } = string.Empty;

    public required string BindType { get; init; }

    /// <summary>The name of the service, with variables as <c>${value.sub}</c>.</summary>
    public required string BindName { get; init; }

    public ulong CreateIndex { get; init; }

    public ulong ModifyIndex { get; init; }

    /// <summary>Puts the claims of a login into the name.</summary>
    /// <param name="template">The name as it was written.</param>
    /// <param name="valueOf">Gives the value of a variable; null when there is none.</param>
    /// <param name="problem">Why the template is wrong, or which variable has no value.</param>
    /// <returns>The name; null when there is a problem.</returns>
    public static string? Interpolate(string template, Func<string, string?> valueOf, out string problem)
    {
        problem = string.Empty;
        var name = new StringBuilder();
        for (var position = 0; position < template.Length;)
        {
            if (!template.AsSpan(position).StartsWith("${"))
            {
                name.Append(template[position++]);
                continue;
            }

            var end = template.IndexOf('}', position);
            if (end < 0)
            {
                problem = "parse error: syntax error";
                return null;
            }

            var variable = template[(position + 2)..end].Trim();
            if (valueOf(variable) is not { } value)
            {
                problem = $"1:{position + 3}: unknown variable accessed: {variable}";
                return null;
            }

            name.Append(value);
            position = end + 1;
        }

        return name.ToString();
    }
}
