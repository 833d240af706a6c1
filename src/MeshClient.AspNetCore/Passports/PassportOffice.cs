using System.Security.Claims;
using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Inbound;
using MeshClient.Telemetry;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace MeshClient.AspNetCore.Passports;

/// <summary>
/// Has the app's own authentication verify the tokens a rule asks for: by the scheme that has the provider's name, or the one that
/// <see cref="MeshInboundOptions.Passports"/> names for it. Whatever goes wrong there is the same as no token.
/// </summary>
internal sealed partial class PassportOffice(IOptions<MeshInboundOptions> options, TimeProvider time, ILogger<PassportOffice> logger)
{
    private readonly Dictionary<string, string> _schemes = options.Value.Passports;
    private readonly LogLimiter<string> _limiter = new(time);

    /// <summary>Has all tokens verified that a rule has asked for.</summary>
    public async Task VerifyAsync(HttpContext context, PassportSet passports)
    {
        foreach (var provider in passports.TakeWanted())
        {
            passports.Know(provider, await VerifyAsync(context, provider).ConfigureAwait(false));
        }
    }

    private async Task<ClaimsPrincipal?> VerifyAsync(HttpContext context, string provider)
    {
        var scheme = _schemes.TryGetValue(provider, out var mapped) ? mapped : provider;
        try
        {
            if (context.RequestServices.GetService<IAuthenticationSchemeProvider>() is not { } schemes
                || await schemes.GetSchemeAsync(scheme).ConfigureAwait(false) is null)
            {
                if (_limiter.TryEnter(provider, out var suppressed))
                {
                    LogNoScheme(logger, provider, scheme, suppressed);
                }

                return null;
            }

            var result = await context.AuthenticateAsync(scheme).ConfigureAwait(false);
            return result is { Succeeded: true, Principal: { Identity.IsAuthenticated: true } principal } ? principal : null;
        }
        catch (Exception e) when (!context.RequestAborted.IsCancellationRequested)
        {
            // Only the type: what a handler says of a token may quote it.
            if (_limiter.TryEnter(provider, out var suppressed))
            {
                LogFailed(logger, provider, scheme, e.GetType().Name, suppressed);
            }

            return null;
        }
    }

    [LoggerMessage(
        135,
        LogLevel.Error,
        "A rule asks for a token of provider {Provider}, but there is no authentication scheme {Scheme}: add one of that name, or name another in Mesh:Inbound:Passports. Until then nobody has such a token. {Suppressed} of the same kind before it were not logged.")]
    private static partial void LogNoScheme(ILogger logger, string provider, string scheme, int suppressed);

    [LoggerMessage(
        136,
        LogLevel.Error,
        "The authentication scheme {Scheme} threw {Exception} over a token of provider {Provider}, which counts as no token. {Suppressed} of the same kind before it were not logged.")]
    private static partial void LogFailed(ILogger logger, string provider, string scheme, string exception, int suppressed);
}
