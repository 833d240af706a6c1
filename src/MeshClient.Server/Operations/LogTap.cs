using System.Collections.Immutable;
using System.Globalization;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace MeshClient.Server.Operations;

/// <summary>
/// Lets callers of <c>/v1/agent/monitor</c> read along what the server logs, in Consul's form. It stands before the host's
/// own logging, so a caller may ask for more than that writes.
/// </summary>
internal sealed class LogTap(ILoggerFactory inner, TimeProvider time) : ILoggerFactory
{
    private ImmutableArray<LogReader> _readers = [];
    private volatile bool _closed;

    /// <summary>Reads the texts of levels; null for none that is known.</summary>
    public static LogLevel? ParseLevel(string text) => text.ToUpperInvariant() switch
    {
        "TRACE" => LogLevel.Trace,
        "DEBUG" => LogLevel.Debug,
        "INFO" or "" => LogLevel.Information,
        "WARN" => LogLevel.Warning,
        "ERR" or "ERROR" => LogLevel.Error,
        _ => null,
    };

    public ILogger CreateLogger(string categoryName) => new TappedLogger(this, inner.CreateLogger(categoryName), categoryName);

    public void AddProvider(ILoggerProvider provider) => inner.AddProvider(provider);

    /// <summary>Begins to read along.</summary>
    public LogReader Open(LogLevel level)
    {
        var reader = new LogReader(this, level);
        ImmutableInterlocked.Update(ref _readers, static (readers, added) => readers.Add(added), reader);
        if (_closed)
        {
            reader.Close();
        }

        return reader;
    }

    /// <summary>Ends all reading, now and later.</summary>
    public void Close()
    {
        _closed = true;
        foreach (var reader in _readers)
        {
            reader.Close();
        }
    }

    // The host's factory is the host's to dispose.
    public void Dispose() => Close();

    internal void Remove(LogReader reader) =>
        ImmutableInterlocked.Update(ref _readers, static (readers, removed) => readers.Remove(removed), reader);

    private bool IsRead(LogLevel level)
    {
        foreach (var reader in _readers)
        {
            if (level >= reader.Level)
            {
                return true;
            }
        }

        return false;
    }

    private void Write(LogLevel level, string category, string message, Exception? exception)
    {
        var moment = time.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
        var name = level switch
        {
            LogLevel.Trace => "[TRACE]",
            LogLevel.Debug => "[DEBUG]",
            LogLevel.Information => "[INFO] ",
            LogLevel.Warning => "[WARN] ",
            _ => "[ERROR]",
        };
        var error = exception is null ? string.Empty : $": error=\"{exception.Message}\"";
        var line = $"{moment} {name} {category}: {message}{error}".ReplaceLineEndings(" ") + "\n";
        foreach (var reader in _readers)
        {
            if (level >= reader.Level)
            {
                reader.Write(line);
            }
        }
    }

    private sealed class TappedLogger(LogTap tap, ILogger logger, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => logger.BeginScope(state);

        public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None && (logger.IsEnabled(logLevel) || tap.IsRead(logLevel));

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (logger.IsEnabled(logLevel))
            {
                logger.Log(logLevel, eventId, state, exception, formatter);
            }

            if (tap.IsRead(logLevel))
            {
                tap.Write(logLevel, category, formatter(state, exception), exception);
            }
        }
    }
}

/// <summary>One caller who reads along. One that reads too slowly misses lines; it holds nobody up.</summary>
internal sealed class LogReader(LogTap tap, LogLevel level) : IDisposable
{
    /// <summary>How many lines wait for a caller (Consul's buffer).</summary>
    private const int Capacity = 512;

    private readonly Channel<string> _lines = Channel.CreateBounded<string>(
        new BoundedChannelOptions(Capacity) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true });

    public LogLevel Level => level;

    /// <summary>The lines, until the server stops or the caller goes.</summary>
    public IAsyncEnumerable<string> ReadAsync(CancellationToken cancellationToken) => _lines.Reader.ReadAllAsync(cancellationToken);

    public void Dispose()
    {
        tap.Remove(this);
        Close();
    }

    internal void Write(string line) => _lines.Writer.TryWrite(line);

    internal void Close() => _lines.Writer.TryComplete();
}
