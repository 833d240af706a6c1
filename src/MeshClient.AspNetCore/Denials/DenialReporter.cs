using System.Net;
using MeshClient.AspNetCore.Inbound;
using MeshClient.AspNetCore.Peers;
using MeshClient.AspNetCore.Telemetry;
using MeshClient.Core.Naming;
using MeshClient.Identity;
using MeshClient.Telemetry;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace MeshClient.AspNetCore.Denials;

/// <summary>
/// Tells of a denial once, wherever it happened: a log line (limited per caller and rule), a count, and a word to the app's
/// observers.
/// </summary>
internal sealed partial class DenialReporter(
    MeshIdentity identity, DenialMetrics metrics, DenialObservers observers, TimeProvider time, ILogger<DenialReporter> logger)
{
    // Methods are the caller's to choose.
    private const int MaxMethodLength = 32;

    private readonly LogLimiter<(string Source, string Rule, MeshDenialStage Stage, bool IsShadow)> _limiter = new(time);
    private readonly BoundedSources _sources = new();
    private readonly BoundedNames _rules = new();

    /// <summary>A request was refused, or would have been.</summary>
    public void Request(HttpContext context, MeshPeer? peer, in InboundVerdict verdict) =>
        Request(MeshDenialStage.Request, CallOf(context.Features), peer, verdict);

    /// <summary>A request that was being served was ended.</summary>
    /// <param name="call">What it was, taken while it was still there.</param>
    /// <param name="peer">Who had called.</param>
    /// <param name="verdict">What it would be answered now.</param>
    public void RunningRequest(in DeniedCall call, MeshPeer peer, in InboundVerdict verdict) =>
        Request(MeshDenialStage.RunningRequest, call, peer, verdict);

    /// <summary>A raw connection was refused, or would have been.</summary>
    /// <param name="peer">Who has connected.</param>
    /// <param name="remote">The other end.</param>
    /// <param name="rule">The rule that decided, as verdicts name it.</param>
    /// <param name="reason">The same in a sentence.</param>
    /// <param name="isShadow">Whether it goes on nevertheless.</param>
    /// <param name="wasOpen">Whether it was open already, and its permit has been withdrawn.</param>
    public void Connection(MeshPeer peer, EndPoint? remote, string rule, string reason, bool isShadow, bool wasOpen)
    {
        var stage = wasOpen ? MeshDenialStage.OpenConnection : MeshDenialStage.Connection;
        var (source, known, suppressed) = Count(peer, rule, stage, isShadow);
        if (suppressed is { } others)
        {
            if (isShadow)
            {
                LogShadowConnection(logger, source, identity.Service.Value, known, others);
            }
            else
            {
                LogConnection(logger, source, identity.Service.Value, known, wasOpen ? "an open connection, which was closed" : "a connection", others);
            }
        }

        Publish(stage, peer.Id, rule, reason, isShadow, remote, null, null);
    }

    /// <summary>A handshake was refused. Its log line is that of the listener, which knows what happened.</summary>
    /// <param name="source">Who it proved to be, where it did; a name that is not proved must not stand here.</param>
    /// <param name="remote">The other end.</param>
    /// <param name="reason">The kind of reason, of a bounded set.</param>
    /// <param name="problem">The same in a sentence.</param>
    public void Handshake(SpiffeId? source, EndPoint? remote, string reason, string problem)
    {
        var rule = $"handshake:{reason}";
        metrics.Denied(InboundRequest.NoSource, identity.Service.Value, rule, MeshDenialStage.Handshake, isShadow: false);
        Publish(MeshDenialStage.Handshake, source, rule, problem, isShadow: false, remote, null, null);
    }

    /// <summary>What of a request may be told. Reads its features, as another thread than the request's own may.</summary>
    public static DeniedCall CallOf(IFeatureCollection features)
    {
        var request = features.GetRequiredFeature<IHttpRequestFeature>();
        var remote = features.Get<IHttpConnectionFeature>() is { RemoteIpAddress: { } address } connection
            ? new IPEndPoint(address, connection.RemotePort)
            : null;
        return new DeniedCall(
            request.Method.Length <= MaxMethodLength ? request.Method : request.Method[..MaxMethodLength],
            LoggedPath.Of(request.Path),
            remote);
    }

    private void Request(MeshDenialStage stage, in DeniedCall call, MeshPeer? peer, in InboundVerdict verdict)
    {
        var rule = verdict.Rule ?? InboundRules.NotEnforced;
        var isShadow = verdict.IsShadow;
        var (source, known, suppressed) = Count(peer, rule, stage, isShadow);
        if (suppressed is { } others)
        {
            var destination = identity.Service.Value;
            if (stage == MeshDenialStage.RunningRequest)
            {
                LogWithdrawn(logger, source, destination, known, call.Method, call.Path, others);
            }
            else if (isShadow)
            {
                LogShadow(logger, source, destination, known, call.Method, call.Path, others);
            }
            else
            {
                LogDenied(logger, source, destination, known, call.Method, call.Path, others);
            }
        }

        Publish(stage, peer?.Id, rule, verdict.Reason ?? string.Empty, isShadow, call.Remote, call.Method, call.Path);
    }

    private (string Source, string Rule, int? Suppressed) Count(MeshPeer? peer, string rule, MeshDenialStage stage, bool isShadow)
    {
        var source = _sources.Of(peer);
        rule = _rules.Of(rule);
        metrics.Denied(source, identity.Service.Value, rule, stage, isShadow);
        return (source, rule, _limiter.TryEnter((source, rule, stage, isShadow), out var suppressed) ? suppressed : null);
    }

    private void Publish(
        MeshDenialStage stage, SpiffeId? source, string rule, string reason, bool isShadow, EndPoint? remote, string? method, string? path)
    {
        if (observers.IsEmpty)
        {
            return;
        }

        observers.Publish(new MeshDenial
        {
            Stage = stage,
            At = time.GetUtcNow(),
            Source = source,
            Destination = identity.Service,
            Method = method,
            Path = path,
            Rule = rule,
            Reason = reason,
            IsShadow = isShadow,
            Remote = remote,
        });
    }

    [LoggerMessage(
        101,
        LogLevel.Warning,
        "Denied {Source} to {Destination} by rule {Rule}: {Method} {Path}. {Suppressed} denials of the same kind before it were not logged.")]
    private static partial void LogDenied(
        ILogger logger, string source, string destination, string rule, string method, string path, int suppressed);

    [LoggerMessage(
        130,
        LogLevel.Warning,
        "Would deny {Source} to {Destination} by rule {Rule}, were it in force: {Method} {Path}. {Suppressed} of the same kind before it were not logged.")]
    private static partial void LogShadow(
        ILogger logger, string source, string destination, string rule, string method, string path, int suppressed);

    [LoggerMessage(
        131,
        LogLevel.Warning,
        "Ended a request of {Source} to {Destination} that was being served, since rule {Rule} denies it now: {Method} {Path}. {Suppressed} of the same kind before it were not logged.")]
    private static partial void LogWithdrawn(
        ILogger logger, string source, string destination, string rule, string method, string path, int suppressed);

    [LoggerMessage(
        132,
        LogLevel.Warning,
        "Denied {Source} to {Destination} by rule {Rule}: {What}. {Suppressed} denials of the same kind before it were not logged.")]
    private static partial void LogConnection(
        ILogger logger, string source, string destination, string rule, string what, int suppressed);

    [LoggerMessage(
        134,
        LogLevel.Warning,
        "Would deny {Source} to {Destination} by rule {Rule}, were it in force: a connection. {Suppressed} of the same kind before it were not logged.")]
    private static partial void LogShadowConnection(ILogger logger, string source, string destination, string rule, int suppressed);
}

/// <summary>What of a request may be told to others than its caller.</summary>
/// <param name="Method">The method, cut off.</param>
/// <param name="Path">The path, encoded and cut off, without its query.</param>
/// <param name="Remote">The other end of its connection.</param>
internal readonly record struct DeniedCall(string Method, string Path, EndPoint? Remote);
