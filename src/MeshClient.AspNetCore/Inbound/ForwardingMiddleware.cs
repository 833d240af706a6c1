using MeshClient.AspNetCore.Configuration;
using MeshClient.Configuration;
using MeshClient.Forwarding;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;

namespace MeshClient.AspNetCore.Inbound;

/// <summary>
/// Keeps what calls made for a request may take along of it: the user's token and the headers that some destination, or the app, is
/// to have. Where there are none, it is not there.
/// </summary>
internal sealed class ForwardingMiddleware
{
    private readonly string[] _headers;

    public ForwardingMiddleware(IOptions<MeshOptions> mesh, IOptions<MeshInboundOptions> options) =>
        _headers = [.. ForwardSettings.HeadersOf(mesh.Value).Concat(options.Value.ForwardableHeaders).Distinct(StringComparer.OrdinalIgnoreCase)];

    public RequestDelegate Wrap(RequestDelegate next) => _headers.Length == 0 ? next : context => InvokeAsync(context, next);

    private async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        var headers = new List<ForwardableHeader>();
        foreach (var name in _headers)
        {
            if (context.Request.Headers.TryGetValue(name, out var values) && values.Count > 0)
            {
                headers.Add(new ForwardableHeader(name, [.. values.OfType<string>()]));
            }
        }

        using var kept = RequestHeaders.Keep(headers);
        await next(context).ConfigureAwait(false);
    }
}
