namespace MeshClient.Configuration;

/// <summary>The values that hold when nobody says otherwise, each with where it comes from.</summary>
public static class MeshDefaults
{
    /// <summary>15 s: the request timeout of Consul's service-resolver and of an Envoy route.</summary>
    public static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(15);

    /// <summary>5 s: a third of the call's, so that a hanging instance leaves time for two others.</summary>
    public static readonly TimeSpan AttemptTimeout = TimeSpan.FromSeconds(5);

    /// <summary>2 s: Ribbon's connect timeout; below the attempt's, so that a dead address costs a retry, not the call.</summary>
    public static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(2);

    /// <summary>1024: Envoy's max_connections of a cluster's circuit breaker.</summary>
    public const int ForwarderMaxConnections = 1024;

    /// <summary>2 s: how long connections handed on may go on when their process stops; a query takes less, a pool's idle ones never end.</summary>
    public static readonly TimeSpan ForwarderDrain = TimeSpan.FromSeconds(2);

    /// <summary>1024: Envoy's max_requests of a cluster's circuit breaker.</summary>
    public const int MaxConcurrency = 1024;

    /// <summary>0: no queue, as Envoy's circuit breaker has none for requests; what is too much is refused while that is still news.</summary>
    public const int QueueLength = 0;

    /// <summary>1 s: a fifth of an attempt's own limit, so that a call that has waited still has time to be made.</summary>
    public static readonly TimeSpan QueueTimeout = TimeSpan.FromSeconds(1);

    /// <summary>1 s: a fifth of an attempt's limit. A fallback answers from what it has at hand, and its caller has waited already.</summary>
    public static readonly TimeSpan FallbackTimeout = TimeSpan.FromSeconds(1);

    /// <summary>20: where a learned limit begins (Netflix concurrency-limits, all algorithms).</summary>
    public const int InitialLimit = 20;

    /// <summary>20: the least of Netflix's Gradient2Limit and AIMDLimit.</summary>
    public const int MinLimit = 20;

    /// <summary>1: the least of Netflix's VegasLimit.</summary>
    public const int VegasMinLimit = 1;

    /// <summary>200: the greatest of Netflix's Gradient2Limit and AIMDLimit.</summary>
    public const int MaxLimit = 200;

    /// <summary>1000: the greatest of Netflix's VegasLimit.</summary>
    public const int VegasMaxLimit = 1000;

    /// <summary>1 s: the window of Netflix's WindowedLimit.</summary>
    public static readonly TimeSpan LimitWindow = TimeSpan.FromSeconds(1);

    /// <summary>1.5: the tolerance of Netflix's Gradient2Limit.</summary>
    public const double LatencyTolerance = 1.5;

    /// <summary>0.9: the backoff ratio of Netflix's AIMDLimit.</summary>
    public const double BackoffRatio = 0.9;

    /// <summary>5 s: the timeout of Netflix's AIMDLimit.</summary>
    public static readonly TimeSpan LatencyLimit = TimeSpan.FromSeconds(5);

    /// <summary>2: Google's K of adaptive throttling ("Site Reliability Engineering", chapter "Handling Overload").</summary>
    public const double ThrottlingMultiplier = 2;

    /// <summary>2 min: how long the same throttling remembers.</summary>
    public static readonly TimeSpan ThrottlingWindow = TimeSpan.FromMinutes(2);

    /// <summary>0.8: the greatest share of calls Envoy's admission control refuses (max_rejection_probability).</summary>
    public const double ThrottlingMaxProbability = 0.8;

    /// <summary>2: Istio's number of retries.</summary>
    public const int MaxRetries = 2;

    /// <summary>0.2: Finagle's and Linkerd's retry budget (com.twitter.finagle.service.RetryBudget).</summary>
    public const double RetryBudgetRatio = 0.2;

    /// <summary>10 a second: the same budget's minimum.</summary>
    public const int RetryBudgetPerSecond = 10;

