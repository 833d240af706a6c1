namespace MeshClient.Server;

/// <summary>
/// Who may call what. Section <c>MeshServer:AccessControl</c>. Tokens and policies themselves are written through the API, as
/// in Consul.
/// </summary>
public sealed class MeshServerAccessControlOptions
{
    /// <summary>
    /// Whether tokens are demanded. Default: false, as in Consul: then every call is everybody's, and the calls about tokens are
    /// answered 401. With it on and a <see cref="DefaultPolicy"/> of deny, HTTPS from other machines needs no authorization of the
    /// app's besides.
    /// </summary>
    public bool Enabled { get; set; }

    /// <summary>
    /// What holds where no rule of a token speaks. With allow, whoever sends no token gets the private key of any service, so
    /// that other machines are answered as without access control. Default: deny; Consul's own default is allow. Rights on the
    /// rules themselves are never there by default. What holds between services is
    /// <see cref="MeshServerOptions.DefaultIntentionPolicy"/>, whatever is said here.
    /// </summary>
    public DefaultAccessPolicy DefaultPolicy { get; set; } = DefaultAccessPolicy.Deny;

    /// <summary>
    /// The secret of a token that may do everything, made at the start unless it is there, a UUID. With it the first token needs no
    /// <c>PUT /v1/acl/bootstrap</c>, which is then answered 403. A secret: give it by the environment or a secret store. Null:
    /// none is made. Default: null.
    /// </summary>
    public string? InitialManagementToken { get; set; }

    /// <summary>
    /// Allows <c>PUT /v1/acl/bootstrap</c> once more after the last such token was lost: the reset index that its refusal names.
    /// Done, it has no effect any more, because the index is another. Null: once for ever. Default: null.
    /// </summary>
    public ulong? BootstrapResetIndex { get; set; }

    /// <summary>
    /// How long a token lives that somebody got by logging in with one of an identity provider, where the auth method's own
    /// <c>MaxTokenTTL</c> is 0. For logins from then on. 1 min to 365 days; 0: for ever, as in Consul. Default:
    /// <see cref="MeshServerDefaults.LoginTokenLifetime"/>.
    /// </summary>
    public TimeSpan LoginTokenLifetime { get; set; } = MeshServerDefaults.LoginTokenLifetime;

    /// <summary>Whether nobody gets a private key without a token.</summary>
    internal bool DemandsTokens => Enabled && DefaultPolicy == DefaultAccessPolicy.Deny;
}
