namespace MeshClient.Consul.Tests.Contract;

/// <summary>
/// Where MeshClient.Server answers otherwise than Consul 1.8.7, and why. The contract runs each case against both and
/// expects of each what stands here, so a difference that is none any more fails as one that nobody wrote down does.
/// </summary>
internal static class KnownDifferences
{
    public static readonly KnownBehavior WrongInputIsTheCallers = new(
        "Input that its store finds wrong is answered 500.",
        "It is answered 400, with the same sentence.",
        "Newer versions go that way, and a client must be able to tell what a repeat cannot help.");

    public static readonly KnownBehavior AbsentKeyIsWatchedAlone = new(
        "A watch on a key that is not there ends when any key is written.",
        "It ends when that key is written.",
        "Waking for nothing costs every watcher a request; the rules of blocking queries allow the narrower watch.");

    public static readonly KnownBehavior FilterErrorsAreShort = new(
        "A filter of an event that is no regular expression is answered with what the parser of Go found.",
        "The sentence begins alike and names the expression.",
        "The words are those of Go's parser.");

    public static readonly KnownBehavior EventsAreTooLargeInOneSentence = new(
        "An event that is too large is answered with a list of errors of the gossip pool.",
        "It is answered with the one sentence about the size.",
        "There is no gossip pool.");

    public static readonly KnownBehavior SnapshotsAreOnesOwn = new(
        "An archive holds the entries of Consul's raft log.",
        "It holds rows of this server; the archive around them has Consul's form. Each refuses the other's.",
        "The states are not the same.");

    public static readonly KnownBehavior BadArchivesAreExplained = new(
        "An archive that cannot be read is answered with what the decompressor said.",
        "The answer says that nothing has changed, and why.",
        "The words are those of Go's libraries.");

    public static readonly KnownBehavior ConfigIsDeletedWithCas = new(
        "DELETE of a config entry does not look at cas.",
        "It does, and answers true or false.",
        "So do versions from 1.11 on.");

    public static readonly KnownBehavior ConfigIsJudgedFurther = new(
        "Expressions and subset filters nobody can evaluate, weights below 0 and namespaces there are none of are taken.",
        "They are refused.",
        "They fail later, where nobody reads the error; newer versions refuse most of them too.");

    public static readonly KnownBehavior ConfigOfNewerVersionsIsTaken = new(
        "Kinds and fields of later versions are refused.",
        "They are taken and given back; intentions, load balancers, time-outs, retries and header changes have their effect.",
        "The client library reads them.");

    public static readonly KnownBehavior ChainsSayMore = new(
        "A chain has no Default, and its splits no Definition.",
        "It has both.",
        "So have newer versions; the definition of a split tells which headers it changes.");

    public static readonly KnownBehavior QueriesAreBasic = new(
        "Prepared queries may be templates, be bound to a session, hold a token and fail over to other datacenters.",
        "Templates, sessions and tokens are refused; failover is kept and given back but an execution never leaves the datacenter.",
        "The client library balances and fails over by itself; a stored token would be a secret to keep for little.");

