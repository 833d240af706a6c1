using System.Collections.Immutable;

namespace MeshClient.Server.AccessControl.Rules;

/// <summary>A text of rules that cannot be understood; the message says where and why.</summary>
internal sealed class RuleTextException(string message) : Exception(message);

/// <summary>A value in a text of rules: a text (numbers and booleans too, as they were written), or an object, or a list of them.</summary>
internal abstract record RuleValue;

internal sealed record RuleWord(string Text) : RuleValue;

internal sealed record RuleObject(ImmutableArray<RuleItem> Items) : RuleValue;

internal sealed record RuleList(ImmutableArray<RuleValue> Items) : RuleValue;

/// <summary>One item of an object: its keys, of which a block has several, and its value.</summary>
internal sealed record RuleItem(ImmutableArray<string> Keys, RuleValue Value);
