using System.Collections.Frozen;
using MeshClient.Configuration;
using MeshClient.Outbound;

namespace MeshClient.Resilience;

/// <summary>What of a service's calls is tried again, and when: what is in force. Immutable.</summary>
internal sealed class RetrySettings
{
    private static readonly TimeSpan LongestBaseDelay = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LongestMaxDelay = TimeSpan.FromMinutes(10);

    private readonly FrozenSet<int> _statuses;
    private readonly FrozenSet<GrpcStatus> _grpcStatuses;
    private readonly EndpointPattern[] _repeatable;

    private RetrySettings(IEnumerable<int> statuses, IEnumerable<string> grpcStatuses, IEnumerable<string> repeatable)
    {
        _statuses = statuses.ToFrozenSet();
        _grpcStatuses = grpcStatuses.Select(ParseGrpcStatus).OfType<GrpcStatus>().ToFrozenSet();
        _repeatable = [.. repeatable.Select(text => EndpointPattern.TryParse(text, out var pattern) ? pattern : null).OfType<EndpointPattern>()];
    }

    public required bool ReplayStreams { get; init; }

    public required bool UseIdempotencyMetadata { get; init; }

    public required int MaxReplayBytes { get; init; }

    public required TimeSpan BaseDelay { get; init; }

    public required TimeSpan MaxDelay { get; init; }

    public static RetrySettings For(MeshRetryOptions? own, MeshRetryOptions? common) => new(
        own?.Statuses ?? common?.Statuses ?? (IEnumerable<int>)MeshDefaults.RetryStatuses,
        own?.GrpcStatuses ?? common?.GrpcStatuses ?? (IEnumerable<string>)MeshDefaults.RetryGrpcStatuses,
        own?.RepeatableEndpoints ?? common?.RepeatableEndpoints ?? [])
    {
        UseIdempotencyMetadata = own?.UseIdempotencyMetadata ?? common?.UseIdempotencyMetadata ?? true,
        ReplayStreams = own?.ReplayStreams ?? common?.ReplayStreams ?? false,
        MaxReplayBytes = own?.MaxReplayBytes ?? common?.MaxReplayBytes ?? MeshDefaults.MaxReplayBytes,
        BaseDelay = own?.BaseDelay ?? common?.BaseDelay ?? MeshDefaults.RetryBaseDelay,
        MaxDelay = own?.MaxDelay ?? common?.MaxDelay ?? MeshDefaults.RetryMaxDelay,
    };

    /// <summary>Finds what is wrong with the options.</summary>
    public static void Check(OptionChecks checks, string key, MeshRetryOptions? options)
    {
        foreach (var status in options?.Statuses ?? [])
        {
            checks.Range($"{key}:Statuses", (double)status, 400, 599);
        }

        foreach (var status in (options?.GrpcStatuses ?? []).Where(status => ParseGrpcStatus(status) is null or GrpcStatus.Ok))
        {
            checks.Add($"Mesh:{key}:GrpcStatuses has '{status}', which is no gRPC status of a failure, such as UNAVAILABLE.");
        }

        foreach (var pattern in (options?.RepeatableEndpoints ?? []).Where(pattern => !EndpointPattern.TryParse(pattern, out _)))
        {
            checks.Add(
                $"Mesh:{key}:RepeatableEndpoints has '{pattern}'; it has to be a path such as /search/** or /package.Service/Method, with or without a method before it.");
        }

        checks.Range($"{key}:MaxReplayBytes", options?.MaxReplayBytes, 1, 16 * 1024 * 1024);
        checks.Range($"{key}:BaseDelay", options?.BaseDelay, TimeSpan.Zero, LongestBaseDelay);
        checks.Range($"{key}:MaxDelay", options?.MaxDelay, TimeSpan.Zero, LongestMaxDelay);
    }

    /// <summary>Whether an answer is worth another attempt.</summary>
    public bool IsRetryable(int status, GrpcStatus? grpcStatus) =>
        grpcStatus is { } grpc ? _grpcStatuses.Contains(grpc) : _statuses.Contains(status);

    /// <summary>Whether a request goes to an endpoint that may be executed twice.</summary>
    public bool IsRepeatable(HttpRequestMessage request)
    {
        foreach (var pattern in _repeatable)
        {
            if (pattern.Matches(request))
            {
                return true;
            }
        }

        return false;
    }

    // Written as gRPC does, RESOURCE_EXHAUSTED; numbers are not taken, since nobody can tell a mistake in one.
    private static GrpcStatus? ParseGrpcStatus(string? text) =>
        text is not null && text.All(c => char.IsAsciiLetter(c) || c == '_')
        && Enum.TryParse<GrpcStatus>(text.Replace("_", string.Empty, StringComparison.Ordinal), ignoreCase: true, out var status)
            ? status
            : null;
}
