using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

namespace MeshClient.OpenTelemetry;

/// <summary>Subscribes the OpenTelemetry SDK to what MeshClient measures.</summary>
public static class MeshClientInstrumentationExtensions
{
    /// <summary>The name of MeshClient's meter and activity source.</summary>
    public const string Name = "MeshClient";

    /// <summary>The name of the meter of a registry, MeshClient.Server.</summary>
    public const string ServerName = "MeshClient.Server";

    /// <summary>
    /// Collects the figures of calls made and taken, and of a registry in this process. Calling it again changes nothing.
    /// </summary>
    /// <param name="builder">The app's meter provider.</param>
    /// <exception cref="ArgumentNullException">There is no builder.</exception>
    public static MeterProviderBuilder AddMeshClientInstrumentation(this MeterProviderBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddMeter(Name, ServerName);
    }

    /// <summary>
    /// Collects the spans of calls, and of their attempts after the first. The spans of the receiving side are ASP.NET Core's
    /// own. Calling it again changes nothing.
    /// </summary>
    /// <param name="builder">The app's tracer provider.</param>
    /// <exception cref="ArgumentNullException">There is no builder.</exception>
    public static TracerProviderBuilder AddMeshClientInstrumentation(this TracerProviderBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddSource(Name);
    }
}
