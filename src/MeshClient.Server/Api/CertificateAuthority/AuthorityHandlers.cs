using System.Text;
using MeshClient.Core.Naming;
using MeshClient.Server.AccessControl;
using MeshClient.Server.CertificateAuthority;
using MeshClient.Server.State;

namespace MeshClient.Server.Api.CertificateAuthority;

/// <summary>Roots, leaves and the authority's configuration.</summary>
internal sealed class AuthorityHandlers(
    StateStore store, BlockingQuery queries, Authority authority, MeshServerOptions options, TimeProvider time)
{
    /// <summary>How long a waiter whose renewal was refused for the rate keeps its certificate before it tries again.</summary>
    private static readonly TimeSpan RetryAfterLimit = TimeSpan.FromSeconds(1);

    public void Map(RouteTable routes)
    {
        var roots = RouteAccess.Open("a member trusts nobody before it has the roots");
        var sign = RouteAccess.NeedsOnRest(ResourceKind.Service, AccessLevel.Write);
        routes.Map("GET", "/v1/agent/connect/ca/roots", roots, GetRootsAsync);
        routes.Map("GET", "/v1/connect/ca/roots", roots, GetRootsAsync);
        routes.Map("GET", "/v1/agent/connect/ca/leaf/", sign, GetLeafAsync);
        routes.Map("POST", "/v1/agent/connect/ca/sign/", sign, SignAsync);
        routes.Map("GET", "/v1/connect/ca/configuration", RouteAccess.Needs(ResourceKind.Operator, AccessLevel.Read), GetConfigurationAsync);
        routes.Map("PUT", "/v1/connect/ca/configuration", RouteAccess.Needs(ResourceKind.Operator, AccessLevel.Write), PutConfigurationAsync);
    }

    private async Task GetRootsAsync(ApiRequest request)
    {
        ReadRules.CheckDatacenter(request, options.Datacenter);
        var (state, index) = await queries
            .ReadAsync(request, [Topic.Roots], state => (state.Authority!, state.Authority!.RootsIndex)).ConfigureAwait(false);
        if (ReadRules.ParseFlag(request.Query("pem")) == true)
        {
            var pem = string.Concat(state.Roots.Select(root => root.CertificatePem));
            await request.AnswerTextAsync(200, pem, "application/pem-certificate-chain").ConfigureAwait(false);
            return;
        }

        request.SetIndex(index);
        await request.AnswerJsonAsync(writer => writer.WriteRoots(state)).ConfigureAwait(false);
    }

    private async Task GetLeafAsync(ApiRequest request)
    {
        var wait = BlockingQuery.WaitOf(request);
        var asked = BlockingQuery.IndexOf(request);
        var service = ServiceOf(request);
        ReadRules.CheckDatacenter(request, options.Datacenter);
        var leaf = asked == 0
            ? await authority.GetLeafAsync(service, onlyWhenDue: false, RequesterOf(request), request.Aborted).ConfigureAwait(false)
            : await WaitForLeafAsync(request, service, asked, wait).ConfigureAwait(false);
        request.SetHeader("X-Cache", leaf.Index == asked ? "HIT" : "MISS");
        request.SetIndex(leaf.Index);
        await request.AnswerJsonAsync(writer => writer.WriteLeaf(leaf), isSecret: true).ConfigureAwait(false);
    }

    private async Task<LeafRecord> WaitForLeafAsync(ApiRequest request, ServiceName service, ulong asked, TimeSpan wait)
    {
        // No jitter is added: these calls are answered from an agent's cache in Consul, without it.
        var deadline = new Deadline(time, wait);
        using var watch = store.Watches.Begin([Topic.Leaf(service.Value), Topic.Roots]);
        while (true)
        {
            var (leaf, next) = await GetLeafOrKeepAsync(service, request).ConfigureAwait(false);
            if (leaf.Index != asked || watch.IsClosed || deadline.Left <= TimeSpan.Zero)
            {
                return leaf;
            }

            var untilDue = next - time.GetUtcNow();
            var outcome = await watch.WaitAsync(untilDue < deadline.Left ? untilDue : deadline.Left, time, request.Aborted).ConfigureAwait(false);
            if (outcome == WatchOutcome.Abandoned)
            {
                throw new OperationCanceledException(request.Aborted);
            }

            request.Access.Renew();
        }
    }

    private async ValueTask<(LeafRecord Leaf, DateTimeOffset Next)> GetLeafOrKeepAsync(ServiceName service, ApiRequest request)
    {
        try
        {
            var leaf = await authority.GetLeafAsync(service, onlyWhenDue: true, RequesterOf(request), request.Aborted).ConfigureAwait(false);
            return (leaf, authority.DueAt(leaf));
        }
        catch (RequestRefusedException e) when (e.StatusCode == 429 && store.Current.Leaves.TryGetValue(service.Value, out var present))
        {
            return (present, time.GetUtcNow() + RetryAfterLimit);
        }
    }

    private async Task SignAsync(ApiRequest request)
    {
        var service = ServiceOf(request);
        var body = await request.ReadBodyAsync().ConfigureAwait(false);
        var leaf = authority.Sign(service, Encoding.UTF8.GetString(body), RequesterOf(request));
        request.SetIndex(leaf.Index);
        await request.AnswerJsonAsync(writer => writer.WriteLeaf(leaf), isSecret: true).ConfigureAwait(false);
    }

    private Task GetConfigurationAsync(ApiRequest request)
    {
        ReadRules.CheckDatacenter(request, options.Datacenter);
        return request.AnswerJsonAsync(writer => writer.WriteConfiguration(store.Current.Authority!.Configuration));
    }

    private async Task PutConfigurationAsync(ApiRequest request)
    {
        var input = await request
            .DecodeAsync(CaConfigurationDecoder.Decode, "Bad request: Request decode failed: ").ConfigureAwait(false);
        var configuration = CaConfigurationDecoder.ToConfiguration(input, store.Current.Authority!.Configuration);
        authority.Configure(
            configuration, input.RootCertificate.Length > 0 ? (input.RootCertificate, input.PrivateKey) : null, input.WithoutCrossSigning);
        await request.AnswerEmptyAsync().ConfigureAwait(false);
    }

    private static LeafRequester RequesterOf(ApiRequest request) => new(request.Caller, request.Access.AccessorId);

    private static ServiceName ServiceOf(ApiRequest request)
    {
        if (request.Rest.Length == 0)
        {
            throw RequestRefusedException.Invalid("URI must be either service or agent");
        }

        return ServiceName.TryParse(request.Rest, out var service)
            ? service
            : throw RequestRefusedException.Invalid(
                $"A certificate is issued for a service name only: 1 to {ServiceName.MaxLength} characters of A-Z a-z 0-9 - _ . are allowed, the first a letter or digit.");
    }
}
