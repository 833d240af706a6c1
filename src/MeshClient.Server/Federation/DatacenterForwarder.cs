using System.Net;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using MeshClient.Core.Identity;
using MeshClient.Server.AccessControl;
using MeshClient.Server.Api;
using MeshClient.Server.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Extensions;
using Microsoft.Extensions.Logging;

namespace MeshClient.Server.Federation;

/// <summary>
/// Hands reads that name another datacenter on to its server, and the answer back: <c>?dc=</c> as clients of Consul know it.
/// Only reads: a write belongs to the server that owns the data, where its caller can see what came of it.
/// </summary>
/// <remarks>
/// What the caller may do is decided there, by the token it sent; the agent's own default token is never sent along. Calls of
/// an agent are about this server and are not handed on. A request that was handed on is not handed on again, so that two
/// servers with wrong addresses cannot send one in a circle.
/// </remarks>
internal sealed class DatacenterForwarder : IDisposable
{
    private const string ForwardedHeader = "X-Mesh-Forwarded-From";
    private const string AgentPrefix = "/v1/agent/";
    private const string AccessPrefix = "/v1/acl/";

    private static readonly string[] PassedOn = ["Accept", "Accept-Encoding"];
    private static readonly string[] PassedBack = ["Content-Type", "Content-Encoding", "Vary", "Age"];

    private readonly MeshServerOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<DatacenterForwarder> _logger;
    private readonly Dictionary<string, Datacenter> _datacenters;

    /// <exception cref="IOException">Trusted certificates cannot be read.</exception>
    public DatacenterForwarder(MeshServerOptions options, TimeProvider time, ILogger<DatacenterForwarder> logger)
    {
        (_options, _time, _logger) = (options, time, logger);
        _datacenters = options.Datacenters.ToDictionary(
            entry => entry.Key, entry => new Datacenter(entry.Value), StringComparer.OrdinalIgnoreCase);
    }

    /// <summary>All datacenters there are, this one first, then the others by name.</summary>
    public IEnumerable<string> Names => [_options.Datacenter, .. _datacenters.Keys.Order(StringComparer.Ordinal)];

    /// <summary>Whether a request is another datacenter's. One that is nobody's is left to the handler, which refuses it.</summary>
    public bool IsForAnother(HttpContext http, string path) =>
        _datacenters.Count > 0
        && HttpMethods.IsGet(http.Request.Method)
        && http.Request.Query.TryGetValue("dc", out var asked)
        && asked.FirstOrDefault() is { Length: > 0 } name
        && _datacenters.ContainsKey(name)
        && !http.Request.Headers.ContainsKey(ForwardedHeader)
        && !path.StartsWith(AgentPrefix, StringComparison.Ordinal)
        && !path.StartsWith(AccessPrefix, StringComparison.Ordinal);

    /// <summary>Hands a request on and its answer back.</summary>
    /// <exception cref="RequestRefusedException">There is no answer, or not in time.</exception>
    public async Task ForwardAsync(ApiRequest request, string path)
    {
        RefuseSteps(path);
        var http = request.Http;
        var name = http.Request.Query["dc"][0]!;
        var datacenter = _datacenters[name];
        using var limit = new CancellationTokenSource(datacenter.Options.Timeout + WaitOf(request), _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, http.RequestAborted);
        try
        {
            using var message = new HttpRequestMessage(HttpMethod.Get, AddressOf(datacenter.Options, path + QueryWithoutToken(http)));
            message.Headers.Add(ForwardedHeader, _options.Datacenter);
            if (TokenResolver.SecretOf(http) is { } secret)
            {
                // No token has one, and in a header it would begin another.
                if (secret.Any(char.IsControl))
                {
                    throw TokenResolver.NotFound();
                }

                message.Headers.TryAddWithoutValidation("X-Consul-Token", secret);
            }

            foreach (var header in PassedOn)
            {
                message.Headers.TryAddWithoutValidation(header, http.Request.Headers[header].AsEnumerable());
            }

            using var answer = await datacenter.Http.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, either.Token).ConfigureAwait(false);
            await PassBackAsync(http, answer, either.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is HttpRequestException or IOException || (e is OperationCanceledException && limit.IsCancellationRequested))
        {
            Log.DatacenterUnreachable(_logger, e, name);
            throw new RequestRefusedException(
                StatusCodes.Status500InternalServerError,
                $"rpc error getting client: datacenter {name} could not be reached{(limit.IsCancellationRequested ? " in time" : string.Empty)}");
        }
    }

