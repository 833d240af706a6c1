using System.Security.Cryptography;

namespace MeshClient.Restart;

/// <summary>Whether a document that was opened may be gone by.</summary>
internal static class SavedDocumentCheck
{
    // Clocks are set and drift; more than this is another time.
    private static readonly TimeSpan ClockTolerance = TimeSpan.FromMinutes(5);

    /// <summary>Refuses one from the future, and one whose parts are of several trust domains.</summary>
    /// <exception cref="StateRefusedException">It is refused.</exception>
    public static void Verify(SavedDocument document, DateTimeOffset now)
    {
        if (document.WrittenAt - now > ClockTolerance || document.Entries.Any(entry => entry.ConfirmedAt - document.WrittenAt > ClockTolerance))
        {
            throw new StateRefusedException($"it is from the future ({document.WrittenAt:O}); check the clock of this machine");
        }

        foreach (var entry in document.Entries)
        {
            if (TrustDomainOf(entry) is { } domain && !string.Equals(domain, document.TrustDomain, StringComparison.Ordinal))
            {
                throw new StateRefusedException($"its {entry.Kind} is of trust domain {domain}, not of {document.TrustDomain}");
            }
        }
    }

    private static string? TrustDomainOf(SavedEntry entry)
    {
        try
        {
            return StateCodecs.FindTrustDomain(entry);
        }
        catch (Exception e) when (SavedJson.IsReadFailure(e) || e is CryptographicException)
        {
            throw new StateRefusedException($"its {entry.Kind} cannot be read");
        }
    }
}