    /// <summary>10 s: how long the same budget remembers.</summary>
    public static readonly TimeSpan RetryBudgetWindow = TimeSpan.FromSeconds(10);

    /// <summary>25 ms: the base of Envoy's retry back-off, which is fully jittered.</summary>
    public static readonly TimeSpan RetryBaseDelay = TimeSpan.FromMilliseconds(25);

    /// <summary>250 ms: the greatest back-off of Envoy and Linkerd.</summary>
    public static readonly TimeSpan RetryMaxDelay = TimeSpan.FromMilliseconds(250);

    /// <summary>502, 503 and 504: an instance that cannot serve (Envoy's gateway-error); another may.</summary>
    public static readonly IReadOnlyList<int> RetryStatuses = [502, 503, 504];

    /// <summary>UNAVAILABLE: the one status gRPC advises to try again (grpc/grpc, doc/statuscodes.md).</summary>
    public static readonly IReadOnlyList<string> RetryGrpcStatuses = ["UNAVAILABLE"];

    /// <summary>64 KiB: the longest body Linkerd keeps for a retry (linkerd/http/retry, ReplayBody).</summary>
    public const int MaxReplayBytes = 64 * 1024;

    /// <summary>95: a twentieth of the calls may be made a second time, which The Tail at Scale (Dean, Barroso, 2013) found to be enough.</summary>
    public const double HedgingPercentile = 95;

    /// <summary>1: Finagle's BackupRequestFilter.</summary>
    public const int MaxHedges = 1;

    /// <summary>10 s, three of which are looked at: the windows of Finagle's latencies (WindowedPercentileHistogram).</summary>
    public static readonly TimeSpan HedgingWindow = TimeSpan.FromSeconds(10);

    /// <summary>3 s: how often the delay is learned anew (the same).</summary>
    public static readonly TimeSpan HedgingRefresh = TimeSpan.FromSeconds(3);

    /// <summary>0.1: Polly's circuit breaker (CircuitBreakerStrategyOptions), as the next three.</summary>
    public const double BreakerFailureRatio = 0.1;

    /// <summary>100 calls.</summary>
    public const int BreakerMinimumThroughput = 100;

    /// <summary>30 s.</summary>
    public static readonly TimeSpan BreakerSamplingDuration = TimeSpan.FromSeconds(30);

    /// <summary>5 s.</summary>
    public static readonly TimeSpan BreakDuration = TimeSpan.FromSeconds(5);

    /// <summary>10 s: how fast Peak-EWMA forgets a latency (Finagle and Linkerd, decay).</summary>
    public static readonly TimeSpan LatencyDecay = TimeSpan.FromSeconds(10);

    /// <summary>5 s: the latency a failure counts as, for as long as a first ejection lasts, so that failing fast attracts no calls (Linkerd, load biaser).</summary>
    public static readonly TimeSpan FailureLatency = TimeSpan.FromSeconds(5);

    /// <summary>1 s: the least latency a failure counts as, however short the instance wants to be left alone (Linkerd, load biaser).</summary>
    public static readonly TimeSpan LeastPenalty = TimeSpan.FromSeconds(1);

    /// <summary>10 %: the share of the full one with which a slow start begins (Envoy, min_weight_percent).</summary>
    public const double SlowStartMinimum = 0.1;

    /// <summary>1: a slow start grows in a straight line (Envoy, aggression).</summary>
    public const double SlowStartAggression = 1;

    /// <summary>160: the points of an instance of weight 1 on a hash ring (libketama, points per server).</summary>
    public const int RingPoints = 160;

    /// <summary>12: the least number of instances of an aperture (Finagle, deterministic aperture).</summary>
    public const int MinAperture = 12;

    /// <summary>6: below so many instances zones are no matter, unless preferred strictly (Envoy, min_cluster_size).</summary>
    public const int MinZonedInstances = 6;

