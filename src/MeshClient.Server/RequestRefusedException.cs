namespace MeshClient.Server;

/// <summary>
/// A request that cannot be done, with the HTTP status and the sentence to answer. Thrown by whoever finds out; the sentence
/// goes to the caller, so it never holds a key or a path of this machine.
/// </summary>
internal sealed class RequestRefusedException(int statusCode, string message) : Exception(message)
{
    public int StatusCode { get; } = statusCode;

    public static RequestRefusedException Invalid(string message) => new(400, message);

    public static RequestRefusedException NotFound(string message) => new(404, message);
}
