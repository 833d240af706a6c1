using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using MeshClient.Tool.Commands;
using MeshClient.Tool.Registry;

namespace MeshClient.Tool.Doctor;

/// <summary>The checks of what one service needs.</summary>
internal sealed class ServiceExamination(RegistryConnection registry, TimeProvider time, string service)
{
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";

    public IReadOnlyList<Func<CancellationToken, Task<Finding>>> Checks => [LookAtCertificateAsync, LookAtInstancesAsync, LookAtCallersAsync];

    private async Task<Finding> LookAtCertificateAsync(CancellationToken cancellationToken)
    {
        const string what = "certificate";
        var path = RegistryPath.Of("v1/agent/connect/ca/leaf/", service);
        var answer = await registry.TrySendAsync(HttpMethod.Get, path, null, cancellationToken).ConfigureAwait(false);
        if (!answer.IsSuccess)
        {
            return new Finding(
                Severity.Wrong, what, $"'{service}' cannot have one: {answer.Text}", $"Its token needs service:write on '{service}'.");
        }

        var leaf = answer.Json();
        var roots = (await registry.GetAsync("v1/agent/connect/ca/roots", cancellationToken).ConfigureAwait(false)).Json().Objects("Roots");
        return Verify(leaf.Text("CertPEM"), roots.Select(root => root.Text("RootCert"))) is { } problem
            ? new Finding(Severity.Wrong, what, problem, "See the log of the registry.")
            : new Finding(
                Severity.Fine, what, $"'{service}' gets one, as {leaf.Text("ServiceURI")}, good until {leaf.Text("ValidBefore")}; it leads to the roots.");
    }

    private async Task<Finding> LookAtInstancesAsync(CancellationToken cancellationToken)
    {
        const string what = "instances";
        var entries = (await registry.GetAsync(RegistryPath.Of("v1/health/service/", service), cancellationToken).ConfigureAwait(false)).Objects().ToList();
        if (entries.Count == 0)
        {
            return new Finding(
                Severity.Doubtful, what, $"no instance of '{service}' is registered.", "Start one; an app registers itself by AddMeshInbound().");
        }

        var usable = entries.Count(entry => InstanceHealth.Of(entry) is InstanceHealth.Passing or InstanceHealth.Warning);
        if (usable == 0)
        {
            return new Finding(
                Severity.Wrong, what, $"none of the {entries.Count} of '{service}' is healthy. {InstanceHealth.Reason(entries[0])}", $"See: meshclient instances {service}");
        }

        var mesh = entries.Count(entry => entry.Flag("Service", "Connect", "Native"));
        var behindProxies = (await registry.GetAsync(RegistryPath.Of("v1/health/connect/", service), cancellationToken).ConfigureAwait(false)).Objects().Count();
        var counted = $"{usable} of {entries.Count.ToString(CultureInfo.InvariantCulture)} of '{service}' can be called";
        return mesh + behindProxies == 0
            ? new Finding(
                Severity.Doubtful, what, $"{counted}, but none speaks the mesh's mutual TLS.", "Callers refuse plaintext unless AllowPlaintext is set for it.")
            : new Finding(Severity.Fine, what, $"{counted}.");
    }

    private async Task<Finding> LookAtCallersAsync(CancellationToken cancellationToken)
    {
        var path = RegistryPath.With("v1/connect/intentions/match", ("by", "destination"), ("name", service));
        var answer = await registry.GetAsync(path, cancellationToken).ConfigureAwait(false);
        var intentions = answer.Json().Objects(service).ToList();
        return intentions.Count == 0
            ? new Finding(
                answer.DefaultPolicy == "deny" ? Severity.Doubtful : Severity.Fine,
                "callers",
                $"no intention speaks about calls to '{service}', so the default decides.",
                answer.DefaultPolicy == "deny" ? $"To let one in: meshclient intentions allow CALLER {service}." : null)
            : new Finding(
                Severity.Fine,
                "callers",
                string.Join("; ", intentions.Select(one => $"{one.Text("SourceName")} => {one.Text("DestinationName")}: {IntentionsCommands.Action(one)}")));
    }

    private string? Verify(string leafPem, IEnumerable<string> rootPems)
    {
        try
        {
            var sent = new X509Certificate2Collection();
            sent.ImportFromPem(leafPem);
            using var chain = new X509Chain();
            chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
            chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
            chain.ChainPolicy.DisableCertificateDownloads = true;
            chain.ChainPolicy.VerificationTime = time.GetUtcNow().UtcDateTime;
            chain.ChainPolicy.ApplicationPolicy.Add(new Oid(ServerAuthentication));
            chain.ChainPolicy.ExtraStore.AddRange(sent);
            foreach (var pem in rootPems)
            {
                chain.ChainPolicy.CustomTrustStore.ImportFromPem(pem);
            }

            return chain.Build(sent[0])
                ? null
                : $"the one that '{service}' gets does not lead to the roots: {string.Join(' ', chain.ChainStatus.Select(one => one.StatusInformation.Trim()))}";
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            return $"the one that '{service}' gets cannot be read: {e.Message}";
        }
    }
}
