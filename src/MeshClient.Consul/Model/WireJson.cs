using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using MeshClient.Consul.Wire;
using MeshClient.Core.ControlPlane;

namespace MeshClient.Consul.Model;

/// <summary>
/// How Consul's JSON is read: leniently in form (unknown keys ignored, keys without regard to case, null for anything), so
/// that newer versions can be read; what is no JSON of the expected shape is <see cref="ControlPlaneFailure.Malformed"/>.
/// </summary>
[JsonSourceGenerationOptions(
    PropertyNameCaseInsensitive = true,
    NumberHandling = JsonNumberHandling.AllowReadingFromString,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(string))]
[JsonSerializable(typeof(HealthEntry?[]))]
[JsonSerializable(typeof(HealthCheck))]
[JsonSerializable(typeof(ServiceAddress))]
[JsonSerializable(typeof(RootDocument))]
[JsonSerializable(typeof(RootsDocument))]
[JsonSerializable(typeof(Dictionary<string, IntentionDocument?[]?>))]
[JsonSerializable(typeof(RegistrationDocument))]
[JsonSerializable(typeof(SignedDocument))]
internal sealed partial class WireJson : JsonSerializerContext
{
    /// <summary>Reads a body. An empty list or object in the place of the other, and null, count as nothing.</summary>
    /// <exception cref="ControlPlaneException">The body is not of the expected shape.</exception>
    public static T? Read<T>(ConsulAnswer answer, JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            var body = answer.Body;
            return IsNothing(body) ? null : JsonSerializer.Deserialize(body, type);
        }
        catch (Exception e) when (IsReadFailure(e))
        {
            throw Malformed(answer, e);
        }
    }

    /// <summary>Whether an exception is one that the JSON reader throws for bad input, such as a lone half of a character.</summary>
    public static bool IsReadFailure(Exception e) =>
        e is JsonException or InvalidOperationException or FormatException or ArgumentException or NotSupportedException;

    // The cause is left out of the message on purpose where it could quote the body; the exception carries only positions.
    public static ControlPlaneException Malformed(ConsulAnswer answer, Exception? cause) => new(
        ControlPlaneFailure.Malformed, $"{answer.Call} was answered with something that is not the expected JSON.", cause);

    private static bool IsNothing(ReadOnlySpan<byte> body)
    {
        var reader = new Utf8JsonReader(body);
        if (!reader.Read())
        {
            return false;
        }

        switch (reader.TokenType)
        {
            case JsonTokenType.Null:
                break;
            case JsonTokenType.StartArray or JsonTokenType.StartObject:
                if (!reader.Read() || reader.TokenType is not (JsonTokenType.EndArray or JsonTokenType.EndObject))
                {
                    return false;
                }

                break;
            default:
                return false;
        }

        // What follows, if anything, is not JSON; the reader says so.
        return !reader.Read();
    }
}
