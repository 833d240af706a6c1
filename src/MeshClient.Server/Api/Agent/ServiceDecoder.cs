using System.Net;
using System.Text.Json;
using MeshClient.Core;
using MeshClient.Server.Api.Json;
using MeshClient.Server.Catalog;
using MeshClient.Server.HealthChecks;

namespace MeshClient.Server.Api.Agent;

/// <summary>A service definition as it was written, before it is judged.</summary>
internal sealed class ServiceInput
{
    public string Id { get; set; } = string.Empty;

    public string Name { get; set; } = string.Empty;

    public string Kind { get; set; } = string.Empty;

    public EquatableArray<string> Tags { get; set; }

    public string Address { get; set; } = string.Empty;

    public int Port { get; set; }

    public EquatableArray<TaggedAddress> TaggedAddresses { get; set; }

    public EquatableArray<KeyValuePair<string, string>> Meta { get; set; }

    public ServiceWeights? Weights { get; set; }

    public bool EnableTagOverride { get; set; }

    public bool ConnectNative { get; set; }

    /// <summary>The proxy to be made beside it; null for none.</summary>
    public ServiceInput? Sidecar { get; set; }

    public ProxyDefinition? Proxy { get; set; }

    public List<CheckInput> Checks { get; } = [];
}

/// <summary>Reads the body of a registration.</summary>
internal static class ServiceDecoder
{
    private const int MaxMetaPairs = 64;
    private const int MaxMetaKey = 128;
    private const int MaxMetaValue = 512;
    private const int MaxNameLength = 512;
    private const int MaxWeight = 65535;

    public static ServiceInput Decode(JsonElement element)
    {
        var service = new ServiceInput();
        var checks = new List<CheckInput>();
        foreach (var field in JsonField.In(element))
        {
            switch (field.Key)
            {
                case "check":
                    var check = CheckDecoder.Decode(field.Fields());
                    if (!check.IsEmpty)
                    {
                        service.Checks.Insert(0, check);
                    }

                    break;
                case "checks": checks = [.. field.Items().Select(CheckDecoder.Decode)]; break;
                default: DecodePart(field, service); break;
            }
        }

        service.Checks.AddRange(checks);
        return service;
    }

    /// <summary>Reads the service of a catalog registration: its name is under another key, and it has no checks of its own.</summary>
    public static ServiceInput DecodeCatalogService(JsonField service)
    {
        var input = new ServiceInput();
        foreach (var field in service.Fields())
        {
            switch (field.Key)
            {
                case "service": input.Name = field.Text(); break;
                // Of what was read from the catalog before.
                case "createindex" or "modifyindex" or "raftindex": break;
                case "name" or "check" or "checks": throw field.Unknown();
                default: DecodePart(field, input); break;
            }
        }

        return input;
    }

    /// <summary>Judges a definition and fills in what it leaves out.</summary>
    /// <param name="service">The definition.</param>
    /// <param name="caller">Whose address an instance without one gets.</param>
    /// <exception cref="RequestRefusedException">It is wrong; the sentence is Consul's.</exception>
    public static (ServiceDefinition Definition, EquatableArray<CheckDefinition> Checks) ToDefinition(ServiceInput service, IPAddress? caller)
    {
        if (FindProblem(service) is { } problem)
        {
            throw RequestRefusedException.Invalid(problem);
        }

        var id = service.Id.Length > 0 ? service.Id : service.Name;
        var definition = new ServiceDefinition
        {
            Id = id,
            Name = service.Name,
            Kind = service.Kind,
            Tags = service.Tags,
            Address = service.Address.Length > 0 ? service.Address : caller?.ToString() ?? string.Empty,
            Port = service.Port,
            TaggedAddresses = service.TaggedAddresses,
            Meta = service.Meta,
            Weights = service.Weights ?? ServiceWeights.Default,
            EnableTagOverride = service.EnableTagOverride,
            ConnectNative = service.ConnectNative,
            Proxy = service.Kind == ServiceDefinition.ProxyKind ? service.Proxy : null,
        };
        var checks = service.Checks.Select((check, i) => CheckDecoder.ToDefinition(
            check,
            service.Checks.Count == 1 ? $"service:{id}" : $"service:{id}:{i + 1}",
            $"Service '{service.Name}' check"));
        return (definition, EquatableArray.From(checks));
    }

