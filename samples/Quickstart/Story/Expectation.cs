namespace Quickstart.Story;

/// <summary>One thing the story claimed, and whether it held.</summary>
/// <param name="Claim">What was claimed.</param>
/// <param name="Held">Whether it held.</param>
/// <param name="Detail">What was seen.</param>
/// <param name="Took">How long the step took.</param>
internal sealed record Expectation(string Claim, bool Held, string Detail, TimeSpan Took);
