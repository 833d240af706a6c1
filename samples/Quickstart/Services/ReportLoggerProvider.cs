namespace Quickstart.Services;

/// <summary>Sends the log to the story-teller instead of the console.</summary>
internal sealed class ReportLoggerProvider : ILoggerProvider
{
    public ILogger CreateLogger(string categoryName) => new ReportLogger(categoryName);

    public void Dispose()
    {
    }

    private sealed class ReportLogger(string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) =>
            logLevel >= (category.StartsWith("MeshClient", StringComparison.Ordinal) ? LogLevel.Information : LogLevel.Warning);

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                var text = formatter(state, exception) + (exception is null ? string.Empty : $" ({exception.Message})");
                Report.Write(new Report { Log = $"{category}: {text}", Level = logLevel, EventId = eventId.Id });
            }
        }
    }
}
