using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Options;

namespace MeshClient.AspNetCore.Listener;

/// <summary>
/// Keeps the app's URLs (<c>ASPNETCORE_URLS</c>, <c>--urls</c>, ports, <c>app.Urls</c>) in force beside the mesh listener.
/// Kestrel listens either on URLs or on listeners added in code, and drops the URLs with a warning when there are both; so
/// the URLs are turned into listeners, read by Kestrel's own rules (AddressBinder). When the app has listeners of its own
/// besides, Kestrel would have dropped the URLs without us too, and they are left to it.
/// </summary>
internal sealed class ConfiguredUrls : IConfigureOptions<KestrelServerOptions>
{
    private bool _appHasListeners;

    // Runs before the app's own configuration of Kestrel, which is the only moment its listeners can be noticed. An app that
    // sets endpoint defaults of its own hides them from us; should it have URLs besides, it listens on both.
    public void Configure(KestrelServerOptions options) => options.ConfigureEndpointDefaults(_ => _appHasListeners = true);

    public void KeepBesideOtherListeners(IFeatureCollection server, KestrelServerOptions options)
    {
        var hasListeners = _appHasListeners
            || options.ConfigurationLoader?.Configuration.GetSection("Endpoints").GetChildren().Any() == true;
        if (server.Get<IServerAddressesFeature>() is not { Addresses.Count: > 0 } feature)
        {
            return;
        }

        if (hasListeners)
        {
            if (feature.PreferHostingUrls)
            {
                throw new InvalidOperationException(
                    "The app prefers its hosting URLs over listeners added in code, which would drop the mesh listener too. Remove the setting preferHostingUrls, or the app's own Kestrel listeners.");
            }

            return;
        }

        foreach (var url in feature.Addresses)
        {
            Listen(options, BindingAddress.Parse(url));
        }

        feature.Addresses.Clear();
        feature.PreferHostingUrls = false;
    }

    private static void Listen(KestrelServerOptions options, BindingAddress address)
    {
        void Configure(ListenOptions listener)
        {
            if (string.Equals(address.Scheme, Uri.UriSchemeHttps, StringComparison.OrdinalIgnoreCase))
            {
                listener.UseHttps();
            }
        }

        if (!string.IsNullOrEmpty(address.PathBase))
        {
            throw new InvalidOperationException($"The URL '{address}' has a path; an app listens on hosts and ports. Use UsePathBase for the path.");
        }

        if (address.IsUnixPipe)
        {
            options.ListenUnixSocket(address.UnixPipePath, Configure);
        }
        else if (address.IsNamedPipe)
        {
            options.ListenNamedPipe(address.NamedPipeName, Configure);
        }
        else if (string.Equals(address.Host, "localhost", StringComparison.OrdinalIgnoreCase))
        {
            options.ListenLocalhost(address.Port, Configure);
        }
        else if (System.Net.IPAddress.TryParse(address.Host.Trim('[', ']'), out var ip))
        {
            options.Listen(ip, address.Port, Configure);
        }
        else
        {
            // Host names bind every interface, as Kestrel has it.
            options.ListenAnyIP(address.Port, Configure);
        }
    }
}
