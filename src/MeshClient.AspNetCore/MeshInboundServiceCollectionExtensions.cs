using MeshClient.AspNetCore.Authorization;
using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Connections;
using MeshClient.AspNetCore.Denials;
using MeshClient.AspNetCore.Diagnostics;
using MeshClient.AspNetCore.Endpoints;
using MeshClient.AspNetCore.Inbound;
using MeshClient.AspNetCore.Intentions;
using MeshClient.AspNetCore.Listener;
using MeshClient.AspNetCore.Overload;
using MeshClient.AspNetCore.Passports;
using MeshClient.AspNetCore.Registration;
using MeshClient.AspNetCore.Telemetry;
using MeshClient.Configuration;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Adds the receiving side of the mesh to an ASP.NET Core app.</summary>
public static class MeshInboundServiceCollectionExtensions
{
    /// <summary>
    /// Puts the app into the mesh as a service that others call: a listener with mutual TLS, intentions enforced before
    /// anything of the app runs, registration in the registry while the app serves, and a drain before it stops. Includes
    /// <see cref="MeshClientServiceCollectionExtensions.AddMeshClient"/>. Where it is called among other registrations does
    /// not matter, but for an <see cref="IAuthorizationMiddlewareResultHandler"/> of the app's own, which has to come before it and
    /// is told of at start where it does not; calling it again changes nothing but what <paramref name="configure"/> changes.
    /// </summary>
    /// <param name="services">The app's services.</param>
    /// <param name="configure">Options set in code; they win over the configuration section <c>Mesh:Inbound</c>.</param>
    /// <remarks>
    /// Intentions about paths are decided on the path as it arrives, before the app's middleware. A denying permission also
    /// holds for its path in other case, with a slash at its end and with doubled slashes, since those lead to the same
    /// endpoint or file; allowing ones are exact. What the app's own middleware maps onto a path is not seen: in an app with
    /// <c>UsePathBase("/app")</c>, which serves every path with and without its base, or with rewritten URLs, a denial has to
    /// name each form (<c>/admin</c> and <c>/app/admin</c>). There rules that only allow are the safer choice.
    /// </remarks>
    public static IServiceCollection AddMeshInbound(this IServiceCollection services, Action<MeshInboundOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.AddMeshClient();
        if (configure is not null)
        {
            services.PostConfigure(configure);
        }

        if (services.Any(service => service.ServiceType == typeof(InboundPipeline)))
        {
            return services;
        }

        services.AddMetrics();
        services.AddRouting();
        AddOptions<MeshInboundOptions>(services, MeshInboundOptions.SectionName, configuration => new MeshInboundOptionsValidator(configuration));
        AddOptions<MeshRegistrationOptions>(
            services, MeshRegistrationOptions.SectionName, configuration => new MeshRegistrationOptionsValidator(configuration));
        AddPipeline(services);
        AddListener(services);
        AddRegistration(services);
        return services;
    }

    /// <summary>
    /// Puts a program on this machine that knows nothing of the mesh into it as a service: connections that come over the mesh are
    /// handed on to it in plain TCP, if the intentions allow them. Includes <see cref="AddMeshInbound"/>; the mesh port is one for raw
    /// connections then. The process has to be a copy of that service: <c>Mesh:Service</c> is its name. The same is had from the
    /// configuration: <c>Mesh:Inbound:Expose:Target</c>.
    /// </summary>
    /// <param name="services">The app's services.</param>
    /// <param name="target">Where the program listens, such as <c>127.0.0.1:5432</c>; see <see cref="MeshExposeOptions.Target"/>.</param>
    /// <param name="configure">The other options.</param>
    public static IServiceCollection AddMeshExpose(this IServiceCollection services, string target, Action<MeshExposeOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrEmpty(target);
        return services.AddMeshInbound(inbound =>
        {
            inbound.Expose.Target = target;
            configure?.Invoke(inbound.Expose);
        });
    }

