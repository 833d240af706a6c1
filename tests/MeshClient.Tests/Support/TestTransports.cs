using MeshClient.Identity;
using MeshClient.Transport;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace MeshClient.Tests.Support;

/// <summary>The connections of an environment, made otherwise.</summary>
internal static class TestTransports
{
    /// <summary>Has connections made by what is given, where something is.</summary>
    /// <param name="services">The services.</param>
    /// <param name="handlers">Makes what sends to an instance; null: as always.</param>
    /// <param name="time">The connections' own clock; null: that of all.</param>
    public static IServiceCollection AddTransports(
        this IServiceCollection services, Func<InstanceConnector, HttpMessageHandler>? handlers = null, TimeProvider? time = null) =>
        services.AddSingleton(provider => new TransportFactory(
            provider.GetRequiredService<MeshIdentity>(),
            TimeSpan.Zero,
            time ?? provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<MeshRandom>(),
            provider.GetRequiredService<ILogger<TransportFactory>>(),
            handlers));
}
