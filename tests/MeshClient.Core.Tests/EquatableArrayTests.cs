namespace MeshClient.Core.Tests;

public sealed class EquatableArrayTests
{
    [Fact]
    public void Equality_SameElementsInOrder_IsEqual()
    {
        EquatableArray<string> one = ["a", "b"];
        var two = EquatableArray.From(new List<string> { new(['a']), "b" });

        Assert.True(one == two);
        Assert.False(one != two);
        Assert.True(one.Equals((object)two));
        Assert.Equal(one.GetHashCode(), two.GetHashCode());
    }

    [Fact]
    public void Equality_OrderLengthOrElementDiffers_IsNotEqual()
    {
        EquatableArray<string?> one = ["a", "b"];

        Assert.True(one != ["b", "a"]);
        Assert.True(one != ["a"]);
        Assert.True(one != ["a", "b", "c"]);
        Assert.True(one != ["a", null]);
        Assert.False(one.Equals("a"));
    }

    [Fact]
    public void Default_Value_IsAnEmptyList()
    {
        var none = default(EquatableArray<int>);
        var visited = 0;
        foreach (var _ in none)
        {
            visited++;
        }

        Assert.False(none.Count > 0);
        Assert.Equal(0, visited);
        Assert.Empty((IEnumerable<int>)none);
        Assert.True(none == []);
        Assert.Equal(none.GetHashCode(), EquatableArray.Create<int>([]).GetHashCode());
        Assert.Throws<IndexOutOfRangeException>(() => none[0]);
    }

    [Fact]
    public void Elements_ByEveryWay_AreTheSame()
    {
        EquatableArray<int> list = [1, 2, 3];
        var seen = new List<int>();
        foreach (var item in list)
        {
            seen.Add(item);
        }

        Assert.Equal([1, 2, 3], seen);
        Assert.Equal([1, 2, 3], list.AsSpan().ToArray());
        Assert.Equal([1, 2, 3], list.Select(item => item));
        Assert.Equal(2, list[1]);
        Assert.Throws<IndexOutOfRangeException>(() => list[3]);
    }

    [Fact]
    public void From_SourceChangedLater_DoesNotFollow()
    {
        var source = new List<int> { 1 };
        var list = EquatableArray.From(source);

        source.Add(2);

        Assert.Equal([1], list);
    }
}
