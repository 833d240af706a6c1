using System.Diagnostics.CodeAnalysis;
using MeshClient.Core.Naming;
using MeshClient.Discovery;

namespace MeshClient.Balancing;

/// <summary>What an <see cref="IInstancePicker"/> chooses by. Valid during the call only.</summary>
public readonly ref struct PickContext
{
    internal PickContext(HttpRequestMessage request, ReadOnlySpan<InstanceState> candidates)
    {
        Request = request;
        Candidates = new PickCandidates(candidates);
    }

    /// <summary>The service that is called.</summary>
    public ServiceName Service => Candidates[0].Description.Service;

    /// <summary>The request, to read; it must not be changed.</summary>
    public HttpRequestMessage Request { get; }

    /// <summary>
    /// Those to choose from, in the registry's order: not ejected, and not tried by this call yet. When there is none of these,
    /// what is left is used without asking the picker.
    /// </summary>
    public PickCandidates Candidates { get; }
}

/// <summary>The instances a picker may choose from.</summary>
[SuppressMessage("Naming", "CA1710:Identifiers should have correct suffix", Justification = "A ref struct is no collection to hold.")]
public readonly ref struct PickCandidates
{
    private readonly ReadOnlySpan<InstanceState> _instances;

    internal PickCandidates(ReadOnlySpan<InstanceState> instances) => _instances = instances;

    /// <summary>How many there are; at least one.</summary>
    public int Count => _instances.Length;

    /// <summary>The one at an index from 0 to <see cref="Count"/> - 1.</summary>
    /// <exception cref="IndexOutOfRangeException">There is no such index.</exception>
    public MeshInstance this[int index] => new(_instances[index]);
}
