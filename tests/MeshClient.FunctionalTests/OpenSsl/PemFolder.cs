using System.Net.Http.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace MeshClient.FunctionalTests.OpenSsl;

/// <summary>A folder of PEM files as an operator would make them out of the registry's answers; deleted with it.</summary>
internal sealed partial class PemFolder(Uri registry) : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("meshclient-openssl-");

    /// <summary>Writes the roots the registry gives out.</summary>
    public async Task<string> RootsAsync(string name = "roots") =>
        Write(name, string.Concat((await GetAsync("connect/ca/roots"))["Roots"]!.AsArray().Select(root => (string)root!["RootCert"]!)));

    /// <summary>Writes a service's certificate, what is to be sent after it, and its key.</summary>
    public async Task<PemIdentity> IdentityAsync(string service)
    {
        var leaf = await GetAsync($"connect/ca/leaf/{service}");
        return Identity(service, (string)leaf["CertPEM"]!, (string)leaf["PrivateKeyPEM"]!);
    }

    /// <summary>Writes an identity that is given.</summary>
    public PemIdentity Identity(string name, string certificates, string key)
    {
        var blocks = Blocks().Matches(certificates).Select(block => block.Value + "\n").ToList();
        return new PemIdentity(
            Write($"{name}-leaf", blocks[0]), blocks.Count == 1 ? null : Write($"{name}-rest", string.Concat(blocks.Skip(1))), Write($"{name}-key", key));
    }

    public string Write(string name, string text)
    {
        var path = Path.Combine(_folder.FullName, $"{name}-{Guid.NewGuid():N}.pem");
        File.WriteAllText(path, text);
        return path;
    }

    public void Dispose() => _folder.Delete(recursive: true);

    private async Task<JsonNode> GetAsync(string path)
    {
        using var http = new HttpClient { BaseAddress = registry };
        return (await http.GetFromJsonAsync<JsonNode>($"/v1/agent/{path}", MeshHosts.Cancellation))!;
    }

    [GeneratedRegex("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", RegexOptions.Singleline)]
    private static partial Regex Blocks();
}

/// <summary>The files of one identity.</summary>
/// <param name="Leaf">The certificate.</param>
/// <param name="Rest">What is between it and a root; null when there is nothing.</param>
/// <param name="Key">The key.</param>
internal sealed record PemIdentity(string Leaf, string? Rest, string Key);
