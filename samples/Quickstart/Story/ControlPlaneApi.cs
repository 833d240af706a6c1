using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;

namespace Quickstart.Story;

/// <summary>
/// What an operator does to a control plane, over the Consul HTTP API: the same calls whether it is the embedded registry or a
/// real Consul. Only calls that Consul 1.8 has as well.
/// </summary>
internal sealed class ControlPlaneApi(Uri address) : IDisposable
{
    private readonly HttpClient _http = new() { BaseAddress = address, Timeout = TimeSpan.FromSeconds(10) };

    /// <summary>Makes or changes the intention of a pair of services.</summary>
    public async Task SetIntentionAsync(string source, string destination, string action)
    {
        var intention = new JsonObject
        {
            ["SourceType"] = "consul",
            ["SourceName"] = source,
            ["DestinationName"] = destination,
            ["Action"] = action,
        };
        var all = await _http.GetFromJsonAsync<JsonArray>("/v1/connect/intentions") ?? [];
        var existing = all.FirstOrDefault(one =>
            (string?)one!["SourceName"] == source && (string?)one["DestinationName"] == destination);
        using var response = existing is null
            ? await _http.PostAsJsonAsync("/v1/connect/intentions", intention)
            : await _http.PutAsJsonAsync($"/v1/connect/intentions/{(string?)existing["ID"]}", intention);
        await EnsureSuccessAsync(response);
    }

    /// <summary>Removes the intention of a pair of services, if there is one.</summary>
    public async Task RemoveIntentionAsync(string source, string destination)
    {
        var all = await _http.GetFromJsonAsync<JsonArray>("/v1/connect/intentions") ?? [];
        foreach (var one in all.Where(one =>
            (string?)one!["SourceName"] == source && (string?)one["DestinationName"] == destination))
        {
            using var response = await _http.DeleteAsync(new Uri($"/v1/connect/intentions/{(string?)one!["ID"]}", UriKind.Relative));
        }
    }

    /// <summary>Counts the healthy instances of a service.</summary>
    public async Task<int> CountHealthyAsync(string service) =>
        (await _http.GetFromJsonAsync<JsonArray>($"/v1/health/service/{service}?passing"))?.Count ?? 0;

    /// <summary>Gives the mesh a new root, which makes the control plane issue every service a new certificate.</summary>
    public async Task RotateRootAsync()
    {
        var roots = await _http.GetFromJsonAsync<JsonObject>("/v1/connect/ca/roots");
        var trustDomain = (string)roots!["TrustDomain"]!;
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN=Quickstart root {Guid.NewGuid():N}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(
            X509KeyUsageFlags.DigitalSignature | X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(
            SHA256.HashData(key.ExportSubjectPublicKeyInfo()), critical: false));
        var names = new SubjectAlternativeNameBuilder();
        names.AddUri(new Uri($"spiffe://{trustDomain}"));
        request.CertificateExtensions.Add(names.Build());
        var now = TimeProvider.System.GetUtcNow();
        using var root = request.CreateSelfSigned(now.AddMinutes(-1), now.AddYears(10));

        var configuration = await _http.GetFromJsonAsync<JsonObject>("/v1/connect/ca/configuration");
        var config = configuration!["Config"]!.AsObject();
        config["PrivateKey"] = key.ExportECPrivateKeyPem();
        config["RootCert"] = root.ExportCertificatePem();
        using var response = await _http.PutAsJsonAsync(
            "/v1/connect/ca/configuration",
            new JsonObject { ["Provider"] = "consul", ["Config"] = config.DeepClone() });
        await EnsureSuccessAsync(response);
    }

    public void Dispose() => _http.Dispose();

    private static async Task EnsureSuccessAsync(HttpResponseMessage response)
    {
        if (!response.IsSuccessStatusCode)
        {
            throw new InvalidOperationException(
                $"{response.RequestMessage!.Method} {response.RequestMessage.RequestUri!.AbsolutePath} answered {(int)response.StatusCode}: "
                + await response.Content.ReadAsStringAsync());
        }
    }
}
