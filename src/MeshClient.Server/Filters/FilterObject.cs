using MeshClient.Core;

namespace MeshClient.Server.Filters;

/// <summary>
/// What of a thing a filter can speak about, and how it is read. Built once for each kind of thing; a filter is compiled
/// against it into a plain delegate, so that applying it looks nothing up by name.
/// </summary>
/// <remarks>
/// Rules of Consul: names are compared with case. Of a list of objects one element that fits is enough, also for the negated
/// operators. A key that is not in a map is neither equal to nor in anything, and everything else holds of it, even
/// <c>matches</c>.
/// </remarks>
/// <typeparam name="T">The thing.</typeparam>
internal sealed class FilterObject<T>
{
    private readonly Dictionary<string, FilterField<T>> _fields = new(StringComparer.Ordinal);

    public FilterObject<T> Text(string name, Func<T, string> read) => Add(name, new TextField<T>(read));

    public FilterObject<T> Number(string name, Func<T, long> read) => Add(name, new NumberField<T>(read));

    public FilterObject<T> Flag(string name, Func<T, bool> read) => Add(name, new FlagField<T>(read));

    public FilterObject<T> Texts(string name, Func<T, EquatableArray<string>> read) => Add(name, new TextsField<T>(read));

    public FilterObject<T> TextMap(string name, Func<T, IEnumerable<KeyValuePair<string, string>>> read) =>
        Add(name, new MapField<T, string>(read, new TextField<string>(text => text)));

    public FilterObject<T> TextsMap(string name, Func<T, IEnumerable<KeyValuePair<string, EquatableArray<string>>>> read) =>
        Add(name, new MapField<T, EquatableArray<string>>(read, new TextsField<EquatableArray<string>>(texts => texts)));

    public FilterObject<T> Map<TPart>(
        string name, Func<T, IEnumerable<KeyValuePair<string, TPart>>> read, FilterObject<TPart> part) =>
        Add(name, new MapField<T, TPart>(read, new ObjectField<TPart, TPart>(value => value, part)));

    public FilterObject<T> Object<TPart>(string name, Func<T, TPart> read, FilterObject<TPart> part) =>
        Add(name, new ObjectField<T, TPart>(read, part));

    public FilterObject<T> List<TPart>(string name, Func<T, IEnumerable<TPart>> read, FilterObject<TPart> part) =>
        Add(name, new ListField<T, TPart>(read, part));

    /// <summary>Compiles a filter.</summary>
    /// <exception cref="FilterException">It cannot be parsed, or does not fit this thing.</exception>
    public Predicate<T> Compile(string filter) => Compile(FilterParser.Parse(filter));

    public Predicate<T> Compile(FilterExpression expression)
    {
        switch (expression)
        {
            case NotExpression not:
                var part = Compile(not.Part);
                return thing => !part(thing);
            case AllExpression all:
                var every = all.Parts.Select(Compile).ToArray();
                return thing => Array.TrueForAll(every, holds => holds(thing));
            case AnyExpression any:
                var some = any.Parts.Select(Compile).ToArray();
                return thing => Array.Exists(some, holds => holds(thing));
            default:
                return Bind((MatchExpression)expression, 0);
        }
    }

    /// <summary>Binds a comparison to the part of this thing that its selector names.</summary>
    /// <param name="match">The comparison.</param>
    /// <param name="next">Which name of the selector is one of this object.</param>
    public Predicate<T> Bind(MatchExpression match, int next) =>
        next == match.Selector.Length ? throw FilterField.Misfit(match)
        : _fields.TryGetValue(match.Selector[next], out var field) ? field.Bind(match, next + 1)
        : throw FilterField.UnknownSelector(match, next);

    private FilterObject<T> Add(string name, FilterField<T> field)
    {
        _fields.Add(name, field);
        return this;
    }
}
