using System.Text;

namespace MeshClient.Tool.Tests;

/// <summary>Output that a test waits for while it is still being written.</summary>
internal sealed class SharedWriter : TextWriter
{
    private readonly Lock _lock = new();
    private readonly StringBuilder _text = new();
    private TaskCompletionSource _written = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public override Encoding Encoding => Encoding.UTF8;

    public override void Write(char value) => Append(value.ToString());

    public override void Write(string? value) => Append(value ?? string.Empty);

    public override void Write(char[] buffer, int index, int count) => Append(new string(buffer, index, count));

    /// <summary>Waits until a text has been written.</summary>
    public async Task UntilAsync(string text, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task more;
            lock (_lock)
            {
                if (_text.ToString().Contains(text, StringComparison.Ordinal))
                {
                    return;
                }

                more = _written.Task;
            }

            try
            {
                await more.WaitAsync(cancellationToken);
            }
            catch (OperationCanceledException)
            {
                Assert.Fail($"'{text}' was not written, but: {this}");
            }
        }
    }

    public override string ToString()
    {
        lock (_lock)
        {
            return _text.ToString();
        }
    }

    private void Append(string text)
    {
        lock (_lock)
        {
            _text.Append(text);
            _written.TrySetResult();
            _written = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }
}
