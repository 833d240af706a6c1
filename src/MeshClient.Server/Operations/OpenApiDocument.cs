using System.Text.Json;
using MeshClient.Server.Api;

namespace MeshClient.Server.Operations;

/// <summary>
/// Describes what is served, in OpenAPI 3.1 (spec.openapis.org/oas/v3.1.0). It is made from the route table itself, so it can
/// neither lack a call nor name one that is not there; what the calls mean comes from <see cref="RouteDescriptions"/>.
/// </summary>
internal static class OpenApiDocument
{
    public static void Write(Utf8JsonWriter writer, RouteTable routes)
    {
        writer.WriteStartObject();
        writer.WriteString("openapi", "3.1.0");
        writer.WriteStartObject("info");
        writer.WriteString("title", "MeshClient.Server");
        writer.WriteString("description", "The part of the Consul HTTP API that this server speaks, and a few calls of its own.");
        writer.WriteString("version", typeof(OpenApiDocument).Assembly.GetName().Version?.ToString(3) ?? "0.0.0");
        writer.WriteEndObject();
        writer.WriteStartObject("paths");
        foreach (var route in routes.All.Values.OrderBy(route => route.Pattern, StringComparer.Ordinal))
        {
            var path = RouteDescriptions.PathOf(route.Pattern);
            writer.WriteStartObject(path);
            foreach (var (method, action) in route.Methods.OrderBy(method => method.Key, StringComparer.Ordinal))
            {
                writer.WriteStartObject(method.ToLowerInvariant());
                WriteOperation(writer, method, route.Pattern, path);
                writer.WriteString("x-access", action.Access.Description);
                writer.WriteEndObject();
            }

            writer.WriteEndObject();
        }

        writer.WriteEndObject();
        WriteComponents(writer);
        writer.WriteEndObject();
    }

    private static void WriteOperation(Utf8JsonWriter writer, string method, string pattern, string path)
    {
        var description = RouteDescriptions.Find(method, pattern) ?? new RouteDescription(method, pattern, $"{method} {pattern}");
        writer.WriteString("summary", description.Summary);
        writer.WriteStartArray("tags");
        writer.WriteStringValue(pattern.Split('/')[2]);
        writer.WriteEndArray();
        writer.WriteStartArray("parameters");
        foreach (var part in path.Split('/').Where(part => part.StartsWith('{')))
        {
            WriteParameter(writer, part.Trim('{', '}'), "path", required: true);
        }

        foreach (var name in description.Query.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            WriteParameter(writer, name, "query", required: false);
        }

        if (description.IsBlocking)
        {
            WriteReference(writer, "#/components/parameters/index");
            WriteReference(writer, "#/components/parameters/wait");
        }

        writer.WriteEndArray();
        if (description.Body.Length > 0)
        {
            writer.WriteStartObject("requestBody");
            writer.WriteString("description", description.Body);
            writer.WriteStartObject("content");
            writer.WriteStartObject(description.Body.Contains("JSON", StringComparison.Ordinal) ? "application/json" : "application/octet-stream");
            writer.WriteStartObject("schema");
            writer.WriteEndObject();
            writer.WriteEndObject();
            writer.WriteEndObject();
            writer.WriteEndObject();
        }

        writer.WriteStartObject("responses");
        writer.WriteStartObject("200");
        writer.WriteString("description", description.Answer);
        writer.WriteEndObject();
        writer.WriteStartObject("default");
        writer.WriteString("$ref", "#/components/responses/problem");
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    private static void WriteReference(Utf8JsonWriter writer, string target)
    {
        writer.WriteStartObject();
        writer.WriteString("$ref", target);
        writer.WriteEndObject();
    }

    private static void WriteParameter(Utf8JsonWriter writer, string name, string place, bool required, string? description = null)
    {
        writer.WriteStartObject();
        writer.WriteString("name", name);
        writer.WriteString("in", place);
        writer.WriteBoolean("required", required);
        if (description is not null)
        {
            writer.WriteString("description", description);
        }

        writer.WriteStartObject("schema");
        writer.WriteString("type", "string");
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    private static void WriteComponents(Utf8JsonWriter writer)
    {
        writer.WriteStartObject("components");
        writer.WriteStartObject("parameters");
        writer.WritePropertyName("index");
        WriteParameter(writer, "index", "query", required: false, "X-Consul-Index of the last answer: wait until there is something newer.");
        writer.WritePropertyName("wait");
        WriteParameter(writer, "wait", "query", required: false, "How long to wait at most, such as 30s; 5 minutes when left out, 10 minutes at most.");
        writer.WriteEndObject();
        writer.WriteStartObject("responses");
        writer.WriteStartObject("problem");
        writer.WriteString("description", "What is wrong, as one plain sentence.");
        writer.WriteStartObject("content");
        writer.WriteStartObject("text/plain");
        writer.WriteStartObject("schema");
        writer.WriteString("type", "string");
        writer.WriteEndObject();
        writer.WriteEndObject();
        writer.WriteEndObject();
        writer.WriteEndObject();
        writer.WriteEndObject();
        writer.WriteEndObject();
    }
}