    public static readonly KnownBehavior ExactIntentionsAreThere = new(
        "There is no call by source and destination, and intentions have no permissions.",
        "There are both.",
        "So have versions from 1.9 on.");

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
        new("policy without a name", 500, "Invalid Policy: no Name is set", 400, "Invalid Policy: no Name is set", "What is wrong with a request is never a 500 here."),
        new("policy with a bad name", 500, "Invalid Policy: invalid Name. Only alphanumeric characters, '-' and '_' are allowed", 400, "Invalid Policy: invalid Name. Only alphanumeric characters, '-' and '_' are allowed", "What is wrong with a request is never a 500 here."),
        new("policy with a bad level", 500, "Invalid service policy: &acl.ServiceRule{Name:\"x\", Policy:\"sing\", Intentions:\"\", EnterpriseRule:acl.EnterpriseRule{}}", 400, "Invalid service policy: &acl.ServiceRule{Name:\"x\", Policy:\"sing\", Intentions:\"\", EnterpriseRule:acl.EnterpriseRule{}}", "What is wrong with a request is never a 500 here."),
        new("policy that is not there", 500, "cannot find policy 10000000-0000-0000-0000-0000000000f1", 404, "cannot find policy 10000000-0000-0000-0000-0000000000f1", "What is wrong with a request is never a 500 here."),
        new("policy by a short id", 500, "failed acl policy lookup: index error: UUID must be 36 characters", 400, "failed acl policy lookup: index error: UUID must be 36 characters", "What is wrong with a request is never a 500 here."),
        new("built-in policy", 500, "Delete operation not permitted on the builtin global-management policy", 400, "Delete operation not permitted on the builtin global-management policy", "What is wrong with a request is never a 500 here."),
        new("policy of a name in use", 500, "Invalid Policy: A Policy with Name \"p-{s}\" already exists", 400, "Invalid Policy: A Policy with Name \"p-{s}\" already exists", "What is wrong with a request is never a 500 here."),
        new("token with an unknown policy", 500, "No such ACL policy with name \"nope\"", 400, "No such ACL policy with name \"nope\"", "What is wrong with a request is never a 500 here."),
        new("token with a reserved id", 500, "Invalid Token: UUIDs with the prefix \"00000000-0000-0000-0000-0000000000\" are reserved", 400, "Invalid Token: UUIDs with the prefix \"00000000-0000-0000-0000-0000000000\" are reserved", "What is wrong with a request is never a 500 here."),
        new("token with a short secret", 500, "Invalid Token: SecretID is not a valid UUID", 400, "Invalid Token: SecretID is not a valid UUID", "What is wrong with a request is never a 500 here."),
        new("token of a bad service", 500, "Service identity \"Bad Name\" has an invalid name. Only alphanumeric characters, '-' and '_' are allowed", 400, "Service identity \"Bad Name\" has an invalid name. Only alphanumeric characters, '-' and '_' are allowed", "What is wrong with a request is never a 500 here."),
        new("token of too short a life", 500, null, 400, null, "What is wrong with a request is never a 500 here."),
        new("token that is not there", 500, "Cannot find token \"10000000-0000-0000-0000-0000000000ff\"", 404, "Cannot find token \"10000000-0000-0000-0000-0000000000ff\"", "What is wrong with a request is never a 500 here."),
        new("anonymous token", 500, "Delete operation not permitted on the anonymous token", 400, "Delete operation not permitted on the anonymous token", "What is wrong with a request is never a 500 here."),
        new("another secret", 500, "Changing a tokens SecretID is not permitted", 400, "Changing a tokens SecretID is not permitted", "What is wrong with a request is never a 500 here."),
        new("delete oneself", 500, "Deletion of the request's authorization token is not permitted", 400, "Deletion of the request's authorization token is not permitted", "What is wrong with a request is never a 500 here."),
        new("binding rule of no method", 500, "cannot find auth method with name \"nope\"", 400, "cannot find auth method with name \"nope\"", "What is wrong with a request is never a 500 here."),
        new("binding rule of no kind", 500, "Invalid Binding Rule: unknown BindType \"zz\"", 400, "Invalid Binding Rule: unknown BindType \"zz\"", "What is wrong with a request is never a 500 here."),
        new("binding rule of no variable", 500, "Invalid Binding Rule: invalid BindName: 1:3: unknown variable accessed: value.nope", 400, "Invalid Binding Rule: invalid BindName: 1:3: unknown variable accessed: value.nope", "What is wrong with a request is never a 500 here."),
        new("login without a token", 500, "missing jwt", 400, "missing jwt", "What is wrong with a request is never a 500 here."),
        new("leaf life too short", 500, "error configuring provider: leaf cert TTL must be greater or equal than 1h0m0s", 400, "error configuring provider: leaf cert TTL must be greater or equal than 1h0m0s", "What is wrong with a request is never a 500 here."),
        new("leaf life too long", 500, "error configuring provider: leaf cert TTL must be less than 8760h0m0s", 400, "error configuring provider: leaf cert TTL must be less than 8760h0m0s", "What is wrong with a request is never a 500 here."),
        new("unknown provider", 500, "could not initialize provider: unknown CA provider \"nope\"", 400, "could not initialize provider: unknown CA provider \"nope\"", "What is wrong with a request is never a 500 here."),
        new("policy of an unknown kind", 200, null, 400, "Failed to parse ACL rules: there are no rules of the kind \"servce\"",
            "Consul skips what it does not know; a misspelt deny would be no rule at all."),
        new("login by another issuer", 500, "error validating claims: square/go-jose/jwt: validation failed, invalid issuer claim (iss)", 403,
            "Permission denied: invalid issuer claim (iss)", "A login that is not good is refused like any other request without rights."),
        new("rotation by key bits", 200, null, 200, null, "Consul 1.8.7 keeps its root when only the key type or length is changed; its later versions rotate, as this server does."),
    ];

    private static readonly Dictionary<string, KnownDifference> ByCase = All.ToDictionary(difference => difference.Case, StringComparer.Ordinal);

    /// <summary>The difference of a case; null when both answer alike.</summary>
    public static KnownDifference? Find(string name) => ByCase.GetValueOrDefault(name);
}

/// <summary>One difference. Texts are the whole answers, with <c>{s}</c> for what makes names unique; null: any.</summary>
internal sealed record KnownDifference(string Case, int ConsulStatus, string? ConsulText, int OurStatus, string? OurText, string Reason);

/// <summary>A difference of more than one answer; a test that expects one thing of each names it.</summary>
/// <param name="Consul">What Consul does.</param>
/// <param name="MeshServer">What MeshClient.Server does.</param>
/// <param name="Reason">Why.</param>
internal sealed record KnownBehavior(string Consul, string MeshServer, string Reason);
