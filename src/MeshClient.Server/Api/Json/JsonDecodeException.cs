namespace MeshClient.Server.Api.Json;

/// <summary>A body that cannot be decoded, in the words of Go's decoder; each call puts its own beginning before them.</summary>
internal sealed class JsonDecodeException(string message) : Exception(message);
