namespace MeshClient.Configuration;

/// <summary>What calls to one service take along of the request they are made for: what is in force. Immutable.</summary>
/// <param name="Headers">The headers, the one of the user's token included.</param>
internal sealed record ForwardSettings(string[] Headers)
{
    /// <summary>The header of the user's token.</summary>
    public const string TokenHeader = "Authorization";

    /// <summary>Puts together what is in force; null: nothing goes along.</summary>
    public static ForwardSettings? For(MeshForwardOptions? own, MeshForwardOptions? common)
    {
        IEnumerable<string> headers = own?.Headers ?? common?.Headers ?? [];
        string[] all = [.. own?.Token ?? common?.Token ?? false ? headers.Prepend(TokenHeader) : headers];
        return all.Length == 0 ? null : new ForwardSettings(all);
    }

    /// <summary>All headers any destination is to have.</summary>
    public static IEnumerable<string> HeadersOf(MeshOptions options) => options.Destinations.Keys.Prepend(string.Empty)
        .SelectMany(service => DestinationSettings.For(options, service).Forward?.Headers ?? []);
}
