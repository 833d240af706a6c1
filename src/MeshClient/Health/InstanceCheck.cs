using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using MeshClient.Configuration;
using MeshClient.Core.Discovery;
using MeshClient.Discovery;
using MeshClient.Outbound;

namespace MeshClient.Health;

/// <summary>Makes one health check of one instance, on the connections calls to it are sent on.</summary>
internal static class InstanceCheck
{
    private const string UserAgent = "MeshClient-health-check";

    /// <summary>Checks.</summary>
    /// <returns>Whether it passed. Whatever keeps it from being made is an exception.</returns>
    public static async Task<bool> PassesAsync(InstanceState instance, ProbeSettings settings, CancellationToken cancellationToken)
    {
        if (settings.Kind == ProbeKind.Tcp)
        {
            var stream = await instance.Transport.ConnectAsync(cancellationToken).ConfigureAwait(false);
            await stream.DisposeAsync().ConfigureAwait(false);
            return true;
        }

        var isGrpc = settings.Kind == ProbeKind.Grpc;
        using var request = isGrpc ? GrpcRequest(instance, settings) : HttpRequest(instance, settings);
        request.Headers.TryAddWithoutValidation("User-Agent", UserAgent);
        var pool = instance.Transport.Acquire();
        try
        {
            var invoker = request.Version.Major >= 2 ? pool : pool.Http11Invoker;
            using var response = await invoker.SendAsync(request, cancellationToken).ConfigureAwait(false);
            return isGrpc
                ? await IsServingAsync(response, cancellationToken).ConfigureAwait(false)
                : response.IsSuccessStatusCode;
        }
        finally
        {
            pool.Release();
        }
    }

    private static HttpRequestMessage HttpRequest(InstanceState instance, ProbeSettings settings)
    {
        // Over mutual TLS what the peer speaks; where nothing is negotiated with it, what it is known to, or what everybody does.
        var negotiates = instance.IsInMesh && !instance.IsBehindProxy;
        var version = negotiates || instance is { IsBehindProxy: true, PrefersHttp2: true } ? HttpVersion.Version20 : HttpVersion.Version11;
        return new HttpRequestMessage(HttpMethod.Get, Base(instance, version) + settings.Path)
        {
            Version = version,
            VersionPolicy = negotiates ? HttpVersionPolicy.RequestVersionOrLower : HttpVersionPolicy.RequestVersionExact,
        };
    }

    private static HttpRequestMessage GrpcRequest(InstanceState instance, ProbeSettings settings)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, Base(instance, HttpVersion.Version20) + GrpcHealthCheck.Path)
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(GrpcHealthCheck.Request(settings.GrpcService)),
        };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue(GrpcContentType.Name);
        request.Headers.TE.Add(new TransferCodingWithQualityHeaderValue("trailers"));
        return request;
    }

    private static async Task<bool> IsServingAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        if (response.StatusCode != HttpStatusCode.OK)
        {
            return false;
        }

        using var stream = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        var buffer = new byte[GrpcHealthCheck.MaxAnswer];
        var length = await stream.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        // The protocol says of a server that does not have it: take it for healthy.
        return StatusOf(response) switch
        {
            GrpcStatus.Ok => GrpcHealthCheck.IsServing(buffer.AsSpan(0, length)),
            GrpcStatus.Unimplemented => true,
            _ => false,
        };
    }

    private static GrpcStatus? StatusOf(HttpResponseMessage response) =>
        (response.Headers.NonValidated.TryGetValues(OutcomeClassifier.GrpcStatusHeader, out var values)
            || response.TrailingHeaders.NonValidated.TryGetValues(OutcomeClassifier.GrpcStatusHeader, out values))
        && byte.TryParse(values.ToString(), NumberStyles.None, CultureInfo.InvariantCulture, out var status)
            ? (GrpcStatus)status
            : null;

    private static string Base(InstanceState instance, Version version) =>
        !instance.IsInMesh ? instance.DirectBase
        : instance.IsBehindProxy && version.Major >= 2 ? $"http://{instance.Description.Service}"
        : $"https://{instance.Description.Service}";
}
