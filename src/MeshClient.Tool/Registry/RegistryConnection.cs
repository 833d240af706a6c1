using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using MeshClient.Core.Identity;

namespace MeshClient.Tool.Registry;

/// <summary>
/// Calls the HTTP API of a registry, and turns whatever goes wrong into a sentence and an exit code. Proxies and redirects are
/// left out: a token must go nowhere but to the address given.
/// </summary>
internal sealed class RegistryConnection : IDisposable
{
    private const string IndexHeader = "X-Consul-Index";
    private const string DefaultPolicyHeader = "X-Consul-Default-ACL-Policy";
    private const string AccessControlOff = "ACL support disabled";
    private const int ShownCharacters = 500;

    /// <summary>What a registry may add to a wait (a sixteenth), and what its answer may take.</summary>
    private const double WaitSlack = 17.0 / 16;

    private readonly HttpClient _http;

    /// <exception cref="ToolException">A setting cannot be used.</exception>
    public RegistryConnection(RegistrySettings settings)
    {
        Settings = settings;
        var handler = new SocketsHttpHandler
        {
            UseProxy = false,
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.GZip,
            ConnectTimeout = settings.Timeout,
        };
        if (settings.CaFile is { } file)
        {
            handler.SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = TrustOnly(file) };
        }

        _http = new HttpClient(handler) { BaseAddress = Base(settings.Address), Timeout = Timeout.InfiniteTimeSpan };
        if (settings.Token is { } token)
        {
            _http.DefaultRequestHeaders.Add("X-Consul-Token", token);
        }
    }

    public RegistrySettings Settings { get; }

    /// <summary>The address for people.</summary>
    public string Name => Settings.Address.GetLeftPart(UriPartial.Authority);

    /// <summary>Reads JSON.</summary>
    /// <exception cref="ToolException">There is no answer, or it is no success.</exception>
    public Task<RegistryAnswer> GetAsync(string path, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Get, path, null, cancellationToken);

    /// <summary>Reads something that may not be there.</summary>
    /// <returns>Null when it is not.</returns>
    public async Task<RegistryAnswer?> FindAsync(string path, CancellationToken cancellationToken)
    {
        var answer = await TrySendAsync(HttpMethod.Get, path, null, Settings.Timeout, cancellationToken).ConfigureAwait(false);
        return answer.Status == HttpStatusCode.NotFound ? null : Checked(answer, HttpMethod.Get, path);
    }

    /// <summary>Waits until there is something newer than an index, or the wait is over.</summary>
    public async Task<RegistryAnswer> WaitAsync(string path, ulong index, TimeSpan wait, CancellationToken cancellationToken)
    {
        var parked = index == 0
            ? path
            : RegistryPath.With(
                path,
                ("index", index.ToString(CultureInfo.InvariantCulture)),
                ("wait", $"{(int)wait.TotalSeconds}s"));
        var answer = await TrySendAsync(
            HttpMethod.Get, parked, null, (wait * WaitSlack) + Settings.Timeout, cancellationToken).ConfigureAwait(false);
        return answer.Status == HttpStatusCode.NotFound ? answer : Checked(answer, HttpMethod.Get, path);
    }

    /// <summary>Writes JSON.</summary>
    public Task<RegistryAnswer> PutAsync(string path, JsonNode body, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Put, path, JsonContent(body), cancellationToken);

    /// <summary>Writes bytes.</summary>
    public Task<RegistryAnswer> PutAsync(string path, byte[] body, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Put, path, new ByteArrayContent(body), cancellationToken);

    /// <summary>Posts JSON.</summary>
    public Task<RegistryAnswer> PostAsync(string path, JsonNode body, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Post, path, JsonContent(body), cancellationToken);

    /// <summary>Deletes.</summary>
    public Task<RegistryAnswer> DeleteAsync(string path, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Delete, path, null, cancellationToken);

    /// <summary>Sends a call whose refusals the caller wants to look at itself.</summary>
    /// <exception cref="ToolException">There is no answer.</exception>
    public Task<RegistryAnswer> TrySendAsync(HttpMethod method, string path, JsonNode? body, CancellationToken cancellationToken) =>
        TrySendAsync(method, path, body is null ? null : JsonContent(body), Settings.Timeout, cancellationToken);

    /// <summary>The answer itself when it is a success.</summary>
    /// <exception cref="ToolException">It is none.</exception>
    public RegistryAnswer Checked(RegistryAnswer answer, HttpMethod method, string path)
    {
        if (answer.IsSuccess)
        {
            return answer;
        }

        var call = $"{method} {path.Split('?')[0]}";
        var text = Shown(answer.Text);
        throw answer.Status switch
        {
            HttpStatusCode.Unauthorized when answer.Text.Contains(AccessControlOff, StringComparison.Ordinal) => new ToolException(
                ExitCodes.Refused, $"Access control is switched off at {Name}, so there are no tokens and no policies."),
            HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden => new ToolException(
                ExitCodes.Refused,
                $"{Name} refused {call}: {text} "
                + (Settings.Token is null ? "No token was shown: set CONSUL_HTTP_TOKEN or --token-file." : "The token shown lacks the right.")),
            HttpStatusCode.NotFound => new ToolException(ExitCodes.NotFound, $"{Name} does not know {call.Split(' ')[1]}: {text}"),
            _ => new ToolException(ExitCodes.Failed, $"{Name} answered {call} with {(int)answer.Status}: {text}"),
        };
    }

    public void Dispose() => _http.Dispose();

    private static ByteArrayContent JsonContent(JsonNode body) => new(System.Text.Encoding.UTF8.GetBytes(body.ToJsonString()));

    private static Uri Base(Uri address) => address.AbsolutePath.EndsWith('/') ? address : new Uri(address + "/");

    private static X509ChainPolicy TrustOnly(string file) => TrustedRoots.FindProblem(file) is { } problem
        ? throw new ToolException(ExitCodes.Usage, $"The roots of the registry cannot be used: {problem}.")
        : TrustedRoots.CreatePolicy(file);

    private async Task<RegistryAnswer> SendAsync(HttpMethod method, string path, HttpContent? content, CancellationToken cancellationToken) =>
        Checked(await TrySendAsync(method, path, content, Settings.Timeout, cancellationToken).ConfigureAwait(false), method, path);

    private async Task<RegistryAnswer> TrySendAsync(
        HttpMethod method, string path, HttpContent? content, TimeSpan timeout, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(timeout);
        using var request = new HttpRequestMessage(method, RegistryPath.With(path, ("dc", Settings.Datacenter))) { Content = content };
        try
        {
            using var response = await _http.SendAsync(request, limit.Token).ConfigureAwait(false);
            var body = await response.Content.ReadAsByteArrayAsync(limit.Token).ConfigureAwait(false);
            return new RegistryAnswer(response.StatusCode, body, Index(response), Header(response, DefaultPolicyHeader), response.Headers.Date);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ToolException(
                ExitCodes.Unreachable, $"{Name} gave no answer within {timeout.TotalSeconds:0} s (--timeout).", e);
        }
        catch (HttpRequestException e)
        {
            throw new ToolException(
                ExitCodes.Unreachable,
                $"The registry at {Name} cannot be reached: {(e.InnerException ?? e).Message} Is it running, and is --address or CONSUL_HTTP_ADDR right?",
                e);
        }
    }

    private static ulong Index(HttpResponseMessage response) =>
        ulong.TryParse(Header(response, IndexHeader), NumberStyles.None, CultureInfo.InvariantCulture, out var index) ? index : 0;

    private static string? Header(HttpResponseMessage response, string name) =>
        response.Headers.TryGetValues(name, out var values) ? values.FirstOrDefault() : null;

    private string Shown(string text)
    {
        if (Settings.Token is { } token)
        {
            text = text.Replace(token, "(token)", StringComparison.Ordinal);
        }

        return text.Length == 0 ? "no text." : text.Length > ShownCharacters ? text[..ShownCharacters] + "..." : text;
    }
}
