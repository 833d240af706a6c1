namespace MeshClient.Discovery;

/// <summary>What a call's scheme asks for. An instance of the mesh is called over mutual TLS whatever the scheme.</summary>
internal enum SchemePreference
{
    /// <summary><c>http</c>: plaintext, where the endpoint is not of the mesh.</summary>
    Http,

    /// <summary><c>https</c>: TLS only.</summary>
    Https,

    /// <summary><c>https+http</c>: TLS where there is an endpoint with it, else plaintext.</summary>
    HttpsThenHttp,

    /// <summary><c>http+https</c>: plaintext where there is an endpoint without TLS, else TLS.</summary>
    HttpThenHttps,
}