    /// <summary>1.4: how much more than its share of healthy instances a zone takes (Envoy, overprovisioning_factor 140 %).</summary>
    public const double Overprovisioning = 1.4;

    /// <summary>100 ms: how often the healthy instances of each zone are counted.</summary>
    public static readonly TimeSpan ZoneInterval = TimeSpan.FromMilliseconds(100);

    /// <summary>10 s: how long the first load reports of an instance do not count (gRPC A58, blackout_period).</summary>
    public static readonly TimeSpan ReportBlackout = TimeSpan.FromSeconds(10);

    /// <summary>3 min: how long a load report counts (gRPC A58, weight_expiration_period).</summary>
    public static readonly TimeSpan ReportExpiry = TimeSpan.FromMinutes(3);

    /// <summary>1 s: how often weights are worked out from load reports (gRPC A58, weight_update_period).</summary>
    public static readonly TimeSpan ReportInterval = TimeSpan.FromSeconds(1);

    /// <summary>1: what errors count as, in load (gRPC A58, error_utilization_penalty).</summary>
    public const double ReportErrorPenalty = 1;

    /// <summary>5: failures in a row after which an instance is ejected (Envoy consecutive_5xx, Finagle).</summary>
    public const int ConsecutiveFailures = 5;

    /// <summary>30 s: the first ejection; the n-th lasts n times as long (Envoy base_ejection_time).</summary>
    public static readonly TimeSpan BaseEjection = TimeSpan.FromSeconds(30);

    /// <summary>300 s: the longest ejection (Envoy max_ejection_time).</summary>
    public static readonly TimeSpan MaxEjection = TimeSpan.FromSeconds(300);

    /// <summary>0.1: added to an ejection at random, at most this share of it, so that instances do not return together.</summary>
    public const double EjectionJitter = 0.1;

    /// <summary>10 %: the greatest share of a service's instances that is ejected, but at least one of two (Envoy max_ejection_percent).</summary>
    public const int MaxEjectionPercent = 10;

    /// <summary>0.8: the share of successes below which an instance is ejected (Finagle, success rate failure accrual).</summary>
    public const double SuccessRate = 0.8;

    /// <summary>30 s: how far back the share of successes looks (Finagle, the same).</summary>
    public static readonly TimeSpan SuccessRateWindow = TimeSpan.FromSeconds(30);

    /// <summary>20: the least number of late calls the share of successes is believed of (Linkerd, unified breaker).</summary>
    public const int SuccessRateMinCalls = 20;

    /// <summary>1 s: how often the share of successes is looked at while calls fail.</summary>
    public static readonly TimeSpan SuccessRateInterval = TimeSpan.FromSeconds(1);

    /// <summary>1.9: how many standard deviations below the mean of its peers an instance is ejected (Envoy, success_rate_stdev_factor 1900).</summary>
    public const double OutlierDeviation = 1.9;

    /// <summary>5: the least number of instances that are compared with each other (Envoy, success_rate_minimum_hosts).</summary>
    public const int OutlierMinInstances = 5;

    /// <summary>100: the least number of late calls of an instance that is compared with its peers (Envoy, success_rate_request_volume).</summary>
    public const int OutlierMinCalls = 100;

    /// <summary>0.05: how far below the mean of its peers an instance is in any case to be the odd one out, however alike they are.</summary>
    public const double OutlierMinDifference = 0.05;

    /// <summary>85 %: failures at which an instance is ejected whatever its peers do (Envoy, failure_percentage_threshold).</summary>
    public const double FailurePercentage = 85;

    /// <summary>50: the least number of late calls that percentage is taken of (Envoy, failure_percentage_request_volume).</summary>
    public const int FailurePercentageMinCalls = 50;

    /// <summary>10 s: how often instances are compared, and how long an instance has to stay in for one of its ejections to be forgotten (Envoy, interval; gRPC A50).</summary>
    public static readonly TimeSpan PeerComparisonInterval = TimeSpan.FromSeconds(10);

