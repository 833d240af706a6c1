using System.Net;

namespace MeshClient.Dialing;

/// <summary>An open connection, in the form of an answer's content. An answer that is thrown away takes it along.</summary>
internal sealed class DialedContent(DialedConnection connection) : HttpContent
{
    public DialedConnection Connection => connection;

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        throw new NotSupportedException("A connection has no content that could be copied.");

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            connection.Abort();
        }

        base.Dispose(disposing);
    }
}
