using System.Runtime.CompilerServices;

namespace MeshClient.Core.Intentions;

/// <summary>
/// The values of headers that a decision has looked up already: several permissions mostly ask for the same few, and looking one
/// up takes longer than comparing it.
/// </summary>
internal struct HeaderCache
{
    private const int Slots = 8;

    private Values _values;
    private int _known;

    /// <summary>The place of a header, the same for the same name; -1 when there is none left, and it is looked up each time.</summary>
    /// <param name="places">The places given so far, by name without case.</param>
    /// <param name="name">The header's name.</param>
    public static int PlaceOf(Dictionary<string, int> places, string name)
    {
        if (!places.TryGetValue(name, out var place))
        {
            place = places.Count < Slots ? places.Count : -1;
            places.Add(name, place);
        }

        return place;
    }

    public string? Find<THeaders>(int place, string name, in THeaders headers)
        where THeaders : IHeaderLookup
    {
        if (place < 0)
        {
            return headers.Find(name);
        }

        if ((_known & (1 << place)) == 0)
        {
            _values[place] = headers.Find(name);
            _known |= 1 << place;
        }

        return _values[place];
    }

    [InlineArray(Slots)]
    private struct Values
    {
        private string? _first;
    }
}
