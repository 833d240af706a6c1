using System.Diagnostics.Metrics;
using MeshClient.Configuration;
using MeshClient.Telemetry;
using Microsoft.Extensions.Logging;

namespace MeshClient.Restart;

/// <summary>
/// What the control plane has said last, kept in the state file and read from it at the next start. An entry from the file is given
/// out until the control plane has answered about the same thing; from then on only its answers are kept.
/// </summary>
/// <remarks>Nothing here fails a start or a call: a file that is not good is told of in the log and taken as none.</remarks>
internal sealed partial class RestartState : IDisposable
{
    // The wait of a long poll, after which it confirms what it has: a process that is killed leaves a file no older than this.
    private static readonly TimeSpan RefreshInterval = TimeSpan.FromMinutes(5);

    // Several answers come together; at the first there is more to come.
    private static readonly TimeSpan FirstDelay = TimeSpan.FromSeconds(1);

    private readonly StateFile _file;
    private readonly string _service;
    private readonly TimeSpan _maxAge;
    private readonly TimeSpan _writeInterval;
    private readonly TimeProvider _time;
    private readonly ILogger<RestartState> _logger;
    private readonly Lock _lock = new();
    private readonly Lock _writing = new();
    private readonly Dictionary<(SavedKind Kind, string Subject), Entry> _entries = [];
    private readonly ITimer _timer;
    private Dictionary<SavedKind, DateTimeOffset> _inFile = [];
    private string? _trustDomain;
    private long? _writtenAt;
    private bool _isForeign;
    private bool _isArmed;
    private bool _isDirty;
    private bool _isConfirmed;
    private bool _writeFailed;
    private bool _disposed;

