namespace MeshClient.Tool.Doctor;

/// <summary>How bad it is.</summary>
internal enum Severity
{
    Fine,
    Doubtful,
    Wrong,
}

/// <summary>What one check came to.</summary>
/// <param name="Severity">How bad it is.</param>
/// <param name="What">What was looked at.</param>
/// <param name="Says">What was seen.</param>
/// <param name="Remedy">What to do about it; null: nothing.</param>
internal sealed record Finding(Severity Severity, string What, string Says, string? Remedy = null)
{
    public string Word => Severity switch { Severity.Fine => "ok", Severity.Doubtful => "warn", _ => "FAIL" };
}
