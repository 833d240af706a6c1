using Microsoft.Extensions.Logging;

namespace MeshClient.Server.Hosting;

/// <summary>
/// Hands the inner web server the owner's logs, but only for what is worth a warning: two lines for each heartbeat of each
/// instance would drown everything else.
/// </summary>
internal sealed class WarningsOfFramework(ILoggerFactory logs) : ILoggerFactory
{
    public ILogger CreateLogger(string categoryName) => new Quiet(logs.CreateLogger(categoryName));

    public void AddProvider(ILoggerProvider provider) => logs.AddProvider(provider);

    public void Dispose()
    {
        // They are the owner's.
    }

    private sealed class Quiet(ILogger logger) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => logger.BeginScope(state);

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning && logger.IsEnabled(logLevel);

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                logger.Log(logLevel, eventId, state, exception, formatter);
            }
        }
    }
}
