using MeshClient.Discovery;

namespace MeshClient.Tests.Discovery;

public sealed class DestinationNameTests
{
    [Theory]
    [InlineData("http://orders", "orders", null, "Http")]
    [InlineData("https://orders/path?q#f", "orders", null, "Https")]
    [InlineData("ws://orders", "orders", null, "Http")]
    [InlineData("wss://orders", "orders", null, "Https")]
    [InlineData("https+http://orders", "orders", null, "HttpsThenHttp")]
    [InlineData("http+https://orders", "orders", null, "HttpThenHttps")]
    [InlineData("https://_admin.orders", "orders", "admin", "Https")]
    [InlineData("https+http://_admin.orders/x", "orders", "admin", "HttpsThenHttp")]
    [InlineData("http://_a.shop.orders", "shop.orders", "a", "Http")]
    [InlineData("http://shop.orders", "shop.orders", null, "Http")]
    [InlineData("HTTP://ORDERS", "orders", null, "Http")]
    [InlineData("https+http://Orders", "orders", null, "HttpsThenHttp")]
    [InlineData("http://user@orders", "orders", null, "Http")]
    [InlineData("http://orders:80", "orders", null, "Http")]
    [InlineData("http://my-orders", "my-orders", null, "Http")]
    [InlineData("http://my_orders", "my_orders", null, "Http")]
    [InlineData("http://1orders", "1orders", null, "Http")]
    public void TryParse_Name_IsRead(string address, string service, string? endpoint, string scheme)
    {
        Assert.True(DestinationName.TryParse(new Uri(address), out var name));
        Assert.Equal((service, endpoint, scheme), (name.Value.Service.Value, name.Value.Endpoint, name.Value.Scheme.ToString()));
    }

    [Theory]
    [InlineData("http://orders:8080")]
    [InlineData("https+http://orders:443")]
    [InlineData("http://127.0.0.1")]
    [InlineData("http://[::1]")]
    [InlineData("http://[fe80::1%25eth0]/")]
    [InlineData("http://localhost")]
    [InlineData("https://LOCALHOST")]
    [InlineData("ftp://orders")]
    [InlineData("net.tcp://orders")]
    [InlineData("http://_admin")]
    [InlineData("http://_.orders")]
    [InlineData("http://_admin.localhost")]
    [InlineData("file:///orders")]
    public void TryParse_WhatIsNoName_IsNotRead(string address) => Assert.False(DestinationName.TryParse(new Uri(address), out _));
}
