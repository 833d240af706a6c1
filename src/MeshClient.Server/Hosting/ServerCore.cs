using MeshClient.Server.AccessControl;
using MeshClient.Server.AccessControl.Login;
using MeshClient.Server.Api;
using MeshClient.Server.Api.AccessControl;
using MeshClient.Server.Api.Agent;
using MeshClient.Server.Api.Catalog;
using MeshClient.Server.Api.CertificateAuthority;
using MeshClient.Server.Api.ConfigEntries;
using MeshClient.Server.Api.KeyValues;
using MeshClient.Server.Api.Operations;
using MeshClient.Server.Api.PreparedQueries;
using MeshClient.Server.Api.Sessions;
using MeshClient.Server.Catalog;
using MeshClient.Server.CertificateAuthority;
using MeshClient.Server.Events;
using MeshClient.Server.Federation;
using MeshClient.Server.HealthChecks;
using MeshClient.Server.Operations;
using MeshClient.Server.Sessions;
using MeshClient.Server.State;
using MeshClient.Server.Telemetry;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace MeshClient.Server.Hosting;

/// <summary>
/// The server without a listener: state, clocks, authority and API put together. Whoever hosts it hands requests in.
/// </summary>
internal sealed class ServerCore : IDisposable
{
    private readonly IStateStorage _storage;
    private readonly TimeProvider _time;
    private readonly ServerMetrics _metrics = new();
    private readonly MetricsCollector _collector;
    private readonly LogTap _tap;
    private readonly HealthMonitor _monitor;
    private readonly Reaper _reaper;
    private readonly Jitter _jitter = new(new Random());
    private readonly BlockingQuery _queries;
    private readonly DatacenterForwarder _forwarder;
    private readonly SessionClocks _sessions;
    private readonly ApiDispatcher _dispatcher;

    /// <exception cref="InvalidDataException">What the data directory holds cannot be used.</exception>
    /// <exception cref="IOException">The data directory cannot be used, or another server uses it.</exception>
    public ServerCore(MeshServerOptions options, TimeProvider time, ILoggerFactory logs)
    {
        Options = options;
        _time = time;
        _collector = new MetricsCollector(_metrics.Meter);
        logs = _tap = new LogTap(logs, time);
        _storage = options.DataDirectory is { } path ? new StateDirectory(path, logs.CreateLogger<StateDirectory>()) : new MemoryStateStorage();
        try
        {
            Store = new StateStore(LoadState(options, time.GetUtcNow()), _storage, new WatchHub(), time);
            Store.Apply(new BeginRun());
            _queries = new BlockingQuery(Store, time, _jitter);
            _sessions = new SessionClocks(Store, time);
            var beats = new TtlMonitor(
                Store, time, options.SelfPreservation ? new SelfPreservation(options.SelfPreservationThreshold) : null, _metrics,
                logs.CreateLogger<TtlMonitor>());
            _monitor = new HealthMonitor(beats, new CheckRunner(Store, _jitter, time, _metrics, logs.CreateLogger<CheckRunner>()));
            _metrics.Observe(Store, beats);
            _reaper = new Reaper(Store, _monitor, _metrics, time, logs.CreateLogger<Reaper>());
            var authority = new Authority(Store, options, time, logs.CreateLogger<Authority>());
            authority.Initialize();
            Access.Initialize(Store, options, time);
            Certificate = new ServerCertificate(options, Store, time);
            _forwarder = new DatacenterForwarder(options, time, logs.CreateLogger<DatacenterForwarder>());
            var agentTokens = new AgentTokens();
            var resolver = new TokenResolver(Store, options, agentTokens, time);
            Routes = MapRoutes(authority, options, time);
            new AccessHandlers(Store, _queries, resolver, agentTokens, options, time).Map(Routes);
            new LoginHandlers(Store, _queries, resolver, new LoginService(Store, options, time, logs.CreateLogger<LoginService>())).Map(Routes);
            _dispatcher = new ApiDispatcher(Routes, Store, resolver, _forwarder, options, _metrics, time, logs.CreateLogger<ApiDispatcher>());
            if (options.DataDirectory is null)
            {
                Log.MemoryOnly(logs.CreateLogger<ServerCore>());
            }

            WarnOfStrangers(options, logs.CreateLogger<ServerCore>());
            foreach (var checkId in Store.Current.Catalog.CheckOwners.Keys)
            {
                _monitor.Follow(checkId);
            }

            _sessions.FollowAll();
            _reaper.Start();
        }
        catch
        {
            _monitor?.Dispose();
            _collector.Dispose();
            _metrics.Dispose();
            _storage.Dispose();
            throw;
        }
    }

