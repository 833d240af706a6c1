using System.Net.Http.Json;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;

namespace MeshClient.FunctionalTests.ConnectProxy;

/// <summary>Sees whose certificates are signed by which root, as a member of the mesh of its own.</summary>
internal sealed class CertificateWatch(Uri controlPlane, string name)
{
    /// <summary>The subject of the root that signs now.</summary>
    public async Task<string> ActiveRootAsync()
    {
        using var active = Read((await RootsAsync()).Single(root => (bool)root!["Active"]!)!);
        return active.Subject;
    }

    /// <summary>The issuer of the certificate a listener shows, which has to lead to a root of the mesh.</summary>
    public async Task<string> IssuerAtAsync(int port)
    {
        var leaf = await GetAsync($"connect/ca/leaf/{name}");
        using var own = X509Certificate2.CreateFromPem((string)leaf["CertPEM"]!, (string)leaf["PrivateKeyPEM"]!);
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.AddRange((await RootsAsync()).Select(root => Read(root!)).ToArray());
        using var client = new TcpClient();
        await client.ConnectAsync("127.0.0.1", port, MeshHosts.Cancellation);
        await using var tls = new SslStream(client.GetStream());
        await tls.AuthenticateAsClientAsync(
            new SslClientAuthenticationOptions
            {
                TargetHost = name,
                ClientCertificates = [own],
                CertificateChainPolicy = policy,
                RemoteCertificateValidationCallback = (_, _, _, errors) => (errors & ~SslPolicyErrors.RemoteCertificateNameMismatch) == SslPolicyErrors.None,
            },
            MeshHosts.Cancellation);
        return tls.RemoteCertificate!.Issuer;
    }

    private static X509Certificate2 Read(JsonNode root) => X509Certificate2.CreateFromPem((string)root["RootCert"]!);

    private async Task<JsonArray> RootsAsync() => (await GetAsync("connect/ca/roots"))["Roots"]!.AsArray();

    private async Task<JsonNode> GetAsync(string path)
    {
        using var http = new HttpClient { BaseAddress = controlPlane };
        return (await http.GetFromJsonAsync<JsonNode>($"/v1/agent/{path}", MeshHosts.Cancellation))!;
    }
}
