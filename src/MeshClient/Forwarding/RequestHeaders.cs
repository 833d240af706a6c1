using System.Diagnostics.CodeAnalysis;

namespace MeshClient.Forwarding;

/// <summary>A header of an inbound request.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Values">Its lines.</param>
internal readonly record struct ForwardableHeader(string Name, string[] Values);

/// <summary>
/// What calls may take along of the request they are made for, carried with the asynchronous flow from <see cref="Keep"/> on.
/// </summary>
/// <remarks>
/// A copy, for servers use the place of a request's headers for the next request, which may be another user's. What is still
/// running when the request has ended gets nothing more: the user has not asked for that.
/// </remarks>
internal sealed class RequestHeaders : IDisposable
{
    private const string BearerPrefix = "Bearer ";

    private static readonly AsyncLocal<RequestHeaders?> Ambient = new();

    private readonly List<ForwardableHeader> _headers;
    private readonly RequestHeaders? _outer;
    private volatile bool _isOver;

    private RequestHeaders(List<ForwardableHeader> headers, RequestHeaders? outer) => (_headers, _outer) = (headers, outer);

    /// <summary>Those of the request this flow belongs to; null: there is none, or it has ended.</summary>
    public static RequestHeaders? Current => Ambient.Value is { _isOver: false } current ? current : null;

    /// <summary>Keeps them until the result is disposed.</summary>
    /// <param name="headers">The headers; those that cannot be sent on are left out.</param>
    public static RequestHeaders Keep(List<ForwardableHeader> headers)
    {
        headers.RemoveAll(static header => !MayBeSent(header));
        return Ambient.Value = new RequestHeaders(headers, Ambient.Value);
    }

    /// <summary>Finds one.</summary>
    public bool TryFind(string name, [NotNullWhen(true)] out string[]? values)
    {
        foreach (var header in _headers)
        {
            if (string.Equals(header.Name, name, StringComparison.OrdinalIgnoreCase))
            {
                values = header.Values;
                return true;
            }
        }

        values = null;
        return false;
    }

    /// <summary>Ends them, for this flow and for all that has come of it.</summary>
    public void Dispose()
    {
        _isOver = true;
        Ambient.Value = _outer;
    }

    // The handler refuses a whole call for a value that is not ASCII. Of credentials only a single bearer token is made to be
    // shown to several; passwords are not.
    private static bool MayBeSent(ForwardableHeader header) =>
        Array.TrueForAll(header.Values, static value => System.Text.Ascii.IsValid(value))
        && (!string.Equals(header.Name, Configuration.ForwardSettings.TokenHeader, StringComparison.OrdinalIgnoreCase)
            || (header.Values is [var token] && token.StartsWith(BearerPrefix, StringComparison.OrdinalIgnoreCase)));
}
