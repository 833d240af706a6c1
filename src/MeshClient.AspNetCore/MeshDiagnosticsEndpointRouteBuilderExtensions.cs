using System.Text;
using System.Text.Json.Nodes;
using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Diagnostics;
using MeshClient.AspNetCore.Endpoints;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Primitives;

namespace Microsoft.AspNetCore.Builder;

/// <summary>Adds the endpoints that tell what an app's rules are.</summary>
public static class MeshDiagnosticsEndpointRouteBuilderExtensions
{
    /// <summary>Where the endpoints are unless told otherwise: <c>/mesh</c>.</summary>
    public const string DefaultPattern = "/mesh";

    /// <summary>
    /// Maps, for the callers in the mesh that <c>Mesh:Inbound:Diagnostics:Callers</c> names and intentions allow, as JSON:
    /// <c>GET /mesh</c>, with this service's identity (never its key), its intentions with their age, and the rules of its
    /// endpoints; and <c>GET /mesh/explain?source=web&amp;method=GET&amp;path=/orders&amp;header=name:value</c>, with what
    /// would become of such a call and why. Maps nothing unless <c>Mesh:Inbound:Diagnostics:Enabled</c> is true and the app is in
    /// the mesh. The callers are asked for in shadow mode too.
    /// </summary>
    /// <param name="endpoints">The app.</param>
    /// <param name="pattern">Where. Default: <see cref="DefaultPattern"/>.</param>
    /// <returns>The endpoints, for more of the app's own conditions.</returns>
    public static IEndpointConventionBuilder MapMeshDiagnostics(this IEndpointRouteBuilder endpoints, string pattern = DefaultPattern)
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        ArgumentException.ThrowIfNullOrEmpty(pattern);
        var options = endpoints.ServiceProvider.GetRequiredService<IOptions<MeshInboundOptions>>().Value;
        var group = endpoints.MapGroup(pattern);
        if (!options.Enabled || !options.Diagnostics.Enabled)
        {
            return group;
        }

        // In shadow mode too: an app that tries its rules has not said that everybody may read them.
        var rule = new MeshAllowAttribute(options.Diagnostics.Callers, isAlwaysInForce: true);
        ((IEndpointConventionBuilder)group).Add(endpoint => endpoint.Metadata.Add(rule));
        group.MapGet("/", static context => WriteAsync(
            context, StatusCodes.Status200OK, context.RequestServices.GetRequiredService<DiagnosticsDocument>().State()));
        group.MapGet("/explain", ExplainAsync);
        return group;
    }

    private static Task ExplainAsync(HttpContext context)
    {
        var query = context.Request.Query;
        if (query["source"] is not [{ Length: > 0 } source])
        {
            return WriteAsync(context, StatusCodes.Status400BadRequest, new JsonObject { ["error"] = "The query needs a source: who would call." });
        }

        try
        {
            var explanation = context.RequestServices.GetRequiredService<IMeshExplain>().Explain(new MeshExplainedCall
            {
                Source = source,
                Method = query["method"] is [{ Length: > 0 } method] ? method : HttpMethods.Get,
                Path = query["path"] is [{ Length: > 0 } path] ? path : "/",
                Headers = [.. HeadersIn(query["header"])],
            });
            return WriteAsync(context, StatusCodes.Status200OK, DiagnosticsDocument.Of(explanation));
        }
        catch (ArgumentException e)
        {
            return WriteAsync(context, StatusCodes.Status400BadRequest, new JsonObject { ["error"] = e.Message });
        }
    }

    private static IEnumerable<KeyValuePair<string, string>> HeadersIn(StringValues lines)
    {
        foreach (var line in lines)
        {
            var (name, value) = line?.IndexOf(':', StringComparison.Ordinal) is { } colon and > 0
                ? (line[..colon].Trim(), line[(colon + 1)..].Trim())
                : (line ?? string.Empty, string.Empty);
            yield return new(name, value);
        }
    }

    private static async Task WriteAsync(HttpContext context, int status, JsonObject document)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        context.Response.Headers.CacheControl = "no-store";
        await context.Response.Body.WriteAsync(Encoding.UTF8.GetBytes(document.ToJsonString()), context.RequestAborted).ConfigureAwait(false);
    }
}