    /// <param name="options">Where the file is, and how old what it says may be.</param>
    /// <param name="service">The service this process is; empty for an app without a name.</param>
    /// <param name="trustDomain">The trust domain it is in, where that is known beforehand; null: what is kept will tell.</param>
    /// <param name="protector">Seals the file.</param>
    /// <param name="time">The clock.</param>
    /// <param name="meters">Where the age of what it holds is measured.</param>
    /// <param name="logger">Where it is told what becomes of the file.</param>
    public RestartState(
        MeshStateFileOptions options,
        string service,
        string? trustDomain,
        IStateProtector protector,
        TimeProvider time,
        IMeterFactory meters,
        ILogger<RestartState> logger)
    {
        _trustDomain = trustDomain;
        _file = new StateFile(options.Path!, protector);
        _service = service;
        _maxAge = options.MaxAge;
        _writeInterval = options.WriteInterval;
        _time = time;
        _logger = logger;
        _timer = time.CreateTimer(static state => ((RestartState)state!).Write(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        Load();
        meters.Create(MeshTelemetry.Name).CreateObservableGauge(
            "meshclient.state_file.age", Ages, "s", "How long ago the control plane last confirmed what the state file holds.");
    }

    /// <summary>
    /// What the file says of something the control plane has not answered about yet; null when it says nothing, or the control
    /// plane has.
    /// </summary>
    public RestartEntry? Find(SavedKind kind, string subject)
    {
        lock (_lock)
        {
            return _entries.TryGetValue((kind, subject), out var entry) && !entry.IsAnswered && AgeOf(entry.ConfirmedAt) is var age && age <= _maxAge
                ? new RestartEntry(entry.Content, age)
                : null;
        }
    }

    /// <summary>Takes in what the control plane has answered.</summary>
    /// <param name="kind">About what.</param>
    /// <param name="subject">About whom.</param>
    /// <param name="content">What; null: nothing that is worth keeping. Not changed afterwards.</param>
    /// <param name="trustDomain">The trust domain it is in, where that can be told.</param>
    public void Keep(SavedKind kind, string subject, byte[]? content, string? trustDomain = null)
    {
        lock (_lock)
        {
            if (trustDomain is not null && trustDomain != _trustDomain)
            {
                MoveInLock(trustDomain);
            }

            if (content is null)
            {
                if (_entries.Remove((kind, subject)))
                {
                    ArmInLock();
                }

                return;
            }

            _entries.TryGetValue((kind, subject), out var known);
            _entries[(kind, subject)] = new Entry(content, _time.GetUtcNow(), IsAnswered: true);
            if (known is null || !known.Content.AsSpan().SequenceEqual(content))
            {
                ArmInLock();
            }
            else
            {
                ConfirmInLock();
            }
        }
    }

    /// <summary>Takes in that the control plane has answered what is kept already.</summary>
    public void Confirm(SavedKind kind, string subject)
    {
        lock (_lock)
        {
            if (_entries.TryGetValue((kind, subject), out var known))
            {
                _entries[(kind, subject)] = known with { ConfirmedAt = _time.GetUtcNow() };
                ConfirmInLock();
            }
        }
    }

    /// <summary>Forgets what the file says of something, because it is of no use.</summary>
    public void Drop(SavedKind kind, string subject)
    {
        lock (_lock)
        {
            if (_entries.TryGetValue((kind, subject), out var entry) && !entry.IsAnswered)
            {
                _entries.Remove((kind, subject));
            }
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
            _isDirty |= _isConfirmed;
        }

        _timer.Dispose();
        Write();
    }

    private void Load()
    {
        try
        {
            if (_file.Read() is not { } document)
            {
                LogNone(_logger, _file.FullPath);
                return;
            }

            Check(document);
            foreach (var entry in document.Entries)
            {
                _entries[(entry.Kind, entry.Subject)] = new Entry(entry.Content, entry.ConfirmedAt, IsAnswered: false);
            }

            _trustDomain ??= document.TrustDomain;
            _inFile = NewestOf(_entries);
            LogLoaded(
                _logger,
                _file.FullPath,
                AgeOf(document.WrittenAt),
                document.Entries.Count(entry => entry.Kind == SavedKind.Instances),
                string.Join(", ", _inFile.Keys.Order().Select(kind => $"{kind} of {AgeOf(_inFile[kind]):c} ago")));
        }
        catch (Exception e)
        {
            // Whatever it is that cannot be read, an app has to start. What others than we say of it may quote it.
            _entries.Clear();
            LogRefused(_logger, _file.FullPath, e is StateRefusedException ? e.Message : $"it cannot be read ({e.GetType().Name})");
        }
    }

    private void Check(SavedDocument document)
    {
        if (!string.Equals(document.Service, _service, StringComparison.Ordinal))
        {
            // To write over it would take from another service what it needs.
            _isForeign = true;
            throw new StateRefusedException(
                $"it belongs to service '{document.Service}', not to '{_service}', and is left as it is; give each service a file of its own, or delete it");
        }

        if (_trustDomain is not null && document.TrustDomain is { } domain && domain != _trustDomain)
        {
            throw new StateRefusedException($"it is of trust domain {domain}, and this process of {_trustDomain}");
        }

        SavedDocumentCheck.Verify(document, _time.GetUtcNow());
    }

    private void MoveInLock(string trustDomain)
    {
        var old = _entries.Where(pair => !pair.Value.IsAnswered).Select(pair => pair.Key).ToList();
        foreach (var key in old)
        {
            _entries.Remove(key);
        }

        if (_trustDomain is { } before && old.Count > 0)
        {
            LogOtherTrustDomain(_logger, _file.FullPath, before, trustDomain);
        }

        _trustDomain = trustDomain;
    }

    private void ConfirmInLock()
    {
        _isConfirmed = true;
        if (_writtenAt is not { } at || _time.GetElapsedTime(at) >= RefreshInterval)
        {
            ArmInLock();
        }
    }

    private void ArmInLock()
    {
        _isDirty = true;
        if (_isArmed || _disposed || _isForeign)
        {
            return;
        }

        _isArmed = true;
        var left = _writtenAt is { } at ? _writeInterval - _time.GetElapsedTime(at) : TimeSpan.Zero;
        _timer.Change(left > FirstDelay ? left : FirstDelay, Timeout.InfiniteTimeSpan);
    }

    private void Write()
    {
        lock (_writing)
        {
            SavedDocument document;
            Dictionary<SavedKind, DateTimeOffset> newest;
            lock (_lock)
            {
                _isArmed = false;
                if (!_isDirty || _isForeign)
                {
                    return;
                }

                (_isDirty, _isConfirmed, _writtenAt) = (false, false, _time.GetTimestamp());
                foreach (var key in _entries.Where(pair => AgeOf(pair.Value.ConfirmedAt) > _maxAge).Select(pair => pair.Key).ToList())
                {
                    _entries.Remove(key);
                }

                newest = NewestOf(_entries);
                document = new SavedDocument
                {
                    Service = _service,
                    TrustDomain = _trustDomain,
                    WrittenAt = _time.GetUtcNow(),
                    Entries = [.. _entries.Select(pair => new SavedEntry
                    {
                        Kind = pair.Key.Kind, Subject = pair.Key.Subject, ConfirmedAt = pair.Value.ConfirmedAt, Content = pair.Value.Content,
                    })],
                };
            }

            try
            {
                _file.Write(document);
                _inFile = newest;
                _writeFailed = false;
            }
            catch (Exception e)
            {
                // A protector is the app's own and may throw anything.
                if (!_writeFailed)
                {
                    LogNotWritten(_logger, _file.FullPath, e.Message);
                }

                _writeFailed = true;
                lock (_lock)
                {
                    ArmInLock();
                }
            }
        }
    }

    private TimeSpan AgeOf(DateTimeOffset then)
    {
        var age = _time.GetUtcNow() - then;
        return age > TimeSpan.Zero ? age : TimeSpan.Zero;
    }

    private IEnumerable<Measurement<double>> Ages() => _inFile.Select(pair => new Measurement<double>(
        AgeOf(pair.Value).TotalSeconds, new KeyValuePair<string, object?>("meshclient.state_file.part", pair.Key.ToString())));

    private static Dictionary<SavedKind, DateTimeOffset> NewestOf(Dictionary<(SavedKind Kind, string Subject), Entry> entries) =>
        entries.GroupBy(pair => pair.Key.Kind).ToDictionary(group => group.Key, group => group.Max(pair => pair.Value.ConfirmedAt));

    private sealed record Entry(byte[] Content, DateTimeOffset ConfirmedAt, bool IsAnswered);

    [LoggerMessage(40, LogLevel.Information, "There is no state file at {Path} yet.")]
    private static partial void LogNone(ILogger logger, string path);

    [LoggerMessage(
        41, LogLevel.Information, "State file {Path}, written {Age} ago, holds the instances of {Services} services; {Parts}. It is gone by only where the control plane does not answer.")]
    private static partial void LogLoaded(ILogger logger, string path, TimeSpan age, int services, string parts);

    [LoggerMessage(42, LogLevel.Error, "State file {Path} is refused: {Problem}. The app starts as if there were none.")]
    private static partial void LogRefused(ILogger logger, string path, string problem);

    [LoggerMessage(43, LogLevel.Error, "State file {Path} is of trust domain {Before}, but this process is of {Now}: what it says is not gone by any more.")]
    private static partial void LogOtherTrustDomain(ILogger logger, string path, string before, string now);

    [LoggerMessage(44, LogLevel.Warning, "State file {Path} cannot be written; trying goes on. {Problem}")]
    private static partial void LogNotWritten(ILogger logger, string path, string problem);
}

/// <summary>Something the state file says.</summary>
/// <param name="Content">As its codec wrote it.</param>
/// <param name="Age">How long ago the control plane last confirmed it.</param>
internal sealed record RestartEntry(byte[] Content, TimeSpan Age);
