using System.Security.Claims;
using MeshClient.AspNetCore.Inbound;
using MeshClient.Core;
using MeshClient.Core.Intentions;

namespace MeshClient.AspNetCore.Passports;

/// <summary>
/// A request's tokens as intentions read them. One that has not been looked at counts as not there, and is noted: who decides
/// then has it verified and decides again. So a request whose rule asks for none costs nothing.
/// </summary>
/// <param name="request">The request.</param>
/// <param name="mayAsk">Whether what is missing is noted; otherwise it stays missing.</param>
internal readonly struct PassportLookup(InboundRequest request, bool mayAsk) : IPassportLookup
{
    public bool HasToken(string provider) => Find(provider) is not null;

    public bool HasClaim(string provider, EquatableArray<string> path, string value) =>
        Find(provider) is { } principal && PassportClaims.Has(principal, path, value);

    private ClaimsPrincipal? Find(string provider) =>
        mayAsk ? (request.Passports ??= new PassportSet()).Find(provider, mayAsk: true) : request.Passports?.Find(provider, mayAsk: false);
}
