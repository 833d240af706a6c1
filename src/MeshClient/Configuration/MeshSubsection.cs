namespace MeshClient.Configuration;

/// <summary>
/// A section inside <see cref="MeshOptions.SectionName"/> that a package above this one reads and checks by itself. Each
/// registers its own, so that a section nobody reads is refused like any other unknown key.
/// </summary>
/// <param name="Key">Its key inside the section, such as <c>Inbound</c>.</param>
internal sealed record MeshSubsection(string Key)
{
    /// <summary>Makes one from the whole name of the section.</summary>
    public static MeshSubsection Of(string sectionName) => new(sectionName[(MeshOptions.SectionName.Length + 1)..]);
}
