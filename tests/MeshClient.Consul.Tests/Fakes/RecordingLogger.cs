using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace MeshClient.Consul.Tests.Fakes;

/// <summary>Keeps what is logged.</summary>
internal sealed class RecordingLogger : ILogger<ConsulControlPlane>
{
    private readonly ConcurrentQueue<(EventId Id, string Text)> _entries = new();

    public IReadOnlyCollection<(EventId Id, string Text)> Entries => _entries;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        _entries.Enqueue((eventId, formatter(state, exception)));
}
