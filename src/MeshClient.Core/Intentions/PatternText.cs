namespace MeshClient.Core.Intentions;

/// <summary>The text of a regular expression, as far as it has to be read without its engine.</summary>
internal static class PatternText
{
    /// <summary>
    /// The characters that are not escaped, each with whether it stands in a character class. The bracket that opens a class stands
    /// outside; the one that closes it is left out.
    /// </summary>
    public static IEnumerable<(int Index, char Character, bool IsInClass)> Unescaped(string pattern)
    {
        var isInClass = false;
        for (var i = 0; i < pattern.Length; i++)
        {
            switch (pattern[i])
            {
                case '\\':
                    i++;
                    break;
                case '[' when !isInClass:
                    yield return (i, '[', false);
                    isInClass = true;
                    // Right after the opening, or its negation, a closing bracket stands for itself.
                    i += At(pattern, i + 1) == '^' ? 1 : 0;
                    i += At(pattern, i + 1) == ']' ? 1 : 0;
                    break;
                case ']':
                    isInClass = false;
                    break;
                default:
                    yield return (i, pattern[i], isInClass);
                    break;
            }
        }
    }

    /// <summary>A character; U+0000 beyond the end.</summary>
    public static char At(string pattern, int index) => index < pattern.Length ? pattern[index] : '\0';
}
