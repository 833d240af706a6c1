using System.Globalization;
using System.Net;
using System.Runtime.CompilerServices;
using MeshClient.Tool.Registry;

namespace MeshClient.Tool.Doctor;

/// <summary>
/// The checks of a set-up, in the order in which one rests on another. What cannot be reached ends it; anything else is noted,
/// and the next is looked at.
/// </summary>
internal sealed class Examination(RegistryConnection registry, TimeProvider time)
{
    /// <summary>Certificates begin a minute early, so clocks apart by more than that refuse each other.</summary>
    private static readonly TimeSpan ClockTolerance = TimeSpan.FromSeconds(60);

    /// <summary>Consul resolves its Date header in seconds.</summary>
    private static readonly TimeSpan ClockResolution = TimeSpan.FromSeconds(2);

    public async IAsyncEnumerable<Finding> RunAsync(string? service, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach (var finding in LookAtAddress())
        {
            yield return finding;
        }

        var (reach, answer) = await ReachAsync(cancellationToken).ConfigureAwait(false);
        yield return reach;
        if (answer is null)
        {
            yield break;
        }

        yield return LookAtClock(answer);
        Func<CancellationToken, Task<Finding>>[] checks = [LookAtLeaderAsync, LookAtTokenAsync, LookAtRootsAsync, LookAtDefaultAsync];
        foreach (var check in checks)
        {
            yield return await GuardAsync(check, cancellationToken).ConfigureAwait(false);
        }

        if (service is null)
        {
            yield break;
        }

        var examined = new ServiceExamination(registry, time, service);
        foreach (var check in examined.Checks)
        {
            yield return await GuardAsync(check, cancellationToken).ConfigureAwait(false);
        }
    }

    private static async Task<Finding> GuardAsync(Func<CancellationToken, Task<Finding>> check, CancellationToken cancellationToken)
    {
        try
        {
            return await check(cancellationToken).ConfigureAwait(false);
        }
        catch (ToolException e)
        {
            return new Finding(Severity.Wrong, "registry", e.Message);
        }
    }

    private IEnumerable<Finding> LookAtAddress()
    {
        var address = registry.Settings.Address;
        if (address.Scheme == Uri.UriSchemeHttp && !address.IsLoopback)
        {
            yield return new Finding(
                Severity.Doubtful,
                "address",
                $"{registry.Name} is plain HTTP and not on this machine, so private keys and tokens travel in plain text.",
                "Use https, or a local agent.");
        }
    }

    private async Task<(Finding Finding, RegistryAnswer? Answer)> ReachAsync(CancellationToken cancellationToken)
    {
        try
        {
            var answer = await registry.TrySendAsync(HttpMethod.Get, "v1/agent/self", null, cancellationToken).ConfigureAwait(false);
            if (answer.Status is HttpStatusCode.Forbidden or HttpStatusCode.Unauthorized)
            {
                return (new Finding(Severity.Fine, "registry", $"{registry.Name} answers; what it is, this token may not see."), answer);
            }

            var self = registry.Checked(answer, HttpMethod.Get, "v1/agent/self").Json();
            return (new Finding(
                Severity.Fine,
                "registry",
                $"{registry.Name} is version {self.Text("Config", "Version")}, datacenter {self.Text("Config", "Datacenter")}, node {self.Text("Config", "NodeName")}."),
                answer);
        }
        catch (ToolException e)
        {
            return (new Finding(Severity.Wrong, "registry", e.Message), null);
        }
    }

    private Finding LookAtClock(RegistryAnswer answer)
    {
        if (answer.Date is not { } date)
        {
            return new Finding(Severity.Doubtful, "clock", "the registry does not tell its time.");
        }

        var apart = (time.GetUtcNow() - date).Duration();
        return apart <= ClockTolerance
            ? new Finding(Severity.Fine, "clock", $"this machine and the registry agree to {Math.Max(apart.TotalSeconds, ClockResolution.TotalSeconds):0} s.")
            : new Finding(
                Severity.Wrong,
                "clock",
                $"this machine and the registry are {apart.TotalSeconds:0} s apart; new certificates will not be valid yet, or no longer.",
                "Synchronise the clocks.");
    }