    // What registrations with the agent and in the catalog have in common.
    private static void DecodePart(JsonField field, ServiceInput service)
    {
        switch (field.Key)
        {
            case "id": service.Id = field.Text(); break;
            case "name": service.Name = field.Text(); break;
            case "kind": service.Kind = field.Text(); break;
            case "tags": service.Tags = field.Texts(); break;
            case "address": service.Address = field.Text(); break;
            case "port": service.Port = field.Number(); break;
            case "taggedaddresses" or "tagged_addresses": service.TaggedAddresses = DecodeTaggedAddresses(field); break;
            case "meta": service.Meta = field.TextMap(); break;
            case "weights": service.Weights = DecodeWeights(field); break;
            case "enabletagoverride" or "enable_tag_override": service.EnableTagOverride = field.Flag(); break;
            case "connect": DecodeConnect(field, service); break;
            case "proxy": service.Proxy = DecodeProxy(field); break;
            // Of newer versions, or of clients that send their token along; nothing of it is needed here.
            case "token" or "namespace" or "partition" or "peer" or "peername" or "locality" or "ports"
                or "socketpath" or "socket_path" or "enterprisemeta" or "writerequest":
                break;
            default: throw field.Unknown();
        }
    }

    private static string? FindProblem(ServiceInput service)
    {
        if (service.Name.Length == 0)
        {
            return "Missing service name";
        }

        if (new[] { service.Name, service.Id }.Any(text => text.Length > MaxNameLength || text.Any(char.IsControl)))
        {
            return $"Invalid service name or ID: at most {MaxNameLength} characters and no control characters";
        }

        if (service.Address is "0.0.0.0" or "::" or "[::]")
        {
            return "Invalid service address";
        }

        if (service.Port is < 0 or > IPEndPoint.MaxPort)
        {
            return $"Invalid service port: {service.Port}";
        }

        // Whoever makes one has taken it out before.
        if (service.Sidecar is not null)
        {
            return "Invalid SidecarService: a sidecar is made for a service that is registered with the agent, and has none itself";
        }

        if (service.Kind is not ("" or ServiceDefinition.ProxyKind or "mesh-gateway" or "terminating-gateway" or "ingress-gateway" or "api-gateway"))
        {
            return $"Invalid service kind \"{service.Kind}\"";
        }

        return FindMetaProblem(service.Meta) ?? FindWeightsProblem(service.Weights) ?? FindProxyProblem(service);
    }

    private static string? FindMetaProblem(EquatableArray<KeyValuePair<string, string>> meta)
    {
        if (meta.Count > MaxMetaPairs)
        {
            return $"Invalid Service Meta: Node metadata cannot contain more than {MaxMetaPairs} key/value pairs";
        }

        foreach (var (key, value) in meta)
        {
            var problem =
                key.Length == 0 ? "Key cannot be blank"
                : !key.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-') ? "Key contains invalid characters"
                : key.Length > MaxMetaKey ? $"Key is too long (limit: {MaxMetaKey} characters)"
                : key.StartsWith("consul-", StringComparison.Ordinal) ? "Key prefix 'consul-' is reserved for internal use"
                : value.Length > MaxMetaValue ? $"Value is too long (limit: {MaxMetaValue} characters)"
                : null;
            if (problem is not null)
            {
                return $"Invalid Service Meta: Couldn't load metadata pair ('{key}', '{value}'): {problem}";
            }
        }

        return null;
    }

