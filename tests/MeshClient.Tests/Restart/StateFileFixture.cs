using System.Diagnostics.Metrics;
using MeshClient.Configuration;
using MeshClient.Restart;
using MeshClient.Testing;
using MeshClient.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace MeshClient.Tests.Restart;

/// <summary>A directory with a state file, a key, a clock and a log.</summary>
internal sealed class StateFileFixture : IDisposable
{
    public const string Key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("mesh-state-");
    private readonly ServiceProvider _meters = new ServiceCollection().AddMetrics().BuildServiceProvider();

    public string Path => System.IO.Path.Combine(_directory.FullName, "web.state");

    public FakeTimeProvider Time { get; } = new(TimeProvider.System.GetUtcNow());

    public LogCollector Logs { get; } = new();

    public static IStateProtector Protector =>
        AesStateProtector.TryCreate(new MeshStateFileOptions { Key = Key }, out var protector, out _) ? protector : throw new InvalidOperationException();

    /// <summary>What was logged under a number.</summary>
    public IEnumerable<LogLine> Logged(int number) => Logs.Lines.Where(line => line.Event.Id == number);

    /// <summary>What an app of a service would make of the file.</summary>
    public RestartState Open(
        string service = "web", Action<MeshStateFileOptions>? configure = null, IStateProtector? protector = null, string? trustDomain = null)
    {
        var options = new MeshStateFileOptions { Path = Path };
        configure?.Invoke(options);
        return new RestartState(
            options, service, trustDomain, protector ?? Protector, Time, _meters.GetRequiredService<IMeterFactory>(),
            new LoggerFactory([Logs]).CreateLogger<RestartState>());
    }

    /// <summary>Writes a file with one entry of instances.</summary>
    public void Write(string service = "web", byte[]? content = null)
    {
        using var state = Open(service);
        state.Keep(SavedKind.Instances, "orders", content ?? "orders"u8.ToArray());
    }

    /// <summary>What the file holds.</summary>
    public SavedDocument Read() => new StateFile(Path, Protector).Read()!;

    /// <summary>Writes a document as it is.</summary>
    public void Write(SavedDocument document) => new StateFile(Path, Protector).Write(document);

    public void Dispose()
    {
        _meters.Dispose();
        _directory.Delete(recursive: true);
    }
}
