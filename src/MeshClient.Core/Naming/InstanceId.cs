namespace MeshClient.Core.Naming;

/// <summary>
/// The id of one running copy of a service, unique in the whole registry. Any text without control characters, 1 to 512
/// characters; MeshClient makes its own as <c>service-host-port-random</c>, because a registry keeps one name space for
/// the ids of all its clients.
/// </summary>
public readonly record struct InstanceId
{
    /// <summary>The greatest length of an id, in characters.</summary>
    public const int MaxLength = 512;

    private readonly string? _value;

    /// <summary>Takes a text as an id.</summary>
    /// <exception cref="FormatException">The text is empty, too long or holds control characters.</exception>
    public InstanceId(string value)
    {
        ArgumentNullException.ThrowIfNull(value);
        if (value.Length is 0 or > MaxLength || value.Any(char.IsControl))
        {
            throw new FormatException($"An instance id has 1 to {MaxLength} characters and no control characters.");
        }

        _value = value;
    }

    /// <summary>The text of the id; empty for the default value.</summary>
    public string Value => _value ?? string.Empty;

    /// <summary>The text of the id.</summary>
    public override string ToString() => Value;
}
