namespace MeshClient.Server.HealthChecks;

/// <summary>Carries out the probes of one check, one after the other.</summary>
internal abstract class Prober : IDisposable
{
    public static Prober Create(ProbeDefinition probe) => probe.Type switch
    {
        ProbeDefinition.HttpType => new HttpProber(probe),
        ProbeDefinition.TcpType => new TcpProber(probe),
        ProbeDefinition.GrpcType => new GrpcProber(probe),
        _ => throw new ArgumentOutOfRangeException(nameof(probe), probe.Type, "Not a kind of check that is carried out."),
    };

    /// <summary>Does it once. Every failure of the target is a result; only being told to end is an exception.</summary>
    /// <param name="cancellationToken">Ends it, when its time is over too.</param>
    public abstract Task<ProbeResult> ProbeAsync(CancellationToken cancellationToken);

    public abstract void Dispose();
}
