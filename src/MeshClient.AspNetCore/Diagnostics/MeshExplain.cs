using System.Security.Claims;
using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Endpoints;
using MeshClient.AspNetCore.Inbound;
using MeshClient.AspNetCore.Intentions;
using MeshClient.AspNetCore.Passports;
using MeshClient.AspNetCore.Peers;
using MeshClient.Core;
using MeshClient.Core.Intentions;
using MeshClient.Core.Naming;
using MeshClient.Identity;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;

namespace MeshClient.AspNetCore.Diagnostics;

/// <summary>Explains calls by the same evaluator and the same rules that decide about them.</summary>
internal sealed class MeshExplain(
    InboundIntentions intentions, EndpointRules endpoints, MeshIdentity identity, ServingEndpoints serving, IOptions<MeshInboundOptions> options)
    : IMeshExplain
{
    // Of a name alone the rest of the id is not known, and what names ids does not count.
    private const string AnyDatacenter = "any";
    private const string NoTrustDomain = "none";

    public MeshExplanation Explain(MeshExplainedCall call)
    {
        ArgumentNullException.ThrowIfNull(call);
        var peer = PeerOf(call.Source);
        var method = HttpMethods.GetCanonicalizedValue(call.Method.ToUpperInvariant());
        IntentionExplanation? ExplainAs(string one) => intentions.EvaluatorFor(peer)?.ExplainRequest(
            peer.Source, one, call.Path, new GivenHeaders(call.Headers), new GivenPassports(call.Passports));
        var explained = ExplainAs(method);
        if (HttpMethods.IsConnect(method) && explained is { Verdict.Outcome: IntentionOutcome.Allow })
        {
            // See RequestDecision.
            explained = ExplainAs(HttpMethods.Get);
        }

        var verdict = explained is null ? InboundRules.WithoutIntentions : InboundVerdict.Of(explained.Verdict);
        var rules = serving.Find(method, call.Path)
            .SelectMany(endpoint => endpoints.Of(endpoint).Select(rule => (Endpoint: endpoint, Rule: rule, IsAllowed: rule.Callers.Allows(peer))))
            .ToList();
        if (verdict.IsPermitted && rules.Find(one => !one.IsAllowed) is { Rule: { } denying })
        {
            verdict = InboundVerdict.Denied(denying.Denial, options.Value.Mode == MeshInboundMode.Shadow && !denying.IsAlwaysInForce);
        }

        return new MeshExplanation
        {
            IsAllowed = verdict.IsPermitted,
            IsShadow = verdict.IsShadow,
            Rule = verdict.Rule!,
            Reason = verdict.Reason!,
            Intentions = explained,
            EndpointRules =
            [
                .. rules.Select(one => new MeshExplainedEndpointRule(
                    one.Rule.Denial.Name, EndpointRules.NameOf(one.Endpoint), one.Rule.Callers.Names, one.IsAllowed)),
            ],
        };
    }

    private MeshPeer PeerOf(string source)
    {
        var domain = identity.Current?.Bundle.TrustDomain ?? NoTrustDomain;
        var id = ServiceName.TryParse(source, out var name) ? SpiffeId.ForService(domain, AnyDatacenter, name)
            : SpiffeId.TryParse(source, out var given) ? given
            : throw new ArgumentException($"'{source}' is neither a service name nor a SPIFFE id.", nameof(source));
        return id.TryGetService(out var service)
            ? new MeshPeer(id, service, DateTimeOffset.MaxValue, !string.Equals(id.TrustDomain, domain, StringComparison.OrdinalIgnoreCase))
            : throw new ArgumentException($"'{source}' does not name a service.", nameof(source));
    }

    private readonly struct GivenHeaders(IReadOnlyList<KeyValuePair<string, string>> headers) : IHeaderLookup
    {
        public string? Find(string name)
        {
            var lines = Lines(name);
            return lines.Length == 0 ? null : string.Join(',', lines);
        }

        public string? FindLine(string name, int index)
        {
            var lines = Lines(name);
            return index < lines.Length ? lines[index] : null;
        }

        private string[] Lines(string name) =>
            [.. headers.Where(header => string.Equals(header.Key, name, StringComparison.OrdinalIgnoreCase)).Select(header => header.Value)];
    }

    private readonly struct GivenPassports(IReadOnlyDictionary<string, ClaimsPrincipal> passports) : IPassportLookup
    {
        public bool HasToken(string provider) => passports.ContainsKey(provider);

        public bool HasClaim(string provider, EquatableArray<string> path, string value) =>
            passports.TryGetValue(provider, out var principal) && PassportClaims.Has(principal, path, value);
    }
}
