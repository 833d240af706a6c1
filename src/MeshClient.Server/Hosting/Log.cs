using System.Net;
using Microsoft.Extensions.Logging;

namespace MeshClient.Server.Hosting;

/// <summary>What the server logs. Ids are stable; nothing here is ever a key or a token.</summary>
internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Information, "Listening on {Address}, datacenter {Datacenter}.")]
    public static partial void Listening(ILogger logger, Uri address, string datacenter);

    [LoggerMessage(2, LogLevel.Warning, "No data directory is set: a restart makes a new root, and everything else is lost.")]
    public static partial void MemoryOnly(ILogger logger);

    [LoggerMessage(3, LogLevel.Information, "Made root {RootId} for trust domain {TrustDomain}.")]
    public static partial void RootCreated(ILogger logger, string rootId, string trustDomain);

    [LoggerMessage(4, LogLevel.Warning, "Root {OldRootId} was replaced by {RootId}; every certificate is renewed.")]
    public static partial void RootReplaced(ILogger logger, string oldRootId, string rootId);

    [LoggerMessage(5, LogLevel.Information, "Issued certificate {SerialNumber} for {Service}, valid until {ValidBefore}, to {Caller} with token {AccessorId}.")]
    public static partial void LeafIssued(ILogger logger, string serialNumber, string service, string validBefore, IPAddress? caller, string accessorId);

    [LoggerMessage(6, LogLevel.Error, "{Method} {Path} failed.")]
    public static partial void RequestFailed(ILogger logger, Exception exception, string method, string path);

    [LoggerMessage(7, LogLevel.Error, "The periodic clean-up failed; it is tried again.")]
    public static partial void CleanUpFailed(ILogger logger, Exception exception);

    [LoggerMessage(8, LogLevel.Warning, "{Path} ended within a batch that was being written when the server stopped: cut off at byte {Offset}, {Length} bytes that nobody was told are stored.")]
    public static partial void TornTailCut(ILogger logger, string path, long offset, long length);

    [LoggerMessage(9, LogLevel.Error, "Writes cannot be stored in {Path} and are refused; what is read goes on.")]
    public static partial void StorageFails(ILogger logger, Exception exception, string path);

    [LoggerMessage(10, LogLevel.Error, "{Path} is written, but its directory could not be flushed to the disk: a loss of power may bring its former content back.")]
    public static partial void DirectoryNotFlushed(ILogger logger, string path);

    [LoggerMessage(30, LogLevel.Warning, "Datacenter {Datacenter} could not be reached.")]
    public static partial void DatacenterUnreachable(ILogger logger, Exception exception, string datacenter);

    [LoggerMessage(28, LogLevel.Information, "Login by {Method} as {Services}: token {AccessorId}.")]
    public static partial void LoggedIn(ILogger logger, string method, string services, string accessorId);

    [LoggerMessage(29, LogLevel.Warning, "Login by {Method} was refused: {Problem}.")]
    public static partial void LoginRefused(ILogger logger, string method, string problem);

    [LoggerMessage(11, LogLevel.Warning, "{Option} is set: whoever reaches this server from another machine gets the private key of any service.")]
    public static partial void OpenToStrangers(ILogger logger, string option);

    [LoggerMessage(33, LogLevel.Warning, "{Option} is set: tokens and private keys travel in plain text, and whoever reads on the way can use them.")]
    public static partial void ReadableByStrangers(ILogger logger, string option);

    [LoggerMessage(12, LogLevel.Information, "Writes can be stored in {Path} again.")]
    public static partial void StorageWorksAgain(ILogger logger, string path);

    [LoggerMessage(13, LogLevel.Error, "No snapshot could be written in {Path}: its log goes on growing, and it is tried again.")]
    public static partial void SnapshotNotWritten(ILogger logger, Exception exception, string path);

    [LoggerMessage(20, LogLevel.Error, "The probe of check {CheckId} failed in a way it should not; it counts as critical.")]
    public static partial void ProbeFailed(ILogger logger, Exception exception, string checkId);

    [LoggerMessage(21, LogLevel.Error, "What check {CheckId} found could not be stored; it is tried again.")]
    public static partial void CheckNotStored(ILogger logger, Exception exception, string checkId);

    [LoggerMessage(EventId = 22, Message = "Check {CheckId} is now {Status}.")]
    public static partial void CheckTurned(ILogger logger, LogLevel level, string checkId, HealthChecks.CheckStatus status);

    [LoggerMessage(23, LogLevel.Warning, "Self-preservation: the beats of {Overdue} of {Total} TTL checks have stopped at once; their instances are kept as they are, and none is taken out.")]
    public static partial void PreservationBegan(ILogger logger, int overdue, int total);

    [LoggerMessage(24, LogLevel.Information, "Self-preservation has ended; {Overdue} TTL checks are still without beats.")]
    public static partial void PreservationEnded(ILogger logger, int overdue);

    [LoggerMessage(25, LogLevel.Warning, "Took out instance {ServiceId} of {Service}: critical for longer than it allows.")]
    public static partial void InstanceReaped(ILogger logger, string serviceId, string service);

    [LoggerMessage(27, LogLevel.Critical, "Check {CheckId} is no longer run; register it again.")]
    public static partial void CheckEnded(ILogger logger, Exception exception, string checkId);

    [LoggerMessage(26, LogLevel.Debug, "Request finished: method={Method} url={Path} status={Status} from={Caller} latency={Milliseconds}ms")]
    public static partial void RequestFinished(ILogger logger, string method, string path, int status, IPAddress? caller, double milliseconds);
}