    /// <summary>50 %: the share of instances that are in, below which ejections are ignored (Envoy, healthy_panic_threshold).</summary>
    public const int PanicPercent = 50;

    /// <summary>1 s: how long an instance is left alone after a connection to it failed; doubled each time (Finagle, FailFastFactory).</summary>
    public static readonly TimeSpan ConnectBackoff = TimeSpan.FromSeconds(1);

    /// <summary>32 s: the longest of these times (Finagle, the same).</summary>
    public static readonly TimeSpan MaxConnectBackoff = TimeSpan.FromSeconds(32);

    /// <summary>0.5: added to such a time at random, at most this share of it, so that callers do not come back together (Linkerd, failure accrual).</summary>
    public const double ConnectBackoffJitter = 0.5;

    /// <summary>10 s: between two health checks of an instance (Consul's interval in its examples).</summary>
    public static readonly TimeSpan ProbeInterval = TimeSpan.FromSeconds(10);

    /// <summary>2 s: how long a health check may take; the time for a connection.</summary>
    public static readonly TimeSpan ProbeTimeout = TimeSpan.FromSeconds(2);

    /// <summary>3: failed health checks in a row that put an instance out (HAProxy, fall).</summary>
    public const int ProbeUnhealthyThreshold = 3;

    /// <summary>2: passed health checks in a row that bring it back (HAProxy, rise).</summary>
    public const int ProbeHealthyThreshold = 2;

    /// <summary>60 s: how long after its last call a service is still checked (Envoy, no_traffic_interval).</summary>
    public static readonly TimeSpan ProbeIdleTimeout = TimeSpan.FromSeconds(60);

    /// <summary>
    /// 30 s: how long instances are kept that vanished from a doubtful list; twice the time to live of a registration, so that
    /// every living instance has had its beat refused and has registered again.
    /// </summary>
    public static readonly TimeSpan VanishedInstanceGrace = TimeSpan.FromSeconds(30);

    /// <summary>10 min: how long an unused service stays watched.</summary>
    public static readonly TimeSpan WatchIdleTimeout = TimeSpan.FromMinutes(10);

    /// <summary>5 s: how long a first call waits for the registry.</summary>
    public static readonly TimeSpan DiscoveryTimeout = TimeSpan.FromSeconds(5);

    /// <summary>10 s: over what time connections with an old certificate are replaced; a third of the spread of Consul's leaf renewals.</summary>
    public static readonly TimeSpan RotationSpread = TimeSpan.FromSeconds(10);

    /// <summary>
    /// 72 h: the life of a certificate of Consul's built-in authority (LeafCertTTL). Who has been away for longer has to prove itself
    /// anew anyway.
    /// </summary>
    public static readonly TimeSpan StateFileMaxAge = TimeSpan.FromHours(72);

    /// <summary>10 s: little enough to lose, and a file written that often costs a disk nothing to speak of.</summary>
    public static readonly TimeSpan StateFileWriteInterval = TimeSpan.FromSeconds(10);

    /// <summary>
    /// 2 s: how long the control plane may be silent after a start before the state file is gone by; less than half of
    /// <see cref="DiscoveryTimeout"/>, so that a first call still has time. Doubled for each time it was silent again.
    /// </summary>
    public static readonly TimeSpan StateFilePatience = TimeSpan.FromSeconds(2);

    /// <summary>1 min: how far Consul dates certificates back; what is over for longer is over by anybody's clock.</summary>
    public static readonly TimeSpan ExpiryGrace = TimeSpan.FromMinutes(1);

    /// <summary>30 s: half of what Consul dates certificates back by, for clocks that are wrong the other way.</summary>
    public static readonly TimeSpan ClockAllowance = TimeSpan.FromSeconds(30);

    /// <summary>10 s: what a changed file may be late; cert-manager renews weeks, csi-driver-spiffe minutes, before the end.</summary>
    public static readonly TimeSpan FileInterval = TimeSpan.FromSeconds(10);
}
