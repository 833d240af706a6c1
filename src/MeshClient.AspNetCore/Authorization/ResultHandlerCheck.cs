using Microsoft.AspNetCore.Authorization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace MeshClient.AspNetCore.Authorization;

/// <summary>Finds out whether the app has put a handler of its own in the place of <see cref="MeshAuthorizationResultHandler"/>.</summary>
/// <param name="services">The app's registrations, which are complete when the host starts.</param>
/// <param name="ours">Which of them is ours.</param>
/// <param name="logger">Where it is told.</param>
internal sealed partial class ResultHandlerCheck(IServiceCollection services, ServiceDescriptor ours, ILogger<ResultHandlerCheck> logger)
{
    /// <summary>Says so, if it has. Nothing is opened by it: the policy refuses all the same, and the app's handler answers.</summary>
    public void WarnIfReplaced()
    {
        // Where there is none at all any more, ASP.NET says so itself.
        var last = LastOf(services);
        if (last is not null && !ReferenceEquals(last, ours))
        {
            LogReplaced(logger, last.ImplementationType?.FullName ?? last.ImplementationInstance?.GetType().FullName ?? "made by a factory");
        }
    }

    /// <summary>The one ASP.NET gets: it asks for one, without a key, and that is the last.</summary>
    public static ServiceDescriptor? LastOf(IServiceCollection services) => services.LastOrDefault(
        static one => !one.IsKeyedService && one.ServiceType == typeof(IAuthorizationMiddlewareResultHandler));

    [LoggerMessage(
        115, LogLevel.Warning,
        "The app's own IAuthorizationMiddlewareResultHandler ({Type}) is registered after AddMeshInbound() and is asked in place of the mesh's: unless it hands on to that one, what RequireMeshPeer refuses is answered by it, and neither logged, counted nor told to observers as a denial of the mesh. Register it before AddMeshInbound(), which then asks it for all else.")]
    private static partial void LogReplaced(ILogger logger, string type);
}
