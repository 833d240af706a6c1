using System.Diagnostics;
using System.Diagnostics.Metrics;
using MeshClient.OpenTelemetry;
using MeshClient.Server;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

namespace MeshClient.OpenTelemetry.Tests;

public sealed class MeshClientInstrumentationExtensionsTests
{
    [Fact]
    public async Task AddMeshClientInstrumentation_Meters_CollectsACallsDuration()
    {
        using var reader = new CollectingReader();
        using var meters = Sdk.CreateMeterProviderBuilder().AddMeshClientInstrumentation().AddReader(reader).Build();
        await using var services = Calls.Services();

        await Calls.MakeOneAsync(services, TestContext.Current.CancellationToken);
        reader.Collect();

        Assert.Contains("meshclient.call.duration", reader.Names);
        Assert.Contains("meshclient.attempt.duration", reader.Names);
    }

    [Fact]
    public async Task AddMeshClientInstrumentation_Meters_CollectsWhatARegistryMeasures()
    {
        using var reader = new CollectingReader();
        using var meters = Sdk.CreateMeterProviderBuilder().AddMeshClientInstrumentation().AddReader(reader).Build();
        await using var server = new MeshServer(new MeshServerOptions { ListenAddress = new Uri("http://127.0.0.1:0") });
        await server.StartAsync(TestContext.Current.CancellationToken);
        using var http = new HttpClient();

        await http.GetStringAsync(new Uri(server.Address, "/v1/status/live"), TestContext.Current.CancellationToken);

        // The server notes what a request took after it has answered.
        await CollectUntilAsync(reader, "meshclient.server.request.duration");
        Assert.Contains("meshclient.server.instances", reader.Names);
    }

    [Fact]
    public async Task AddMeshClientInstrumentation_Tracers_CollectsACallAsOneSpan()
    {
        using var spans = new CollectingProcessor();
        using var tracers = Sdk.CreateTracerProviderBuilder().AddMeshClientInstrumentation().AddProcessor(spans).Build();
        await using var services = Calls.Services();

        await Calls.MakeOneAsync(services, TestContext.Current.CancellationToken);

        var call = Assert.Single(spans.Ended, span => span.Source.Name == MeshClientInstrumentationExtensions.Name);
        Assert.Equal(("GET", "orders", 200), (call.DisplayName, call.GetTagItem("meshclient.service"), call.GetTagItem("http.response.status_code")));
        Assert.NotNull(call.GetTagItem("meshclient.instance"));
    }

    private static async Task CollectUntilAsync(CollectingReader reader, string name)
    {
        var begin = TimeProvider.System.GetTimestamp();
        while (!reader.Names.Contains(name))
        {
            Assert.True(TimeProvider.System.GetElapsedTime(begin) < TimeSpan.FromSeconds(20), $"'{name}' was not collected.");
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, TestContext.Current.CancellationToken);
            reader.Collect();
        }
    }

    private sealed class CollectingReader : BaseExportingMetricReader
    {
        private readonly Exporter _exporter;

        public CollectingReader()
            : this(new Exporter())
        {
        }

        private CollectingReader(Exporter exporter)
            : base(exporter) => _exporter = exporter;

        public IEnumerable<string> Names => _exporter.Names;

        private sealed class Exporter : BaseExporter<Metric>
        {
            public HashSet<string> Names { get; } = [];

            public override ExportResult Export(in Batch<Metric> batch)
            {
                foreach (var metric in batch)
                {
                    Names.Add(metric.Name);
                }

                return ExportResult.Success;
            }
        }
    }

    private sealed class CollectingProcessor : BaseProcessor<Activity>
    {
        public System.Collections.Concurrent.ConcurrentQueue<Activity> Ended { get; } = new();

        public override void OnEnd(Activity data) => Ended.Enqueue(data);
    }
}
