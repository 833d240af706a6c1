namespace MeshClient.Server.HealthChecks;

/// <summary>
/// Counts results in a row, so that one result that falls out of the line does not turn a check over. As Consul counts:
/// warning is a good result; a result that does not reach its count changes nothing, neither status nor output.
/// </summary>
internal sealed class ProbeThreshold(ProbeDefinition probe)
{
    private int _good;
    private int _bad;

    /// <summary>Takes a result.</summary>
    /// <returns>What the check says from now on; null when it goes on as it is.</returns>
    public CheckStatus? Count(CheckStatus result)
    {
        if (result != CheckStatus.Critical)
        {
            _good = Next(_good);
            _bad = 0;
            return _good >= probe.SuccessBeforePassing ? result : null;
        }

        _bad = Next(_bad);
        _good = 0;
        if (_bad >= probe.FailuresBeforeCritical)
        {
            return CheckStatus.Critical;
        }

        return probe.FailuresBeforeWarning > 0 && _bad >= probe.FailuresBeforeWarning ? CheckStatus.Warning : null;
    }

    private static int Next(int count) => count == int.MaxValue ? count : count + 1;
}
