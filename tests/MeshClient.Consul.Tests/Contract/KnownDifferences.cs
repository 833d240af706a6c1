namespace MeshClient.Consul.Tests.Contract;

/// <summary>
/// Where MeshClient.Server answers otherwise than Consul 1.8.7, and why. The contract runs each case against both and
/// expects of each what stands here, so a difference that is none any more fails as one that nobody wrote down does.
/// </summary>
internal static class KnownDifferences
{
    private static readonly KnownDifference[] All =
    [
        new("beat of an unknown check", 500, "CheckID \"nope-{s}\" does not have associated TTL", 404,
            "Unknown check ID \"nope-{s}\". Ensure that the check ID is passed, not the check name.",
            "Consul's own later versions answer 404, by which a client that was forgotten knows that it has to register again."),
        new("beat of a check that is not beaten", 500, "CheckID \"http-{s}\" does not have associated TTL", 404,
            "CheckID \"http-{s}\" does not have associated TTL", "What is wrong with a request is never a 500 here."),
        new("deregister an unknown check", 200, "", 404,
            "Unknown check ID \"nope-{s}\". Ensure that the check ID is passed, not the check name.", "Consul's own later versions answer 404."),
        new("deregister an unknown service", 200, "", 404,
            "Unknown service ID \"nope-{s}\". Ensure that the service ID is passed, not the service name.", "Consul's own later versions answer 404."),
        new("check of an unknown service", 500, "ServiceID \"nope-{s}\" does not exist", 404, "ServiceID \"nope-{s}\" does not exist",
            "Consul's own later versions answer 404."),
        new("script check", 500, "Scripts are disabled on this agent from remote calls; to enable, configure 'enable_script_checks' to true", 400,
            "Scripts are disabled on this agent from remote calls; to enable, configure 'enable_script_checks' to true",
            "What is wrong with a request is never a 500 here."),
        new("check with the spelling of other calls", 400, "Request decode failed: json: unknown field \"CheckID\"", 200, "",
            "Consul.NET sends CheckID; both spellings are taken."),
        new("deregister without a check id", 500, "CheckID missing", 400, "CheckID missing", "What is wrong with a request is never a 500 here."),
        new("deregister without a service id", 500, "ServiceID missing", 400, "ServiceID missing", "What is wrong with a request is never a 500 here."),
        new("health without an id", 500, "Bad request: Missing serviceID", 400, "Bad request: Missing serviceID", "Consul's own later versions answer 400."),
        new("health without a name", 500, "Bad request: Missing service Name", 400, "Bad request: Missing service Name", "Consul's own later versions answer 400."),
        new("register without an address", 500, "Must provide address if SkipNodeUpdate is not set", 400, "Must provide address if SkipNodeUpdate is not set",
            "What is wrong with a request is never a 500 here."),
        new("register without a node", 500, "Must provide node", 400, "Must provide node", "What is wrong with a request is never a 500 here."),
        new("register with a short node id", 500, "Bad node ID: uuid string is wrong length", 400, "Bad node ID: uuid string is wrong length",
            "What is wrong with a request is never a 500 here."),
        new("register of a service without a name", 500, "Must provide service name with ID", 400, "Must provide service name with ID",
            "What is wrong with a request is never a 500 here."),
        new("register of a check with any status", 200, "true", 400, "Invalid check status: 'bogus'",
            "A status that is none of the three would count neither as good nor as bad."),
        new("register of a check of another node", 500, "check node \"other\" does not match node \"ext-{s}\"", 400, "check node \"other\" does not match node \"ext-{s}\"",
            "What is wrong with a request is never a 500 here."),
        new("register of a check of no service", 500, "failed inserting check: Missing service registration on node \"ext-{s}\"", 400,
            "failed inserting check: Missing service registration on node \"ext-{s}\"", "What is wrong with a request is never a 500 here."),
        new("catalog deregister without a node", 500, "Must provide node", 400, "Must provide node", "What is wrong with a request is never a 500 here."),
        new("metrics in the form of Prometheus", 415, "Prometheus is not enabled since its retention time is not positive", 200, null,
            "Here nothing has to be switched on for it."),
    ];

    private static readonly Dictionary<string, KnownDifference> ByCase = All.ToDictionary(difference => difference.Case, StringComparer.Ordinal);

    /// <summary>The difference of a case; null when both answer alike.</summary>
    public static KnownDifference? Find(string name) => ByCase.GetValueOrDefault(name);
}

/// <summary>One difference. Texts are the whole answers, with <c>{s}</c> for what makes names unique; null: any.</summary>
internal sealed record KnownDifference(string Case, int ConsulStatus, string? ConsulText, int OurStatus, string? OurText, string Reason);
