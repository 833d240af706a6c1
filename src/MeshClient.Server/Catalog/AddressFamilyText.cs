using System.Net;
using System.Net.Sockets;

namespace MeshClient.Server.Catalog;

/// <summary>The part of a tag that tells the family of an address.</summary>
internal static class AddressFamilyText
{
    /// <summary><c>ipv4</c> or <c>ipv6</c>; null when the text is no address literal.</summary>
    public static string? Of(string address) =>
        address.Length == 0 || !IPAddress.TryParse(address, out var ip) ? null
        : ip.AddressFamily == AddressFamily.InterNetworkV6 ? "ipv6" : "ipv4";
}
