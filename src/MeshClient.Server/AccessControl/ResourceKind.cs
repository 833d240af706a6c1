namespace MeshClient.Server.AccessControl;

/// <summary>What a right is about. The names are those of the rule language.</summary>
internal enum ResourceKind
{
    Acl,
    Agent,
    Event,
    Intention,
    Key,
    Keyring,
    Node,
    Operator,
    Query,
    Service,
    Session,
}

/// <summary>How much is allowed; each includes those before it.</summary>
internal enum AccessLevel
{
    Deny,
    Read,

    /// <summary>Keys only: reading whole subtrees.</summary>
    List,
    Write,
}
