using System.Diagnostics;
using MeshClient.TestSupport;

namespace MeshClient.FunctionalTests.Grpc;

/// <summary>
/// A gRPC implementation that is not ours, and its programs. Where it cannot be had, the tests that start one are reported as
/// skipped, with the reason; with the environment variable <c>MESHCLIENT_REQUIRE_PEERS=1</c>, or
/// <c>MESHCLIENT_REQUIRE_CONSUL=1</c>, they fail.
/// </summary>
/// <param name="name">What <c>tests/get-grpc-peers.sh</c> calls it.</param>
public abstract class PeerRuntime(string name) : IAsyncLifetime
{
    private string? _location;
    private string? _whyNot;

    /// <summary>How it names itself in what it answers.</summary>
    public abstract string AnswersBy { get; }

    /// <inheritdoc/>
    public async ValueTask InitializeAsync() => (_location, _whyNot) = await PeerScript.RunAsync("get-grpc-peers.sh", name);

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        return ValueTask.CompletedTask;
    }

    /// <summary>How one of its programs is started. Skips the test, or fails it, when it cannot be.</summary>
    /// <param name="program">The file under <c>Peers</c>, without what follows the dot.</param>
    /// <param name="arguments">The program's arguments.</param>
    internal ProcessStartInfo Program(string program, params IEnumerable<string> arguments)
    {
        if (_location is null && (IsSet("MESHCLIENT_REQUIRE_PEERS") || IsSet("MESHCLIENT_REQUIRE_CONSUL")))
        {
            Assert.Fail($"{name} is required as a gRPC peer and cannot be had: {_whyNot}");
        }

        if (_location is null)
        {
            Assert.Skip($"No {name} to talk gRPC to: {_whyNot}");
        }

        return Program(_location, Path.Combine(AppContext.BaseDirectory, "Grpc", "Peers", program), arguments);
    }

    private protected abstract ProcessStartInfo Program(string location, string program, IEnumerable<string> arguments);

    private static bool IsSet(string variable) => Environment.GetEnvironmentVariable(variable) == "1";
}

/// <summary>grpc-js, the gRPC of Node.js: HTTP/2 and TLS are Node's.</summary>
public sealed class GrpcJsRuntime() : PeerRuntime("grpc-js")
{
    /// <inheritdoc/>
    public override string AnswersBy => "grpc-js";

    private protected override ProcessStartInfo Program(string location, string program, IEnumerable<string> arguments) =>
        new("node", [$"{program}.js", .. arguments]) { Environment = { ["NODE_PATH"] = location } };
}

/// <summary>grpcio, the gRPC of Python: over the C core, which also carries C++, Ruby, PHP and C#'s old one.</summary>
public sealed class PythonRuntime() : PeerRuntime("python")
{
    /// <inheritdoc/>
    public override string AnswersBy => "grpcio";

    private protected override ProcessStartInfo Program(string location, string program, IEnumerable<string> arguments) =>
        new(location, [$"{program}.py", .. arguments]);
}
