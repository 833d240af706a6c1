using System.Text.RegularExpressions;
using FsCheck;
using FsCheck.Fluent;
using MeshClient.Core;
using MeshClient.Server.Filters;

namespace MeshClient.Server.Tests.Filters;

/// <summary>Filters at random: none breaks anything, and each that is one means what a second, naive evaluator says.</summary>
public sealed class FilterPropertyTests
{
    private static readonly FilterObject<Thing> Fields = new FilterObject<Thing>()
        .Text("Name", thing => thing.Name)
        .Number("Port", thing => thing.Port)
        .Flag("On", thing => thing.On)
        .Texts("Tags", thing => thing.Tags)
        .TextMap("Meta", thing => thing.Meta)
        .List("Parts", thing => thing.Parts, new FilterObject<Thing>().Text("Name", part => part.Name).Number("Port", part => part.Port));

    private static readonly Gen<string> Word = Gen.Elements("a", "b", "ab", "and", "or", "not", "in", "x1", "é", "a b", "", "`", "\"", "1", "80");

    private static readonly Gen<Thing> Things =
        from name in Word
        from port in Gen.Elements(0, 1, 80)
        from isOn in Gen.Elements(true, false)
        from tags in Word.ArrayOf()
        from keys in Gen.Elements("a", "b", "and").ArrayOf()
        from value in Word
        from parts in Word.ArrayOf()
        select new Thing(
            name, port, isOn, EquatableArray.From(tags), keys.Distinct().ToDictionary(key => key, _ => value),
            parts.Select(part => new Thing(part, part.Length, false, default, [], [])).ToArray());

    [Fact]
    public void Compile_OfARandomFilter_MeansWhatTheNaiveEvaluatorSays() =>
        Prop.ForAll(
            Expressions(4).ToArbitrary(),
            Things.ToArbitrary(),
            (expression, thing) =>
            {
                var parsed = FilterParser.Parse(expression.Text);
                return Fields.Compile(parsed)(thing) == expression.Holds(thing);
            })
            .Check(Config.QuickThrowOnFailure.WithMaxTest(2000));

    [Fact]
    public void Compile_OfAnyText_RefusesOrGivesAFilter()
    {
        var piece = Gen.Elements(
            "Name", "Port", "Meta", "Parts", ".", "[", "]", "(", ")", "\"", "`", "==", "!=", "=", " in ", " not ", "not", " and ", " or ",
            " is ", "empty", " matches ", " contains ", " ", "\n", "0", "1", "-", "80", "a", "\\", "\\u00", "é", "\0", "😀", "\ud800", "(?", "*", "{9}");
        Prop.ForAll(
            piece.ArrayOf().Select(string.Concat).ToArbitrary(),
            text =>
            {
                try
                {
                    Fields.Compile(text)(new Thing("a", 1, true, default, [], []));
                }
                catch (FilterException e)
                {
                    return e.Message.Length > 0;
                }

                return true;
            })
            .Check(Config.QuickThrowOnFailure.WithMaxTest(5000));
    }

    [Fact]
    public void Compile_OfAnExpensiveExpression_MatchesInLinearTime()
    {
        var filter = Fields.Compile("Name matches `(a*)*(a*)*(a|a)*b`");
        Assert.False(filter(new Thing(new string('a', 100_000), 0, false, default, [], [])));
    }

    private static Gen<Expression> Expressions(int depth)
    {
        if (depth == 0)
        {
            return Comparisons();
        }

        var part = Expressions(depth - 1);
        return Gen.Frequency(
            (3, Comparisons()),
            (1, from inner in part select new Expression($"not {Wrapped(inner)}", thing => !inner.Holds(thing))),
            (1, from left in part
                from right in part
                select new Expression($"{Wrapped(left)} and {Wrapped(right)}", thing => left.Holds(thing) && right.Holds(thing))),
            (1, from left in part
                from right in part
                select new Expression($"{Wrapped(left)} or {Wrapped(right)}", thing => left.Holds(thing) || right.Holds(thing))));
    }

    private static string Wrapped(Expression expression) => $"( {expression.Text} )";

    private static Gen<Expression> Comparisons() =>
        Gen.OneOf(OfTexts(), OfNumbers(), OfFlags(), OfLists(), OfKeys(), OfEmptiness());

    private static Gen<Expression> OfTexts() =>
        from word in Word
        from comparison in Gen.Elements<(string Text, Func<string, string, bool> Holds)>(
            ("==", (left, right) => left == right),
            ("!=", (left, right) => left != right),
            ("contains", (left, right) => left.Contains(right, StringComparison.Ordinal)),
            ("not contains", (left, right) => !left.Contains(right, StringComparison.Ordinal)),
            ("matches", (left, right) => Regex.IsMatch(left, right, RegexOptions.CultureInvariant)),
            ("not matches", (left, right) => !Regex.IsMatch(left, right, RegexOptions.CultureInvariant)))
        from place in Gen.Elements<(string Path, Func<Thing, IEnumerable<string?>> Values)>(
            ("Name", thing => [thing.Name]),
            ("Meta.a", thing => [thing.Meta.GetValueOrDefault("a")]),
            ("Meta[\"b\"]", thing => [thing.Meta.GetValueOrDefault("b")]),
            ("Parts.Name", thing => thing.Parts.Select(part => part.Name)))
        select new Expression(
            $"{place.Path} {comparison.Text} {Quoted(word)}",
            thing => place.Values(thing).Any(value => value is null
                ? comparison.Text is not ("==" or "contains")
                : comparison.Holds(value, word)));

    private static Gen<Expression> OfNumbers() =>
        from number in Gen.Elements(0, 1, 80)
        from equal in Gen.Elements(true, false)
        from quote in Gen.Elements("", "\"", "`")
        select new Expression($"Port {(equal ? "==" : "!=")} {quote}{number}{quote}", thing => thing.Port == number == equal);

    private static Gen<Expression> OfFlags() =>
        from flag in Gen.Elements(true, false)
        select new Expression($"On == {(flag ? "true" : "false")}", thing => thing.On == flag);

    private static Gen<Expression> OfLists() =>
        from word in Word
        from wanted in Gen.Elements(true, false)
        select new Expression($"{Quoted(word)} {(wanted ? "in" : "not in")} Tags", thing => thing.Tags.Contains(word) == wanted);

    private static Gen<Expression> OfKeys() =>
        from word in Gen.Elements("a", "b", "c")
        select new Expression($"{word} in Meta", thing => thing.Meta.ContainsKey(word));

    private static Gen<Expression> OfEmptiness() =>
        from empty in Gen.Elements(true, false)
        from list in Gen.Elements<(string Name, Func<Thing, int> Count)>(
            ("Tags", thing => thing.Tags.Count), ("Meta", thing => thing.Meta.Count), ("Parts", thing => thing.Parts.Count))
        select new Expression($"{list.Name} is {(empty ? "" : "not ")}empty", thing => list.Count(thing) == 0 == empty);

    private static string Quoted(string word) => word.Contains('`', StringComparison.Ordinal) ? $"\"{word}\"" : $"`{word}`";

    private sealed record Thing(
        string Name, int Port, bool On, EquatableArray<string> Tags, Dictionary<string, string> Meta, IReadOnlyList<Thing> Parts);

    private sealed record Expression(string Text, Func<Thing, bool> Holds);
}