    private static string? FindWeightsProblem(ServiceWeights? weights) => weights switch
    {
        null => null,
        { Passing: < 1 } => "Invalid Weights: Passing must be greater than 0",
        { Warning: < 0 } => "Invalid Weights: Warning must be greater or equal than 0",
        { Passing: > MaxWeight } or { Warning: > MaxWeight } => "Invalid Weights: DNS Weight must be between 0 and 65535",
        _ => null,
    };

    private static string? FindProxyProblem(ServiceInput service)
    {
        if (service.Kind != ServiceDefinition.ProxyKind)
        {
            return null;
        }

        var problems = new List<string>();
        if ((service.Proxy?.DestinationServiceName ?? string.Empty).Length == 0)
        {
            problems.Add("Proxy.DestinationServiceName must be non-empty for Connect proxy services");
        }

        if (service.Port == 0)
        {
            problems.Add("Port must be set for a Connect proxy");
        }

        if (service.ConnectNative)
        {
            problems.Add("A Proxy cannot also be Connect Native, only typical services");
        }

        return problems.Count == 0 ? null : ErrorList.Of(problems);
    }

    private static EquatableArray<TaggedAddress> DecodeTaggedAddresses(JsonField field)
    {
        var addresses = new SortedDictionary<string, TaggedAddress>(StringComparer.Ordinal);
        foreach (var tag in field.Fields())
        {
            var (address, port) = (string.Empty, 0);
            foreach (var part in tag.Fields())
            {
                switch (part.Key)
                {
                    case "address": address = part.Text(); break;
                    case "port": port = part.Number(); break;
                    default: throw part.Unknown();
                }
            }

            addresses[tag.Name] = new TaggedAddress(tag.Name, address, port);
        }

        return EquatableArray.From(addresses.Values);
    }

    private static ServiceWeights? DecodeWeights(JsonField field)
    {
        if (field.Value.ValueKind == JsonValueKind.Null)
        {
            return null;
        }

        var weights = new ServiceWeights(0, 0);
        foreach (var part in field.Fields())
        {
            weights = part.Key switch
            {
                "passing" => weights with { Passing = part.Number() },
                "warning" => weights with { Warning = part.Number() },
                _ => throw part.Unknown(),
            };
        }

        return weights;
    }

    private static void DecodeConnect(JsonField field, ServiceInput service)
    {
        foreach (var part in field.Fields())
        {
            switch (part.Key)
            {
                case "native": service.ConnectNative = part.Flag(); break;
                case "sidecarservice" or "sidecar_service": service.Sidecar = part.Value.ValueKind == JsonValueKind.Null ? null : Decode(part.Value); break;
                case "peermeta": break;
                default: throw part.Unknown();
            }
        }
    }

    private static ProxyDefinition? DecodeProxy(JsonField field)
    {
        if (field.Value.ValueKind == JsonValueKind.Null)
        {
            return null;
        }

        var proxy = new ProxyDefinition();
        foreach (var part in field.Fields())
        {
            proxy = part.Key switch
            {
                "destinationservicename" or "destination_service_name" => proxy with { DestinationServiceName = part.Text() },
                "destinationserviceid" or "destination_service_id" => proxy with { DestinationServiceId = part.Text() },
                "localserviceaddress" or "local_service_address" => proxy with { LocalServiceAddress = part.Text() },
                "localserviceport" or "local_service_port" => proxy with { LocalServicePort = part.Number() },
                "config" => proxy with { ConfigJson = part.Json() },
                "upstreams" => proxy with { UpstreamsJson = part.Json() },
                "meshgateway" or "mesh_gateway" => proxy with { MeshGatewayJson = part.Json() },
                "expose" => proxy with { ExposeJson = part.Json() },
                // Of newer versions; they steer a proxy this server does not run.
                "mode" or "transparentproxy" or "localservicesocketpath" or "envoyextensions" or "accesslogs"
                    or "mutualtlsmode" => proxy,
                _ => throw part.Unknown(),
            };
        }

        return proxy;
    }
}
