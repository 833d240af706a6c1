using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;

namespace MeshClient.AspNetCore.Registration;

/// <summary>
/// Finds the address others reach this machine at, when the listener takes every interface. An interface with a gateway
/// leads out of the machine; bridges to containers have none. IPv4 comes first because callers may lack the other.
/// </summary>
internal static class AdvertisedAddress
{
    public static string Of(IPAddress bound) =>
        bound.Equals(IPAddress.Any) || bound.Equals(IPAddress.IPv6Any) ? OfMachine() : bound.ToString();

    private static string OfMachine()
    {
        var candidates =
            from card in NetworkInterface.GetAllNetworkInterfaces()
            where card.OperationalStatus == OperationalStatus.Up && card.NetworkInterfaceType != NetworkInterfaceType.Loopback
            let properties = card.GetIPProperties()
            from unicast in properties.UnicastAddresses
            let address = unicast.Address
            where !IPAddress.IsLoopback(address) && !address.IsIPv6LinkLocal && address is { IsIPv6Multicast: false }
            orderby properties.GatewayAddresses.Count == 0, address.AddressFamily != AddressFamily.InterNetwork
            select address;
        return (candidates.FirstOrDefault() ?? IPAddress.Loopback).ToString();
    }
}
