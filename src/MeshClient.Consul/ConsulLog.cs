using Microsoft.Extensions.Logging;

namespace MeshClient.Consul;

/// <summary>What this package logs. Event ids are stable: 2000 to 2099.</summary>
internal static partial class ConsulLog
{
    [LoggerMessage(2000, LogLevel.Warning, "Instances of service {Service} were left out: {Problems}.")]
    public static partial void InstancesLeftOut(ILogger logger, string service, string problems);

    [LoggerMessage(2001, LogLevel.Warning, "A root certificate of the mesh was left out, because it cannot be read: {Root}.")]
    public static partial void RootLeftOut(ILogger logger, string root);

    [LoggerMessage(2002, LogLevel.Warning, "An intention for service {Service} was left out: {Problem}.")]
    public static partial void IntentionLeftOut(ILogger logger, string service, string problem);

    [LoggerMessage(
        2003,
        LogLevel.Warning,
        "The control plane at {Address} is on another machine and reached without TLS: tokens and private keys travel readable.")]
    public static partial void UnprotectedAddress(ILogger logger, string address);
}
