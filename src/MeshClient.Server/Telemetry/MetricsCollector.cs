using System.Diagnostics.Metrics;
using System.Globalization;

namespace MeshClient.Server.Telemetry;

/// <summary>Adds up what one meter measures, so that it can be read at any time without any other package.</summary>
internal sealed class MetricsCollector : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly Lock _gate = new();
    private readonly List<InstrumentSeries> _instruments = [];

    public MetricsCollector(Meter meter)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            // By reference: other servers of this process have meters of the same name.
            if (!ReferenceEquals(instrument.Meter, meter))
            {
                return;
            }

            var series = new InstrumentSeries(instrument);
            lock (_gate)
            {
                _instruments.Add(series);
            }

            listener.EnableMeasurementEvents(instrument, series);
        };
        _listener.SetMeasurementEventCallback<double>(static (_, value, tags, state) => ((InstrumentSeries)state!).Add(value, tags));
        _listener.SetMeasurementEventCallback<long>(static (_, value, tags, state) => ((InstrumentSeries)state!).Add(value, tags));
        _listener.SetMeasurementEventCallback<int>(static (_, value, tags, state) => ((InstrumentSeries)state!).Add(value, tags));
        _listener.Start();
    }

    /// <summary>Everything measured so far, in order of names and tags.</summary>
    public IReadOnlyList<MetricSeries> Read()
    {
        lock (_gate)
        {
            _listener.RecordObservableInstruments();
            return [.. _instruments.OrderBy(instrument => instrument.Name, StringComparer.Ordinal).SelectMany(instrument => instrument.Read())];
        }
    }

    public void Dispose() => _listener.Dispose();

    /// <summary>One instrument's series, by tags.</summary>
    private sealed class InstrumentSeries(Instrument instrument)
    {
        private static readonly double[] DefaultBounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

        private readonly Lock _adding = new();
        private readonly Dictionary<KeyValuePair<string, object?>[], Sums> _series = new(TagsComparer.Instance);
        private readonly MetricKind _kind = KindOf(instrument);
        private readonly double[] _bounds =
            KindOf(instrument) == MetricKind.Histogram
                ? [.. (instrument as Instrument<double>)?.Advice?.HistogramBucketBoundaries ?? DefaultBounds]
                : [];

        public string Name => instrument.Name;

        public void Add(double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            lock (_adding)
            {
                var byTags = _series.GetAlternateLookup<ReadOnlySpan<KeyValuePair<string, object?>>>();
                if (!byTags.TryGetValue(tags, out var sums))
                {
                    _series.Add(tags.ToArray(), sums = new Sums(_bounds.Length + 1));
                }

                sums.Add(value, _bounds, instrument.IsObservable);
            }
        }

        public List<MetricSeries> Read()
        {
            lock (_adding)
            {
                return [.. _series
                    .Select(series => new MetricSeries(
                        instrument.Name, instrument.Unit ?? string.Empty, instrument.Description ?? string.Empty, _kind,
                        Array.ConvertAll(series.Key, Text), series.Value.ToValue(_bounds)))
                    .OrderBy(series => string.Join(' ', series.Tags.Select(tag => tag.Value)), StringComparer.Ordinal)];
            }
        }

        private static KeyValuePair<string, string> Text(KeyValuePair<string, object?> tag) =>
            new(tag.Key, Convert.ToString(tag.Value, CultureInfo.InvariantCulture) ?? string.Empty);

        private static MetricKind KindOf(Instrument instrument)
        {
            var type = instrument.GetType().GetGenericTypeDefinition();
            return type == typeof(Histogram<>) ? MetricKind.Histogram
                : type == typeof(Counter<>) || type == typeof(ObservableCounter<>) ? MetricKind.Counter
                : MetricKind.Gauge;
        }
    }

    /// <summary>Compares tags without making anything: requests are counted with it.</summary>
    private sealed class TagsComparer :
        IEqualityComparer<KeyValuePair<string, object?>[]>,
        IAlternateEqualityComparer<ReadOnlySpan<KeyValuePair<string, object?>>, KeyValuePair<string, object?>[]>
    {
        public static readonly TagsComparer Instance = new();

        public bool Equals(KeyValuePair<string, object?>[]? x, KeyValuePair<string, object?>[]? y) =>
            x is null || y is null ? ReferenceEquals(x, y) : Equals(x.AsSpan(), y);

        public bool Equals(ReadOnlySpan<KeyValuePair<string, object?>> alternate, KeyValuePair<string, object?>[] other)
        {
            if (alternate.Length != other.Length)
            {
                return false;
            }

            for (var i = 0; i < other.Length; i++)
            {
                if (alternate[i].Key != other[i].Key || !Equals(alternate[i].Value, other[i].Value))
                {
                    return false;
                }
            }

            return true;
        }

        public int GetHashCode(KeyValuePair<string, object?>[] obj) => GetHashCode(obj.AsSpan());

        public int GetHashCode(ReadOnlySpan<KeyValuePair<string, object?>> alternate)
        {
            var hash = new HashCode();
            foreach (var tag in alternate)
            {
                hash.Add(tag.Value);
            }

            return hash.ToHashCode();
        }

        public KeyValuePair<string, object?>[] Create(ReadOnlySpan<KeyValuePair<string, object?>> alternate) => alternate.ToArray();
    }

    private sealed class Sums(int buckets)
    {
        private readonly long[] _buckets = new long[buckets];
        private double _sum;
        private double _squares;
        private double _min = double.PositiveInfinity;
        private double _max = double.NegativeInfinity;
        private long _count;

        public void Add(double value, double[] bounds, bool isLast)
        {
            _sum = isLast ? value : _sum + value;
            _squares += value * value;
            _min = Math.Min(_min, value);
            _max = Math.Max(_max, value);
            _count++;
            var bucket = 0;
            while (bucket < bounds.Length && value > bounds[bucket])
            {
                bucket++;
            }

            _buckets[bucket]++;
        }

        public MetricValue ToValue(double[] bounds) => new(_sum, _count, _min, _max, _squares, bounds, [.. _buckets]);
    }
}
