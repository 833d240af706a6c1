using System.Net;
using System.Text;
using MeshClient.Server.AccessControl;
using MeshClient.Server.Federation;
using MeshClient.Server.Hosting;
using MeshClient.Server.State;
using MeshClient.Server.Telemetry;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace MeshClient.Server.Api;

/// <summary>
/// Takes every request of the API: finds its handler, and turns whatever goes wrong into Consul's answers, plain sentences
/// that never hold more than the sender may know.
/// </summary>
internal sealed class ApiDispatcher(
    RouteTable routes, StateStore store, TokenResolver resolver, DatacenterForwarder forwarder, MeshServerOptions options,
    ServerMetrics metrics, TimeProvider time, ILogger<ApiDispatcher> logger)
{
    private const string Root = "/v1/";

    private readonly string _defaultPolicy = options.DefaultIntentionPolicy == DefaultIntentionPolicy.Allow ? "allow" : "deny";

    public async Task HandleAsync(HttpContext http)
    {
        http.Response.Headers.Vary = "Accept-Encoding";
        http.Response.Headers["X-Consul-Default-ACL-Policy"] = _defaultPolicy;
        var request = new ApiRequest(http);
        var started = time.GetTimestamp();
        try
        {
            await RouteAsync(http, request).ConfigureAwait(false);
            if (http.Response.StatusCode < StatusCodes.Status400BadRequest)
            {
                // For handlers that write their answers themselves.
                request.ThrowIfNotAsked();
            }
        }
        catch (RequestRefusedException e)
        {
            await RefuseAsync(request, e.StatusCode, e.Message).ConfigureAwait(false);
        }
        catch (BadHttpRequestException e)
        {
            await RefuseAsync(request, e.StatusCode, "The request could not be read.").ConfigureAwait(false);
        }
        catch (StateNotStoredException e)
        {
            // Logged where it happened, once for all requests it concerns.
            await RefuseAsync(request, StatusCodes.Status500InternalServerError, e.Message).ConfigureAwait(false);
        }
        catch (Exception e) when (http.RequestAborted.IsCancellationRequested && e is OperationCanceledException or IOException)
        {
            // The caller has gone; nobody reads an answer.
        }
        catch (Exception e)
        {
            Log.RequestFailed(logger, e, http.Request.Method, http.Request.Path);
            await RefuseAsync(request, StatusCodes.Status500InternalServerError, "The request failed inside the server; its log says why.")
                .ConfigureAwait(false);
        }
        finally
        {
            Measure(request, time.GetElapsedTime(started));
        }
    }

    private void Measure(ApiRequest request, TimeSpan duration)
    {
        var http = request.Http;
        if (metrics.IsMeasuringRequests)
        {
            metrics.RequestDone(http.Request.Method, request.Route, http.Response.StatusCode, request.Has("index") || request.Has("hash"), duration);
        }

        if (!logger.IsEnabled(LogLevel.Debug))
        {
            return;
        }

        // Without the query: a token may be in it.
        Log.RequestFinished(logger, http.Request.Method, http.Request.Path, http.Response.StatusCode, request.Caller, duration.TotalMilliseconds);
    }

    // Not async: it would keep a state machine for as long as a query is parked.
    private Task RouteAsync(HttpContext http, ApiRequest request)
    {
        ConnectionLimit.ThrowIfExceeded(http);
        RefuseUnsafe(http, request);
        var path = PathOf(http);
        var clean = Clean(path);
        if (!ReferenceEquals(clean, path) && clean.StartsWith(Root, StringComparison.Ordinal))
        {
            Redirect(http, clean);
            return Task.CompletedTask;
        }

        var route = routes.Find(clean, out var rest);
        if (route is null)
        {
            return NotFoundAsync(request);
        }

        request.Route = route.Pattern;
        var decoded = Uri.UnescapeDataString(rest);
        if (HasControl(decoded))
        {
            return request.AnswerTextAsync(StatusCodes.Status400BadRequest, string.Empty);
        }

        if (forwarder.IsForAnother(http, path))
        {
            return forwarder.ForwardAsync(request, path);
        }

        var method = http.Request.Method;
        if (route.Find(method) is { } action)
        {
            RefuseForeign(request, path);
            return CallAsync(request, decoded, action);
        }

        http.Response.Headers.Allow = route.Allow;
        if (method == HttpMethods.Options)
        {
            return request.AnswerEmptyAsync();
        }

        var text = method == HttpMethods.Head ? string.Empty : $"method {method} not allowed";
        return request.AnswerTextAsync(StatusCodes.Status405MethodNotAllowed, text);
    }

    // A write that names another datacenter must not be done in this one. The calls of an agent are about itself, whatever is asked.
    private void RefuseForeign(ApiRequest request, string path)
    {
        if (!path.StartsWith("/v1/agent/", StringComparison.Ordinal)
            && (!HttpMethods.IsGet(request.Http.Request.Method) || path.StartsWith("/v1/acl/", StringComparison.Ordinal)))
        {
            ReadRules.CheckDatacenter(request, options.Datacenter);
        }
    }

    private Task CallAsync(ApiRequest request, string rest, RouteMethod action)
    {
        request.Rest = rest;
        if (!action.Access.IsOpen)
        {
            request.Access = resolver.Resolve(request.Http);
        }

        action.Access.Check(request);
        return action.Handler(request);
    }

    private async Task RefuseAsync(ApiRequest request, int statusCode, string message)
    {
        if (request.Http.Response.HasStarted)
        {
            request.Http.Abort();
            return;
        }

        if (request.Http.Request.Method == HttpMethods.Get && statusCode >= StatusCodes.Status500InternalServerError)
        {
            // The index of a failed answer is of no use; Consul sends 1.
            request.SetIndex(1, knownLeader: false);
        }
        else if (request.Http.Request.Method == HttpMethods.Get && statusCode == StatusCodes.Status404NotFound)
        {
            request.SetIndex(store.Current.Index);
        }

        await request.AnswerTextAsync(statusCode, message).ConfigureAwait(false);
    }

    private Task NotFoundAsync(ApiRequest request) => RefuseAsync(request, StatusCodes.Status404NotFound, string.Empty);

    private void RefuseUnsafe(HttpContext http, ApiRequest request)
    {
        if (request.Caller is { } caller && !IPAddress.IsLoopback(caller))
        {
            RefuseStranger(http);
        }

        // A web page of elsewhere, open in a browser on this machine, must not write here; some POSTs need no preflight.
        var origin = http.Request.Headers.Origin.ToString();
        if (origin.Length > 0 && http.Request.Method != HttpMethods.Get
            && !(Uri.TryCreate(origin, UriKind.Absolute, out var uri) && uri.Authority == http.Request.Host.Value))
        {
            throw new RequestRefusedException(StatusCodes.Status403Forbidden, "Requests of web pages from other origins are refused.");
        }
    }

    private void RefuseStranger(HttpContext http)
    {
        if (!http.Request.IsHttps && !options.AllowPlaintextBeyondLoopback)
        {
            throw new RequestRefusedException(
                StatusCodes.Status403Forbidden,
                "Plain HTTP is for this machine only: private keys and tokens would travel in plain text. Use HTTPS with authorization, or allow it by AllowPlaintextBeyondLoopback.");
        }

        if (http.Request.IsHttps && !options.AllowUnauthenticatedBeyondLoopback && !options.AccessControl.DemandsTokens && !RequiresAuthorization(http.GetEndpoint()))
        {
            throw new RequestRefusedException(
                StatusCodes.Status403Forbidden,
                "These endpoints are for this machine only: they hand out private keys and require no authorization. "
                + "Require tokens by AccessControl:Enabled with the DefaultPolicy Deny, or authorization by MapMeshServer().RequireAuthorization(), or allow everybody by AllowUnauthenticatedBeyondLoopback.");
        }
    }

    // A bare policy does not count: without its middleware routing refuses endpoints with this metadata only.
    private static bool RequiresAuthorization(Endpoint? endpoint) =>
        endpoint?.Metadata.GetMetadata<IAuthorizeData>() is not null && endpoint.Metadata.GetMetadata<IAllowAnonymous>() is null;

    // The path as it was sent, so that an escaped slash in an id is told from one that parts the path.
    private static string PathOf(HttpContext http)
    {
        var raw = http.Features.Get<IHttpRequestFeature>()?.RawTarget;
        if (string.IsNullOrEmpty(raw) || raw[0] != '/' || http.Request.PathBase.HasValue)
        {
            return http.Request.Path.ToUriComponent();
        }

        var query = raw.IndexOf('?', StringComparison.Ordinal);
        return query < 0 ? raw : raw[..query];
    }

    private static bool HasControl(string text)
    {
        foreach (var c in text)
        {
            if (char.IsControl(c))
            {
                return true;
            }
        }

        return false;
    }

    // The path with single slashes; itself when it has no others.
    private static string Clean(string path)
    {
        if (!path.Contains("//", StringComparison.Ordinal))
        {
            return path;
        }

        var clean = new StringBuilder(path.Length);
        foreach (var c in path)
        {
            if (c != '/' || clean.Length == 0 || clean[^1] != '/')
            {
                clean.Append(c);
            }
        }

        return clean.ToString();
    }

    // Below the API's own root only: what browsers make of other paths may be another host.
    private static void Redirect(HttpContext http, string path)
    {
        http.Response.StatusCode = StatusCodes.Status301MovedPermanently;
        http.Response.Headers.Location = path + http.Request.QueryString.Value;
        http.Response.ContentLength = 0;
    }
}
