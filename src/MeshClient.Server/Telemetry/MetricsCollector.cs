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
        private readonly SortedDictionary<string, (KeyValuePair<string, string>[] Tags, Sums Sums)> _series = new(StringComparer.Ordinal);
        private readonly MetricKind _kind = KindOf(instrument);
        private readonly double[] _bounds =
            KindOf(instrument) == MetricKind.Histogram
                ? [.. (instrument as Instrument<double>)?.Advice?.HistogramBucketBoundaries ?? DefaultBounds]
                : [];

        public string Name => instrument.Name;

        public void Add(double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            var pairs = new KeyValuePair<string, string>[tags.Length];
            for (var i = 0; i < pairs.Length; i++)
            {
                pairs[i] = new(tags[i].Key, Convert.ToString(tags[i].Value, CultureInfo.InvariantCulture) ?? string.Empty);
            }

            var key = string.Join('\u001f', pairs.Select(pair => pair.Key + '\u001e' + pair.Value));
            lock (_adding)
            {
                if (!_series.TryGetValue(key, out var series))
                {
                    _series.Add(key, series = (pairs, new Sums(_bounds.Length + 1)));
                }

                series.Sums.Add(value, _bounds, instrument.IsObservable);
            }
        }

        public List<MetricSeries> Read()
        {
            lock (_adding)
            {
                return [.. _series.Values.Select(series => new MetricSeries(
                    instrument.Name, instrument.Unit ?? string.Empty, instrument.Description ?? string.Empty, _kind, series.Tags,
                    series.Sums.ToValue(_bounds)))];
            }
        }

        private static MetricKind KindOf(Instrument instrument)
        {
            var type = instrument.GetType().GetGenericTypeDefinition();
            return type == typeof(Histogram<>) ? MetricKind.Histogram
                : type == typeof(Counter<>) || type == typeof(ObservableCounter<>) ? MetricKind.Counter
                : MetricKind.Gauge;
        }
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
