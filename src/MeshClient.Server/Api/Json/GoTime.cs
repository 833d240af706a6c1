using System.Globalization;

namespace MeshClient.Server.Api.Json;

/// <summary>Moments as Go writes them in JSON: RFC 3339 in UTC, without trailing zeros in the fraction.</summary>
internal static class GoTime
{
    public static string Format(DateTimeOffset moment) =>
        moment.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'", CultureInfo.InvariantCulture);
}