    private async Task<Finding> LookAtLeaderAsync(CancellationToken cancellationToken)
    {
        var leader = (await registry.GetAsync("v1/status/leader", cancellationToken).ConfigureAwait(false)).Json().Text();
        return leader.Length > 0
            ? new Finding(Severity.Fine, "leader", leader)
            : new Finding(Severity.Wrong, "leader", "the cluster has none, so nothing can be changed.", "See why its servers cannot agree.");
    }

    private async Task<Finding> LookAtTokenAsync(CancellationToken cancellationToken)
    {
        const string path = "v1/acl/token/self";
        var answer = await registry.TrySendAsync(HttpMethod.Get, path, null, cancellationToken).ConfigureAwait(false);
        if (answer.Status is HttpStatusCode.Unauthorized || answer.Text.Contains("ACL support disabled", StringComparison.Ordinal))
        {
            return registry.Settings.Address.IsLoopback
                ? new Finding(Severity.Fine, "token", "access control is off: whoever reaches the registry may do everything.")
                : new Finding(
                    Severity.Doubtful,
                    "token",
                    "access control is off, and the registry is not on this machine: whoever reaches it may have any service's certificate.",
                    "Switch access control on.");
        }

        if (registry.Settings.Token is null)
        {
            return new Finding(Severity.Doubtful, "token", "access control is on and no token was shown.", "Set CONSUL_HTTP_TOKEN or --token-file.");
        }

        if (!answer.IsSuccess)
        {
            return new Finding(Severity.Wrong, "token", "the registry does not know the token.", "Set CONSUL_HTTP_TOKEN or --token-file to one it knows.");
        }

        var token = answer.Json();
        return new Finding(Severity.Fine, "token", $"known, accessor {token.Text("AccessorID")}.");
    }

    private async Task<Finding> LookAtRootsAsync(CancellationToken cancellationToken)
    {
        const string path = "v1/agent/connect/ca/roots";
        var answer = await registry.TrySendAsync(HttpMethod.Get, path, null, cancellationToken).ConfigureAwait(false);
        if (!answer.IsSuccess)
        {
            return new Finding(Severity.Wrong, "authority", $"there is none: {answer.Text}", "Switch Connect on (connect { enabled = true }).");
        }

        var document = answer.Json();
        var roots = document.Objects("Roots").ToList();
        var active = roots.Find(root => root.Flag("Active"));
        if (active is null || !DateTimeOffset.TryParse(active.Text("NotAfter"), CultureInfo.InvariantCulture, out var end))
        {
            return new Finding(Severity.Wrong, "authority", "no root is active, so no certificate can be had.", "See the log of the registry.");
        }

        var left = end - time.GetUtcNow();
        return left.TotalDays switch
        {
            <= 0 => new Finding(Severity.Wrong, "authority", $"its root ended on {end:u}.", "Rotate it: meshclient ca rotate."),
            <= 90 => new Finding(Severity.Doubtful, "authority", $"its root ends in {left.TotalDays:0} days.", "Rotate it: meshclient ca rotate."),
            _ => new Finding(Severity.Fine, "authority", $"trust domain {document.Text("TrustDomain")}, {roots.Count} root(s), the active one good until {end:u}."),
        };
    }

    private async Task<Finding> LookAtDefaultAsync(CancellationToken cancellationToken)
    {
        var policy = (await registry.GetAsync("v1/status/leader", cancellationToken).ConfigureAwait(false)).DefaultPolicy;
        return policy switch
        {
            "deny" => new Finding(Severity.Fine, "default", "a call that no intention speaks about is denied."),
            "allow" => new Finding(
                Severity.Doubtful, "default", "a call that no intention speaks about is allowed.", "For a closed mesh: meshclient intentions deny '*' '*'."),
            _ => new Finding(
                Severity.Fine, "default", "the registry does not tell what holds for calls that no intention speaks about (Consul before 1.9)."),
        };
    }
}
