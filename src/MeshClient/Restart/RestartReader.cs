using System.Collections.Concurrent;
using MeshClient.Configuration;
using MeshClient.Core.ControlPlane;
using Microsoft.Extensions.Logging;

namespace MeshClient.Restart;

/// <summary>
/// Reads one kind of thing from the control plane; while that has not answered once, and does not answer now, answers from the
/// state file. A refusal is an answer: a token that may not read is not helped by what it could read before.
/// </summary>
/// <remarks>
/// A control plane can be silent as well as unreachable. It is waited for <see cref="MeshDefaults.StateFilePatience"/> first and
/// then twice as long each time, so that one that is only slow does get to answer.
/// </remarks>
internal sealed partial class RestartReader<T>(
    RestartState state, SavedKind kind, Func<byte[], T?> decode, TimeProvider time, ILogger logger)
    where T : class
{
    private const int MaxDoublings = 10;
    private readonly ConcurrentDictionary<string, int> _silences = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, bool> _told = new(StringComparer.Ordinal);

    /// <summary>Reads.</summary>
    /// <param name="subject">Whose.</param>
    /// <param name="read">The control plane's own read.</param>
    /// <param name="keep">Takes in its answer.</param>
    /// <param name="index">The index for it.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<Watched<T>> ReadAsync(
        string subject, Func<ulong, CancellationToken, Task<Watched<T>>> read, Action<T> keep, ulong index, CancellationToken cancellationToken)
    {
        Watched<T> answer;
        if (state.Find(kind, subject) is null)
        {
            answer = await read(index, cancellationToken).ConfigureAwait(false);
        }
        else
        {
            try
            {
                answer = await ReadPatientlyAsync(subject, read, index, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested && !IsRefusal(e))
            {
                if (Remember(subject, e) is { } remembered)
                {
                    return remembered;
                }

                throw;
            }
        }

        if (answer.Remembered is null)
        {
            keep(answer.Value);
        }

        return answer;
    }

    private static bool IsRefusal(Exception e) =>
        e is ControlPlaneException { Failure: ControlPlaneFailure.Forbidden or ControlPlaneFailure.Rejected };

    private async Task<Watched<T>> ReadPatientlyAsync(
        string subject, Func<ulong, CancellationToken, Task<Watched<T>>> read, ulong index, CancellationToken cancellationToken)
    {
        var patience = MeshDefaults.StateFilePatience * (1 << Math.Min(MaxDoublings, _silences.GetValueOrDefault(subject)));
        using var silence = new CancellationTokenSource(patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(silence.Token, cancellationToken);
        try
        {
            return await read(index, either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (silence.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            _silences.AddOrUpdate(subject, 1, static (_, count) => count + 1);
            throw new ControlPlaneException(ControlPlaneFailure.Unreachable, $"The control plane gave no answer within {patience}.", e);
        }
    }

    private Watched<T>? Remember(string subject, Exception failure)
    {
        if (state.Find(kind, subject) is not { } entry)
        {
            return null;
        }

        try
        {
            if (decode(entry.Content) is { } value)
            {
                if (_told.TryAdd(subject, true))
                {
                    LogRemembered(logger, kind, subject, entry.Age);
                }

                return new Watched<T>(value, 0) { Remembered = new RememberedAnswer(entry.Age, failure) };
            }

            LogNoLongerValid(logger, kind, subject);
        }
        catch (Exception e)
        {
            // Sealed by us, so it was good once; what became of it must not take the app down.
            LogUnreadable(logger, kind, subject, e.GetType().Name);
        }

        state.Drop(kind, subject);
        return null;
    }

    [LoggerMessage(45, LogLevel.Warning, "The control plane does not answer: {Kind} {Subject} as the state file has it, confirmed {Age} ago.")]
    private static partial void LogRemembered(ILogger logger, SavedKind kind, string subject, TimeSpan age);

    [LoggerMessage(46, LogLevel.Error, "{Kind} {Subject} of the state file is not valid at this time and not gone by.")]
    private static partial void LogNoLongerValid(ILogger logger, SavedKind kind, string subject);

    [LoggerMessage(47, LogLevel.Error, "{Kind} {Subject} of the state file cannot be read ({Problem}) and is not gone by.")]
    private static partial void LogUnreadable(ILogger logger, SavedKind kind, string subject, string problem);
}
