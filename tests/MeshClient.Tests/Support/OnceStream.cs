namespace MeshClient.Tests.Support;

/// <summary>A body that can be read only once.</summary>
internal sealed class OnceStream(byte[] bytes) : MemoryStream(bytes)
{
    public OnceStream(string text)
        : this(System.Text.Encoding.ASCII.GetBytes(text))
    {
    }

    public override bool CanSeek => false;
}
