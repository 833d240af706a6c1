using System.IO.Pipelines;

namespace MeshClient.AspNetCore.Connections;

/// <summary>
/// A reader over another one, which it passes everything on to. All other ways to read are made of these, so that whoever overrides one
/// of them sees all that is read.
/// </summary>
internal abstract class PipeReaderOver(PipeReader inner) : PipeReader
{
    protected PipeReader Inner => inner;

    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default) => inner.ReadAsync(cancellationToken);

    public override bool TryRead(out ReadResult result) => inner.TryRead(out result);

    public override void AdvanceTo(SequencePosition consumed) => inner.AdvanceTo(consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined) => inner.AdvanceTo(consumed, examined);

    public override void CancelPendingRead() => inner.CancelPendingRead();

    public override void Complete(Exception? exception = null) => inner.Complete(exception);

    public override ValueTask CompleteAsync(Exception? exception = null) => inner.CompleteAsync(exception);
}
