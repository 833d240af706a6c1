using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace MeshClient.AspNetCore.Tests.Support;

/// <summary>Keeps every log line of a host.</summary>
internal sealed class RecordingLogs : ILoggerProvider
{
    private readonly ConcurrentQueue<Line> _lines = new();

    public IReadOnlyList<Line> Lines => [.. _lines];

    public IEnumerable<Line> Of(int eventId) => Lines.Where(line => line.Event == eventId && line.Category.StartsWith("MeshClient", StringComparison.Ordinal));

    public ILogger CreateLogger(string categoryName) => new Logger(categoryName, _lines);

    public void Dispose()
    {
    }

    internal sealed record Line(string Category, LogLevel Level, int Event, string Text);

    private sealed class Logger(string category, ConcurrentQueue<Line> lines) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            lines.Enqueue(new Line(category, logLevel, eventId.Id, $"{formatter(state, exception)}{(exception is null ? string.Empty : $" | {exception.Message}")}"));
    }
}