    public MeshServerOptions Options { get; }

    /// <summary>What HTTPS is served with.</summary>
    public ServerCertificate Certificate { get; }

    public StateStore Store { get; }

    public RouteTable Routes { get; }

    public Task HandleAsync(HttpContext http) => _dispatcher.HandleAsync(http);

    /// <summary>Lets parked queries answer and log readers end, and no new one begin.</summary>
    public void BeginStop()
    {
        Store.Watches.Close();
        _tap.Close();
    }

    public void Dispose()
    {
        BeginStop();
        _reaper.Dispose();
        _sessions.Dispose();
        _monitor.Dispose();
        _forwarder.Dispose();
        Certificate.Dispose();
        Store.Dispose();
        _storage.Dispose();
        _collector.Dispose();
        _metrics.Dispose();
    }

    private static void WarnOfStrangers(MeshServerOptions options, ILogger logger)
    {
        if (options.AllowPlaintextBeyondLoopback)
        {
            Log.ReadableByStrangers(logger, nameof(options.AllowPlaintextBeyondLoopback));
        }

        if (options.AccessControl.DemandsTokens)
        {
            return;
        }

        if (options.AllowPlaintextBeyondLoopback)
        {
            Log.OpenToStrangers(logger, nameof(options.AllowPlaintextBeyondLoopback));
        }

        if (options.AllowUnauthenticatedBeyondLoopback)
        {
            Log.OpenToStrangers(logger, nameof(options.AllowUnauthenticatedBeyondLoopback));
        }
    }

    private ServerState LoadState(MeshServerOptions options, DateTimeOffset now)
    {
        var stored = _storage.Load();
        var index = StateIndex.First(now, stored?.Index ?? 0);
        var node = NodeRecord.Local(Guid.NewGuid().ToString(), options.NodeName, options.NodeAddress, options.Datacenter, index);
        var empty = ServerState.CreateEmpty(index, node, now);
        if (stored is null)
        {
            return empty;
        }

        try
        {
            return StateTables.Restore(empty, stored.Rows, new RestoreContext(now, _storage.Seal, StateChange.OfRestore(index)));
        }
        catch (InvalidDataException e)
        {
            // Not passed over: a new root would cut off the mesh, and forgotten intentions would open it.
            throw new InvalidDataException(
                $"The data directory '{options.DataDirectory}' cannot be used: {e.Message}. Nothing was changed. Restore it, or move it away to begin a new mesh.");
        }
    }

    private void FollowRestored(ServerState before)
    {
        foreach (var checkId in before.Catalog.CheckOwners.Keys.Union(Store.Current.Catalog.CheckOwners.Keys))
        {
            _monitor.Follow(checkId);
        }

        _sessions.FollowAll();

        // It may be of before access control.
        Access.Initialize(Store, Options, _time);
    }

    private RouteTable MapRoutes(Authority authority, MeshServerOptions options, TimeProvider time)
    {
        var routes = new RouteTable();
        new AgentHandlers(Store, _monitor, options).Map(routes);
        new AgentServiceHandlers(Store, _queries, _monitor, options, time).Map(routes);
        new AgentCheckHandlers(Store, _monitor, time).Map(routes);
        new AgentHealthHandlers(Store).Map(routes);
        new CatalogHandlers(_queries, _forwarder, options).Map(routes);
        new CatalogWriteHandlers(Store, _monitor, options, time).Map(routes);
        new NodeHandlers(_queries, options).Map(routes);
        new CheckListHandlers(_queries, options).Map(routes);
        new UiServiceHandlers(_queries, options).Map(routes);
        new ClusterHandlers(Store, _queries, options).Map(routes);
        new OperationsHandlers(Store, _collector, _tap, options, time).Map(routes);
        new IntentionHandlers(Store, _queries, options, time).Map(routes);
        new AuthorityHandlers(Store, _queries, authority, options, time).Map(routes);
        new ConfigHandlers(Store, _queries, options, time).Map(routes);
        new ChainHandlers(Store, _queries, options).Map(routes);
        new QueryHandlers(Store, _queries, options, _jitter).Map(routes);
        new KeyHandlers(Store, _queries, options, time).Map(routes);
        new SessionHandlers(Store, _queries, _sessions, options, time).Map(routes);
        new TransactionHandlers(Store, _monitor, options, time).Map(routes);
        new EventHandlers(Store, new EventLog(Store.Watches), _queries, options).Map(routes);
        new SnapshotHandlers(Store, options, time, FollowRestored).Map(routes);
        return routes;
    }
}
