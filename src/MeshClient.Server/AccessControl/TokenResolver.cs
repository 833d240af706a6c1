using Microsoft.AspNetCore.Http;

namespace MeshClient.Server.AccessControl;

/// <summary>Finds out who sends a request, and what that one may do.</summary>
/// <param name="authorizer">What holds for everybody: access control is off.</param>
internal sealed class TokenResolver(Authorizer authorizer)
{
    public RequestAccess Resolve(HttpContext http) => new(authorizer, string.Empty);
}
