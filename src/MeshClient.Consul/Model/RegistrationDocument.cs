namespace MeshClient.Consul.Model;

/// <summary>The body of <c>agent/service/register</c>. Consul refuses keys it does not know, so only old ones are here.</summary>
internal sealed class RegistrationDocument
{
    public required string ID { get; init; }

    public required string Name { get; init; }

    public required IReadOnlyList<string> Tags { get; init; }

    public required string Address { get; init; }

    public required int Port { get; init; }

    public IReadOnlyDictionary<string, RegisteredAddress>? TaggedAddresses { get; init; }

    public required IReadOnlyDictionary<string, string> Meta { get; init; }

    public required RegisteredWeights Weights { get; init; }

    public RegisteredConnect? Connect { get; init; }

    public required RegisteredCheck Check { get; init; }
}

internal sealed record RegisteredAddress(string Address, int Port);

internal sealed record RegisteredWeights(int Passing, int Warning);

internal sealed record RegisteredConnect(bool Native);

internal sealed class RegisteredCheck
{
    public required string CheckID { get; init; }

    public required string Name { get; init; }

    public required string TTL { get; init; }

    public required string Status { get; init; }

    public string? DeregisterCriticalServiceAfter { get; init; }
}
