using System.Collections.Immutable;
using MeshClient.AspNetCore.Endpoints;
using MeshClient.Resilience;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Primitives;

namespace MeshClient.AspNetCore.Registration;

/// <summary>Tells callers, in the metadata this instance is registered with, which endpoints are idempotent.</summary>
internal sealed partial class IdempotencyPublication(IdempotentRoutes routes, ILogger<IdempotencyPublication> logger)
{
    // For what the adapter to a registry has to say of the endpoints' security.
    private const int ReservedPairs = 1;

    private readonly Lock _lock = new();
    private string? _logged;

    /// <summary>What is to be added to the metadata. Warns of what is left out.</summary>
    /// <param name="pairs">How many pairs there are already.</param>
    public ImmutableSortedDictionary<string, string> Describe(int pairs)
    {
        lock (_lock)
        {
            var patterns = routes.Find(out var problems);
            var meta = IdempotentEndpoints.Write(patterns, IdempotentEndpoints.MaxPairs - ReservedPairs - pairs, out var leftOut);
            var text = string.Join("; ", problems.Concat(leftOut.Select(pattern => $"'{pattern}': there is no room for it in the registry's metadata")));
            if (text.Length > 0 && text != _logged)
            {
                LogLeftOut(logger, text);
            }

            _logged = text;
            return meta;
        }
    }

    /// <summary>Has something done whenever the app may have other endpoints.</summary>
    public IDisposable OnChange(Action changed) => ChangeToken.OnChange(routes.GetChangeToken, changed);

    [LoggerMessage(
        154,
        LogLevel.Warning,
        "These endpoints are marked as idempotent, but callers are not told, so calls to them are not repeated on that account: {LeftOut}.")]
    private static partial void LogLeftOut(ILogger logger, string leftOut);
}
