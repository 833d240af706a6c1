namespace MeshClient.Consul;

/// <summary>Reads the address of an agent in the notations of the environment variable <c>CONSUL_HTTP_ADDR</c>.</summary>
public static class ConsulAddress
{
    private const string SchemeMark = "://";

    /// <summary>
    /// Reads <c>127.0.0.1:8500</c>, <c>http://host:8500</c> or <c>https://host:8501/prefix</c>. Without a scheme it is
    /// <c>http</c>; without a port, the scheme's own (80 or 443), as Consul's own tools do it.
    /// </summary>
    /// <exception cref="FormatException">The text is no such address; the message says why, without user and password.</exception>
    public static Uri Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        text = text.Trim();
        if (text.StartsWith("unix:", StringComparison.OrdinalIgnoreCase))
        {
            throw new FormatException("The Consul address is a Unix socket; only http and https addresses are supported.");
        }

        var address = text.Contains(SchemeMark, StringComparison.Ordinal) ? text : "http" + SchemeMark + text;
        var problem = Uri.TryCreate(address, UriKind.Absolute, out var uri)
            ? FindProblem(uri)
            : "is not of the form host:port, http://host:port or https://host:port";
        return problem is null ? uri! : throw new FormatException($"The Consul address {problem}.");
    }

    /// <summary>What is wrong with an address, as the end of a sentence; null when it is usable.</summary>
    internal static string? FindProblem(Uri? address)
    {
        if (address is null || !address.IsAbsoluteUri)
        {
            return "is missing or not absolute";
        }

        if (address.Scheme != Uri.UriSchemeHttp && address.Scheme != Uri.UriSchemeHttps)
        {
            return $"has the scheme '{address.Scheme}'; only http and https are supported";
        }

        if (address.Host.Length == 0)
        {
            return "names no host";
        }

        // A password in an address ends up in every log line that names the address.
        if (address.UserInfo.Length > 0)
        {
            return "holds a user or password; give a token instead";
        }

        return address.Query.Length > 0 || address.Fragment.Length > 0 ? "has a query or a fragment" : null;
    }
}
