using MeshClient.AspNetCore.Passports;
using MeshClient.Core.Intentions;
using Microsoft.AspNetCore.Http;

namespace MeshClient.AspNetCore.Inbound;

/// <summary>Asks the intentions about a request of HTTP.</summary>
/// <remarks>
/// A WebSocket is a GET over HTTP/1.1 (RFC 6455, section 4.1) and a CONNECT over HTTP/2 (RFC 8441, section 5), by the caller's choice.
/// A rule that denies GET means it either way, so over HTTP/2 both have to be allowed. Any other CONNECT is served by nobody.
/// </remarks>
internal static class RequestDecision
{
    public static InboundVerdict Make(
        IntentionEvaluator evaluator, string source, string method, string path, in HeaderLookup headers, in PassportLookup passport)
    {
        var verdict = evaluator.EvaluateRequest(source, method, path, headers, passport);
        return InboundVerdict.Of(verdict.Outcome == IntentionOutcome.Allow && method == HttpMethods.Connect
            ? evaluator.EvaluateRequest(source, HttpMethods.Get, path, headers, passport)
            : verdict);
    }
}
