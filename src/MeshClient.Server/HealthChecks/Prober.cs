namespace MeshClient.Server.HealthChecks;

/// <summary>Carries out the probes of one check, one after the other.</summary>
internal abstract class Prober : IDisposable
{
    /// <param name="probe">What is asked.</param>
    /// <param name="names">Finds the host.</param>
    public static Prober Create(ProbeDefinition probe, NameLookUp names) => probe.Type switch
    {
        ProbeDefinition.HttpType => new HttpProber(probe, names),
        ProbeDefinition.TcpType => new TcpProber(probe, names),
        ProbeDefinition.GrpcType => new GrpcProber(probe, names),
        _ => throw new ArgumentOutOfRangeException(nameof(probe), probe.Type, "Not a kind of check that is carried out."),
    };

    /// <summary>Does it once. Every failure of the target is a result; only being told to end is an exception.</summary>
    /// <param name="cancellationToken">Ends it, when its time is over too.</param>
    public abstract Task<ProbeResult> ProbeAsync(CancellationToken cancellationToken);

    public abstract void Dispose();
}
