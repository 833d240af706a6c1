using System.Text.Json;
using System.Text.Json.Serialization;
using MeshClient.Core;

namespace MeshClient.Server.HealthChecks;

/// <summary>One value of a header that an HTTP check sends; a header with several comes several times.</summary>
internal sealed record ProbeHeader(string Name, string Value);

/// <summary>
/// What the server does by itself to learn how something is. One flat record for all kinds: it is compared, stored and given
/// back as a whole, and what a kind does not use is left at its default.
/// </summary>
/// <remarks>
/// A check makes the server send a request to an address that the registration names, so whoever may register may make it
/// reach whatever it can reach, its own machine and network included. It does nothing beyond the check: no credentials of
/// its own, no proxy, no cookies, and of the answer it shows the status and the first kilobytes only.
/// </remarks>
internal sealed record ProbeDefinition
{
    public const string HttpType = "http";
    public const string TcpType = "tcp";
    public const string GrpcType = "grpc";
    public const string AliasType = "alias";

    /// <summary>How long a probe may take when nothing else is asked for (Consul's default).</summary>
    public static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(10);

    /// <summary>The shortest interval (Consul's; a shorter one is taken for this).</summary>
    public static readonly TimeSpan MinInterval = TimeSpan.FromSeconds(1);

    /// <summary>How much output of a check is kept, in characters (Consul's <c>check_output_max_size</c>).</summary>
    public const int DefaultOutputMaxSize = 4096;

    /// <summary>One of the types above; the text is that of Consul's answers.</summary>
    public required string Type { get; init; }

    /// <summary>The URL of an HTTP check; <c>host:port</c> of a TCP check; <c>host:port</c> or <c>host:port/service</c> of a gRPC check.</summary>
    public string Target { get; init; } = string.Empty;

    public TimeSpan Interval { get; init; }

    public TimeSpan Timeout { get; init; } = DefaultTimeout;

    public string Method { get; init; } = "GET";

    [JsonConverter(typeof(ProbeHeadersConverter))]
    public EquatableArray<ProbeHeader> Headers { get; init; }

    public string Body { get; init; } = string.Empty;

    public bool UseTls { get; init; }

    public bool SkipVerify { get; init; }

    /// <summary>The name the certificate has to bear; empty: the host of the target.</summary>
    public string ServerName { get; init; } = string.Empty;

    public bool DisableRedirects { get; init; }

    public int OutputMaxSize { get; init; } = DefaultOutputMaxSize;

    /// <summary>How many good results in a row it takes to be good again; 0 and 1 are the same.</summary>
    public int SuccessBeforePassing { get; init; }

    /// <summary>How many bad results in a row it takes to be critical; 0 and 1 are the same.</summary>
    public int FailuresBeforeCritical { get; init; }

    /// <summary>How many bad results in a row it takes to be warning; 0: as many as to be critical.</summary>
    public int FailuresBeforeWarning { get; init; }

    /// <summary>The node an alias follows; empty: the one the check is on.</summary>
    public string AliasNode { get; init; } = string.Empty;

    /// <summary>The id of the instance an alias follows; empty: the node.</summary>
    public string AliasService { get; init; } = string.Empty;
}

/// <summary>Stores headers as a list of pairs.</summary>
internal sealed class ProbeHeadersConverter : JsonConverter<EquatableArray<ProbeHeader>>
{
    public override EquatableArray<ProbeHeader> Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        using var document = JsonDocument.ParseValue(ref reader);
        try
        {
            return EquatableArray.From(document.RootElement.EnumerateArray().Select(pair => new ProbeHeader(pair[0].GetString()!, pair[1].GetString()!)));
        }
        catch (Exception e) when (e is InvalidOperationException or IndexOutOfRangeException)
        {
            throw new JsonException("headers are not pairs of texts");
        }
    }

    public override void Write(Utf8JsonWriter writer, EquatableArray<ProbeHeader> value, JsonSerializerOptions options)
    {
        writer.WriteStartArray();
        foreach (var header in value)
        {
            writer.WriteStartArray();
            writer.WriteStringValue(header.Name);
            writer.WriteStringValue(header.Value);
            writer.WriteEndArray();
        }

        writer.WriteEndArray();
    }
}

/// <summary>What a probe found out.</summary>
internal readonly record struct ProbeResult(CheckStatus Status, string Output);
