using System.Globalization;
using MeshClient.Benchmarks;
using MeshClient.Benchmarks.Registry;
using MeshClient.Benchmarks.Sidecars;

return args switch
{
    ["overhead", ..] => await OverheadBenchmark.RunAsync(args[1..]),
    ["inbound", ..] => await InboundBenchmark.RunAsync(),
    ["transport", ..] => await TransportBenchmark.RunAsync(args),
    ["transport-server", ..] => await TransportServer.RunAsync(),
    ["handshake", ..] => await HandshakeBenchmark.RunAsync(args),
    ["overload", ..] => await OverloadBenchmark.RunAsync(),
    ["overload-server", var registry, var limit] => await OverloadServer.RunAsync(registry, limit),
    ["sidecars", ..] => await SidecarBenchmark.RunAsync(args),
    ["sidecar-server", var registry, var plainPort, var meshPort] => await SidecarServer.RunAsync(registry, plainPort, meshPort),
    ["tcp", ..] => await TcpBenchmark.RunAsync(),
    ["pick", ..] => PickBenchmark.Run(args[1..]),
    ["evaluator", ..] => EvaluatorBenchmark.Run(),
    ["memory", ..] => await MemoryBenchmark.RunAsync(),
    ["registry", ..] => await RegistryBenchmark.RunAsync(args),
    ["registry-server", var port, var folder] => await RegistryServer.RunAsync(int.Parse(port, CultureInfo.InvariantCulture), folder),
    _ => Help(),
};

static int Help()
{
    Console.WriteLine(
        """
        Compares MeshClient with the bare handler, side by side in one run. Run in Release:

          dotnet run -c Release --project tests/MeshClient.Benchmarks -- COMMAND

          overhead    time and bytes a call gets added by the pipeline, no network: [calls] [hedging] [options] [listeners] (default: all)
          inbound     time and bytes a request gets added by the stages in front of an app, no network
          pick        time of one choice of an instance: [PeakEwma] [LeastRequest] ... (default: by every policy)
          evaluator   time of one decision whether a call may go on
          memory      bytes an instance costs that is known and has no connection
          transport   calls a second and latency over mutual TLS, HTTP/2 and HTTP/1.1, against a server process
                      [--milliseconds N] of a round (default 500) [--rounds N] (default 15) [--cells VERSION:BYTES:CALLERS,...] (default: all)
          handshake   time of a connection, TCP and mutual TLS, new and resumed, against the bare SslStream
                      [--handshakes N] of each (default 3000)
          registry    MeshClient.Server against a real Consul (CONSUL_BIN), both on disk: [register] [writes] [reads] [leaves]
                      [wake] [park] [start] (default: all; 10 000 watchers need "ulimit -n 30000")
          overload    calls answered in time by a service that is asked for twice what it can do, with a learned limit and without
          tcp         a connection that was dialed against a bare pair of SslStreams: opening, exchanges, bytes a second
          sidecars    the same against pairs of HAProxy and nginx with mutual TLS between them, where they are installed
                      [--seconds N] [--rounds N] (default 3)

        Each prints a table for results/.
        """);
    return 2;
}
