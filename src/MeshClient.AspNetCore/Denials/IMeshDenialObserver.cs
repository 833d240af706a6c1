namespace MeshClient.AspNetCore.Denials;

/// <summary>
/// Is told of every refused call, for security monitoring. Register any number of them in the app's services. Each is told one
/// denial after the other, apart from the calls and from the other observers: one that throws is told of the next one all the
/// same, and for one that is slow up to <see cref="MeshDenialDefaults.QueueLength"/> denials wait, and more are lost for it, which
/// the counter <c>meshclient.inbound.denials.lost</c> tells.
/// </summary>
public interface IMeshDenialObserver
{
    /// <summary>A call was refused, or would have been.</summary>
    /// <param name="denial">The call.</param>
    /// <param name="cancellationToken">Fires when the app ends.</param>
    ValueTask OnDeniedAsync(MeshDenial denial, CancellationToken cancellationToken);
}

/// <summary>What holds for denials without a setting.</summary>
public static class MeshDenialDefaults
{
    /// <summary>1024: a second of a caller that is refused a thousand times a second.</summary>
    public const int QueueLength = 1024;
}
