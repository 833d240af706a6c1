using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Inbound;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace MeshClient.AspNetCore.Endpoints;

/// <summary>Marks an endpoint that may be called without a mesh identity.</summary>
internal sealed class AllowWithoutMeshMetadata
{
    public static readonly AllowWithoutMeshMetadata Instance = new();
}

/// <summary>Where a request without a peer would go.</summary>
internal enum ExemptMatch
{
    /// <summary>Not to an exempt endpoint.</summary>
    None,

    /// <summary>To an exempt endpoint.</summary>
    Found,

    /// <summary>An exempt endpoint has answered it already.</summary>
    Answered,
}

/// <summary>
/// What may be called without a peer, and where a request would lead. Asked before the app's first middleware runs, by the
/// app's own endpoints and the framework's own matcher, so that it cannot disagree with the routing that comes later.
/// </summary>
internal sealed partial class ExemptEndpoints
{
    // The framework keeps a builder's routes under this name; UseEndpoints would publish them a second time.
    private const string EndpointRouteBuilderKey = "__EndpointRouteBuilder";

    private static readonly object RoutedKey = new();
    private readonly HashSet<string> _paths;
    private readonly HashSet<string> _names;
    private readonly Lazy<RequestDelegate> _match;
    private readonly IServiceProvider _services;
    private readonly ILogger<ExemptEndpoints> _logger;

    public ExemptEndpoints(IOptions<MeshInboundOptions> options, IServiceProvider services, ILogger<ExemptEndpoints> logger)
    {
        _services = services;
        _logger = logger;
        var exempt = options.Value.ExemptEndpoints;
        _paths = exempt.Where(one => one.StartsWith('/')).ToHashSet(StringComparer.Ordinal);
        _names = exempt.Where(one => !one.StartsWith('/')).ToHashSet(StringComparer.Ordinal);
        _match = new Lazy<RequestDelegate>(() => BuildMatcher(services));
    }

    public bool ContainsPath(string path) => _paths.Contains(path);

    public bool Contains(Endpoint endpoint) =>
        endpoint.Metadata.GetMetadata<AllowWithoutMeshMetadata>() is not null
        || (_names.Count > 0 && endpoint.Metadata.GetMetadata<IEndpointNameMetadata>() is { } name && _names.Contains(name.EndpointName));

    /// <summary>Says which names no endpoint has, for a misspelt one shows itself only as a probe that fails.</summary>
    public void WarnOfUnknownNames()
    {
        var known = _services.GetRequiredService<EndpointDataSource>().Endpoints
            .Select(endpoint => endpoint.Metadata.GetMetadata<IEndpointNameMetadata>()?.EndpointName)
            .ToHashSet(StringComparer.Ordinal);
        foreach (var name in _names.Where(name => !known.Contains(name)))
        {
            LogUnknownName(_logger, name);
        }
    }

    /// <summary>Where routing takes the request. Leaves it as it was, unless the answer is that it has been answered.</summary>
    public async Task<ExemptMatch> FindAsync(HttpContext context, InboundRequest request)
    {
        request.Verdict = InboundRules.OnlyExempt;
        await _match.Value(context).ConfigureAwait(false);
        var permitted = request.Verdict.IsPermitted;
        if (!context.Items.Remove(RoutedKey))
        {
            // An endpoint that short-circuits runs inside the matcher; the policy has let none but an exempt one do so.
            return ExemptMatch.Answered;
        }

        context.SetEndpoint(null);
        context.Request.RouteValues = [];
        context.Features.Set<IMeshPermitFeature>(null);
        request.Verdict = default;
        return permitted ? ExemptMatch.Found : ExemptMatch.None;
    }

    private static RequestDelegate BuildMatcher(IServiceProvider services)
    {
        var app = new ApplicationBuilder(services);
        app.UseRouting();
        var routes = (IEndpointRouteBuilder)app.Properties[EndpointRouteBuilderKey]!;
        routes.DataSources.Add(services.GetRequiredService<EndpointDataSource>());
        app.Run(context =>
        {
            context.Items[RoutedKey] = true;
            return Task.CompletedTask;
        });
        return app.Build();
    }

    [LoggerMessage(107, LogLevel.Warning, "Mesh:Inbound:ExemptEndpoints names '{Name}', but no endpoint has that name.")]
    private static partial void LogUnknownName(ILogger logger, string name);
}
