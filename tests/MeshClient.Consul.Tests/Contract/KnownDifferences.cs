namespace MeshClient.Consul.Tests.Contract;

/// <summary>A place where MeshClient.Server answers otherwise than Consul 1.8.7, on purpose.</summary>
/// <param name="Consul">What Consul does.</param>
/// <param name="MeshServer">What MeshClient.Server does.</param>
/// <param name="Reason">Why.</param>
internal sealed record KnownDifference(string Consul, string MeshServer, string Reason);

/// <summary>
/// All differences the contract knows of. A test that expects one thing of Consul and another of MeshClient.Server names the
/// entry it goes by, so none is silent.
/// </summary>
internal static class KnownDifferences
{
    public static readonly KnownDifference WrongInputIsTheCallers = new(
        "Input that its store finds wrong is answered 500.",
        "It is answered 400, with the same sentence.",
        "Newer versions go that way, and a client must be able to tell what a repeat cannot help.");

    public static readonly KnownDifference AbsentKeyIsWatchedAlone = new(
        "A watch on a key that is not there ends when any key is written.",
        "It ends when that key is written.",
        "Waking for nothing costs every watcher a request; the rules of blocking queries allow the narrower watch.");

    public static readonly KnownDifference FilterErrorsAreShort = new(
        "A filter of an event that is no regular expression is answered with what the parser of Go found.",
        "The sentence begins alike and names the expression.",
        "The words are those of Go's parser.");

    public static readonly KnownDifference EventsAreTooLargeInOneSentence = new(
        "An event that is too large is answered with a list of errors of the gossip pool.",
        "It is answered with the one sentence about the size.",
        "There is no gossip pool.");

    public static readonly KnownDifference SnapshotsAreOnesOwn = new(
        "An archive holds the entries of Consul's raft log.",
        "It holds rows of this server; the archive around them has Consul's form. Each refuses the other's.",
        "The states are not the same.");

    public static readonly KnownDifference BadArchivesAreExplained = new(
        "An archive that cannot be read is answered with what the decompressor said.",
        "The answer says that nothing has changed, and why.",
        "The words are those of Go's libraries.");

    public static readonly KnownDifference TransactionsAreOfKeys = new(
        "A transaction may write nodes, services and checks too.",
        "It takes keys only, and refuses the rest with a sentence.",
        "No client of the mesh does it; the catalog has its own calls.");

    public static readonly KnownDifference ConfigIsDeletedWithCas = new(
        "DELETE of a config entry does not look at cas.",
        "It does, and answers true or false.",
        "So do versions from 1.11 on.");

    public static readonly KnownDifference ConfigIsJudgedFurther = new(
        "Expressions and subset filters nobody can evaluate, weights below 0 and namespaces there are none of are taken.",
        "They are refused.",
        "They fail later, where nobody reads the error; newer versions refuse most of them too.");

    public static readonly KnownDifference ConfigOfNewerVersionsIsTaken = new(
        "Kinds and fields of later versions are refused.",
        "They are taken and given back; intentions, load balancers, time-outs, retries and header changes have their effect.",
        "The client library reads them.");

    public static readonly KnownDifference ChainsSayMore = new(
        "A chain has no Default, and its splits no Definition.",
        "It has both.",
        "So have newer versions; the definition of a split tells which headers it changes.");

    public static readonly KnownDifference QueriesAreBasic = new(
        "Prepared queries may be templates, be bound to a session, hold a token and fail over to other datacenters.",
        "Templates, sessions and tokens are refused; failover is kept and given back but an execution never leaves the datacenter.",
        "The client library balances and fails over by itself; a stored token would be a secret to keep for little.");

    public static readonly KnownDifference ExactIntentionsAreThere = new(
        "There is no call by source and destination, and intentions have no permissions.",
        "There are both.",
        "So have versions from 1.9 on.");
}
