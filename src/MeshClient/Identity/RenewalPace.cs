using System.Security.Cryptography.X509Certificates;
using MeshClient.Core.Identity;

namespace MeshClient.Identity;

/// <summary>
/// Keeps renewals apart that bring nothing: what is due again at once would otherwise be asked for again at once, for ever. Pauses
/// are 1 s and twice as long each time, up to <see cref="LongestPause"/>, until a certificate comes that lasts. Not safe for use from
/// several threads.
/// </summary>
internal sealed class RenewalPace
{
    /// <summary>
    /// 1 s: certificates that live for 2 s or longer, as in trials, are not held up by it. Those that live shorter are, and end before
    /// they are renewed: to keep up with them would be to ask without an end.
    /// </summary>
    public static readonly TimeSpan ShortestPause = TimeSpan.FromSeconds(1);

    /// <summary>1 min: a signer that has been put right is noticed in time, and one request a minute is no load.</summary>
    public static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(1);

    private const int MaxDoublings = 10;
    private int _dueAtOnce;
    private int _underAnotherRoot;

    /// <summary>For how long a certificate is kept at least that is under another root than the one said to sign.</summary>
    public TimeSpan UnderAnotherRoot => PauseAfter(_underAnotherRoot);

    /// <summary>A certificate has been signed.</summary>
    /// <param name="leaf">The certificate.</param>
    /// <param name="signing">The root that was said to sign when it was asked for; null: that was not told.</param>
    /// <param name="renewIn">In what time it would be renewed by its own life.</param>
    /// <returns>In what time it is renewed.</returns>
    public TimeSpan Renewed(LeafCertificate leaf, X509Certificate2? signing, TimeSpan renewIn)
    {
        _underAnotherRoot = signing is null || leaf.IsUnder(signing) ? 0 : _underAnotherRoot + 1;
        _dueAtOnce = renewIn < ShortestPause ? _dueAtOnce + 1 : 0;
        var pause = PauseAfter(_dueAtOnce);
        return renewIn > pause ? renewIn : pause;
    }

    private static TimeSpan PauseAfter(int times)
    {
        var pause = times == 0 ? TimeSpan.Zero : ShortestPause * (1 << Math.Min(times - 1, MaxDoublings));
        return pause < LongestPause ? pause : LongestPause;
    }
}