    private static void AddPipeline(IServiceCollection services)
    {
        services.AddSingleton<InboundMetrics>();
        services.AddSingleton<InboundIntentions>();
        services.AddSingleton<ExemptEndpoints>();
        services.AddSingleton<DenialMetrics>();
        services.AddSingleton<DenialObservers>();
        services.AddSingleton<DenialReporter>();
        services.AddSingleton<DenialWriter>();
        services.AddSingleton<EndpointRules>();
        services.AddSingleton<EndpointGuard>();
        services.AddSingleton<RunningRequests>();
        services.AddSingleton(provider => new WaitingWork(provider.GetRequiredService<TimeProvider>(), static () => ThreadPool.PendingWorkItemCount));
        services.AddSingleton<AnswerCoalescing>();
        services.AddSingleton<LingeringClose>();
        services.AddSingleton<PassportOffice>();
        services.AddSingleton<TelemetryMiddleware>();
        services.AddSingleton<DeadlineMiddleware>();
        services.AddSingleton<IntentionsMiddleware>();
        services.AddSingleton<OverloadMetrics>();
        services.AddSingleton<ShedWriter>();
        services.AddSingleton<OverloadMiddleware>();
        services.AddSingleton<ForwardingMiddleware>();
        services.AddSingleton<InboundPipeline>();
        services.AddSingleton<InboundStartup>();
        services.AddSingleton<ServingEndpoints>();
        services.AddSingleton<IMeshExplain, MeshExplain>();
        services.AddSingleton<DiagnosticsDocument>();
        services.AddHostedService<InboundHostedService>();
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IAuthorizationHandler, MeshPeerRequirementHandler>());
        MeshAuthorizationResultHandler.AddTo(services);
        services.TryAddEnumerable(ServiceDescriptor.Singleton<MatcherPolicy, EnforcedEndpointMatcherPolicy>());
        services.TryAddEnumerable(ServiceDescriptor.Singleton<MatcherPolicy, ExemptEndpointMatcherPolicy>());
        // In front of all others: the first filter is the outermost, so no other package's middleware runs before the decision.
        services.Insert(0, ServiceDescriptor.Singleton<IStartupFilter, InboundStartupFilter>());
    }

    private static void AddListener(IServiceCollection services)
    {
        services.AddSingleton<MeshTlsPolicy>();
        services.AddSingleton<MeshListener>();
        services.AddSingleton<ConnectionMetrics>();
        services.AddSingleton<ConnectionGuard>();
        services.AddSingleton<RawListeners>();
        services.AddSingleton<ExposedTarget>();
        services.AddSingleton<ConfiguredUrls>();
        // In front of the app's own configuration of Kestrel: see there.
        services.Insert(0, ServiceDescriptor.Singleton<IConfigureOptions<KestrelServerOptions>>(
            provider => provider.GetRequiredService<ConfiguredUrls>()));
    }

    private static void AddRegistration(IServiceCollection services)
    {
        services.AddSingleton<InboundDrain>();
        services.AddSingleton<RegistrationMetrics>();
        services.AddSingleton<RegistrationHeartbeatFactory>(provider => (registrar, registration) => new RegistrationHeartbeat(
            registrar,
            registration,
            provider.GetRequiredService<RegistrationMetrics>(),
            provider.GetRequiredService<MeshClient.MeshRandom>(),
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILogger<RegistrationHeartbeat>>()));
        services.AddSingleton<RouteSpelling>();
        services.AddSingleton<IdempotentRoutes>();
        services.AddSingleton<IdempotencyPublication>();
        services.AddSingleton<MeshRegistration>();
        services.AddSingleton<IMeshRegistration>(provider => provider.GetRequiredService<MeshRegistration>());
    }

    private static void AddOptions<TOptions>(
        IServiceCollection services, string section, Func<IConfiguration?, IValidateOptions<TOptions>> validator)
        where TOptions : class
    {
        services.AddOptions<TOptions>().ValidateOnStart();
        services.AddSingleton(MeshSubsection.Of(section));
        services.AddSingleton<IConfigureOptions<TOptions>>(provider => new SectionBinder<TOptions>(
            provider.GetService<IConfiguration>(), section));
        services.AddSingleton(provider => validator(provider.GetService<IConfiguration>()));
    }
}
