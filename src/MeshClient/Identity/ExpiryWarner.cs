using MeshClient.Core.Identity;
using Microsoft.Extensions.Logging;

namespace MeshClient.Identity;

/// <summary>
/// Says so when this process's certificate comes to its end without having been renewed: once when a tenth of its life is left,
/// which is when it should have been renewed at the latest, once at a twentieth and at a hundredth, and once when it is over.
/// </summary>
internal sealed partial class ExpiryWarner : IDisposable
{
    /// <summary>The share of its life at which a certificate should have been renewed: Consul renews at 60 to 90 %, and so do we.</summary>
    public const double Overdue = 0.9;

    private static readonly double[] Shares = [Overdue, 0.95, 0.99, 1];

    // A clock that has been put right must be noticed.
    private static readonly TimeSpan LongestLook = TimeSpan.FromHours(1);

    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Func<Exception?> _lastFailure;
    private readonly Lock _lock = new();
    private readonly ITimer _timer;
    private LeafCertificate? _leaf;
    private int _said;

    /// <param name="lastFailure">Why there is no newer certificate.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Where it is said.</param>
    public ExpiryWarner(Func<Exception?> lastFailure, TimeProvider time, ILogger logger)
    {
        _lastFailure = lastFailure;
        _time = time;
        _logger = logger;
        _timer = time.CreateTimer(static state => ((ExpiryWarner)state!).Look(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Watches a new certificate in place of the one before.</summary>
    public void Watch(LeafCertificate leaf)
    {
        lock (_lock)
        {
            (_leaf, _said) = (leaf, 0);
        }

        Look();
    }

    public void Dispose() => _timer.Dispose();

    private void Look()
    {
        LeafCertificate leaf;
        var isNews = false;
        var isOver = false;
        DateTimeOffset now;
        lock (_lock)
        {
            if (_leaf is null)
            {
                return;
            }

            leaf = _leaf;
            now = _time.GetUtcNow();
            var span = new CertificateSpan(leaf.NotBefore, leaf.NotAfter);
            while (_said < Shares.Length && now >= span.At(Shares[_said]))
            {
                _said++;
                isNews = true;
            }

            isOver = _said == Shares.Length;
            if (!isOver)
            {
                var left = span.At(Shares[_said]) - now;
                _timer.Change(left < LongestLook ? left : LongestLook, Timeout.InfiniteTimeSpan);
            }
        }

        if (!isNews)
        {
            return;
        }

        var why = _lastFailure()?.Message ?? "Nothing has failed; whoever issues it has not renewed it.";
        if (isOver)
        {
            LogOver(_logger, leaf.Id.ToString(), leaf.NotAfter, why);
        }
        else
        {
            LogNearEnd(_logger, leaf.Id.ToString(), (leaf.NotAfter - now).TotalSeconds, leaf.NotAfter, why);
        }
    }

    [LoggerMessage(11, LogLevel.Warning, "The certificate of {Id} ends in {SecondsLeft:F0} s, at {NotAfter:O}, and has not been renewed. {Why}")]
    private static partial void LogNearEnd(ILogger logger, string id, double secondsLeft, DateTimeOffset notAfter, string why);

    [LoggerMessage(12, LogLevel.Error, "The certificate of {Id} has ended at {NotAfter:O} and has not been renewed: peers refuse this process now. {Why}")]
    private static partial void LogOver(ILogger logger, string id, DateTimeOffset notAfter, string why);
}
