using MeshClient.Benchmarks;

return args switch
{
    ["overhead", ..] => await OverheadBenchmark.RunAsync(),
    ["transport", ..] => await TransportBenchmark.RunAsync(args),
    ["transport-server", ..] => await TransportServer.RunAsync(),
    ["overload", ..] => await OverloadBenchmark.RunAsync(),
    ["overload-server", var registry, var limit] => await OverloadServer.RunAsync(registry, limit),
    ["pick", ..] => PickBenchmark.Run(),
    ["memory", ..] => await MemoryBenchmark.RunAsync(),
    _ => Help(),
};

static int Help()
{
    Console.WriteLine(
        """
        Compares MeshClient with the bare handler, side by side in one run. Run in Release:

          dotnet run -c Release --project tests/MeshClient.Benchmarks -- COMMAND

          overhead    time and bytes a call gets added by the pipeline, no network
          pick        time of one choice of an instance
          memory      bytes an instance costs that is known and has no connection
          transport   calls a second and latency over mutual TLS, HTTP/2 and HTTP/1.1, against a server process
                      [--seconds N] (default 3) [--rounds N] (default 5)
          overload    calls answered in time by a service that is asked for twice what it can do, with a learned limit and without

        Each prints a table for results/.
        """);
    return 2;
}