    public void Dispose()
    {
        foreach (var datacenter in _datacenters.Values)
        {
            datacenter.Dispose();
        }
    }

    private static async Task PassBackAsync(HttpContext http, HttpResponseMessage answer, CancellationToken cancellation)
    {
        http.Response.StatusCode = (int)answer.StatusCode;
        foreach (var (name, values) in answer.Headers.Concat(answer.Content.Headers))
        {
            if (name.StartsWith("X-Consul-", StringComparison.OrdinalIgnoreCase)
                || name.Equals("X-Cache", StringComparison.OrdinalIgnoreCase)
                || PassedBack.Contains(name, StringComparer.OrdinalIgnoreCase))
            {
                http.Response.Headers[name] = values.ToArray();
            }
        }

        http.Response.ContentLength = answer.Content.Headers.ContentLength;
        var body = await answer.Content.ReadAsStreamAsync(cancellation).ConfigureAwait(false);
        await using var disposal = body.ConfigureAwait(false);
        await body.CopyToAsync(http.Response.Body, cancellation).ConfigureAwait(false);
    }

    // Whoever tidies the path up on the way would make of it one that was not judged here: a call of an agent, or none of the API.
    private static void RefuseSteps(string path)
    {
        if (path.Split('/', '\\').Any(part => Uri.UnescapeDataString(part).Split('/', '\\').Any(step => step is "." or "..")))
        {
            throw RequestRefusedException.Invalid("A path with the steps . or .. is not handed on to another datacenter.");
        }
    }

    // To the letter, for the same reason.
    private static Uri AddressOf(MeshServerDatacenterOptions options, string pathAndQuery) =>
        new(options.Address!.GetLeftPart(UriPartial.Authority) + pathAndQuery, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });

    private static TimeSpan WaitOf(ApiRequest request)
    {
        const int jitterPart = 16;
        if (BlockingQuery.IndexOf(request) == 0 && request.Query("hash") is null)
        {
            return TimeSpan.Zero;
        }

        var wait = BlockingQuery.WaitOf(request);
        return wait + (wait / jitterPart);
    }

    // In a query the token would stand in the other server's access logs.
    private static string QueryWithoutToken(HttpContext http)
    {
        var query = new QueryBuilder();
        foreach (var (name, values) in http.Request.Query)
        {
            if (name != "token")
            {
                query.Add(name, values.Select(value => value ?? string.Empty));
            }
        }

        return query.ToString();
    }

    /// <summary>Another datacenter and the connections to it.</summary>
    private sealed class Datacenter(MeshServerDatacenterOptions options) : IDisposable
    {
        public MeshServerDatacenterOptions Options => options;

        public HttpClient Http { get; } = new(HandlerOf(options, RootsOf(options)), disposeHandler: true)
        {
            // The deadline is that of each request.
            Timeout = Timeout.InfiniteTimeSpan,
        };

        public void Dispose() => Http.Dispose();

        private static X509Certificate2Collection? RootsOf(MeshServerDatacenterOptions options)
        {
            if (options.TrustedCertificatesPath is not { } path)
            {
                return null;
            }

            var roots = new X509Certificate2Collection();
            roots.ImportFromPemFile(path);
            return roots;
        }

        private static SocketsHttpHandler HandlerOf(MeshServerDatacenterOptions options, X509Certificate2Collection? roots)
        {
            var handler = new SocketsHttpHandler
            {
                AllowAutoRedirect = false,
                AutomaticDecompression = DecompressionMethods.None,
                ConnectTimeout = options.Timeout,
                PooledConnectionLifetime = TimeSpan.FromMinutes(5),
                UseCookies = false,
                UseProxy = false,
            };
            if (roots is not null)
            {
                handler.SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = TrustedRoots.CreatePolicy(roots) };
            }

            return handler;
        }
    }
}
