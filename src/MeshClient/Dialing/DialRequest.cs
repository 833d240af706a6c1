namespace MeshClient.Dialing;

/// <summary>
/// A connection to be opened, in the form in which the pipeline takes calls: so that it goes the way of all calls, through the
/// same stages, and what is counted is counted once. Only the innermost stage tells it from a request.
/// </summary>
internal sealed class DialRequest(string address, ConnectionCount count, TimeProvider time) : HttpRequestMessage(HttpMethod.Connect, address)
{
    /// <summary>Where the connection is counted.</summary>
    public ConnectionCount Count => count;

    public TimeProvider Time => time;
}
