using System.Net.Security;
using System.Reflection;

namespace MeshClient.TestSupport;

/// <summary>What a TLS connection does not tell about itself: asked of OpenSSL through the framework's own door to it.</summary>
internal static class TlsSession
{
    private const BindingFlags Hidden = BindingFlags.Instance | BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public;

    private static readonly FieldInfo Session = typeof(SslStream).GetField("_securityContext", Hidden)!;

    private static readonly MethodInfo IsReused = typeof(SslStream).Assembly.GetType("Interop+Ssl", throwOnError: true)!.GetMethod("SslSessionReused", Hidden)!;

    /// <summary>Whether the session was resumed.</summary>
    public static bool IsResumed(SslStream tls) => (bool)IsReused.Invoke(null, [Session.GetValue(tls)])!;
}
