namespace MeshClient.Core.Intentions;

/// <summary>The first part of a permission that a request does not match.</summary>
internal enum Mismatch
{
    None,
    Unsupported,
    Method,
    Path,
    Header,
    Token,
}

/// <summary>A permission, ready to be compared with requests.</summary>
internal sealed class CompiledPermission
{
    private readonly string[] _methods;
    private readonly CompiledPath _path;
    private readonly CompiledHeader[] _headers;
    private readonly CompiledRequirement? _jwt;
    private readonly bool _allows;
    private readonly bool _never;

    public CompiledPermission(IntentionPermission permission, IntentionVerdict verdict, bool isLoose, Dictionary<string, int> headerPlaces)
    {
        IsLoose = isLoose;
        Verdict = verdict;
        _allows = permission.Action == IntentionAction.Allow;
        _methods = [.. permission.Methods];
        _path = new CompiledPath(permission, isLoose);
        _headers = [.. permission.Headers.Select(header => new CompiledHeader(header, permission.Action, HeaderCache.PlaceOf(headerPlaces, header.Name)))];
        _jwt = CompiledRequirement.Of(permission.Jwt);
        _never = _allows && (permission.HasUnsupportedRequirement || _path.IsBroken || _headers.Any(header => header.IsBroken));
    }

    public IntentionVerdict Verdict { get; }

    /// <summary>Whether it takes a path in every form that may lead to the same place.</summary>
    public bool IsLoose { get; }

    /// <summary>What it says, in a few words; values of headers and claims stay out of it.</summary>
    public string Summary =>
        CompiledIntention.Verb(Verdict.Action)
        + $" {(_methods.Length == 0 ? "any method" : string.Join(", ", _methods))}, path {_path}"
        + string.Concat(_headers.Select(header => $", header {header.Name}"))
        + (_jwt is null ? string.Empty : $", {_jwt}");

    /// <summary>What the request does not match first; the cheap parts are compared first.</summary>
    public Mismatch Compare<THeaders, TPassport>(
        string method, string path, string? filePath, in THeaders headers, ref HeaderCache cache, in TPassport passport)
        where THeaders : IHeaderLookup
        where TPassport : IPassportLookup
    {
        if (_never)
        {
            return Mismatch.Unsupported;
        }

        if (!MatchesMethod(method))
        {
            return Mismatch.Method;
        }

        if (!_path.Matches(path, filePath))
        {
            return Mismatch.Path;
        }

        if (FindOtherHeader(headers, ref cache) is not null)
        {
            return Mismatch.Header;
        }

        return _jwt is null || (_allows ? _jwt.Holds(passport) : _jwt.MayHold(passport)) ? Mismatch.None : Mismatch.Token;
    }

    /// <summary>The same in a sentence. Values of headers and claims stay out of it: they may be secrets.</summary>
    public string Describe<THeaders>(Mismatch mismatch, string method, in THeaders headers, ref HeaderCache cache)
        where THeaders : IHeaderLookup => mismatch switch
        {
            Mismatch.Unsupported => "It asks for something that cannot be checked, so it allows nothing.",
            Mismatch.Method => $"The method is {method}; it is about {string.Join(", ", _methods)}.",
            Mismatch.Path => $"The path is another; it is about {_path}.",
            Mismatch.Header => $"The header {FindOtherHeader(headers, ref cache)?.Name} is not what it asks for.",
            Mismatch.Token => _allows ? $"The request does not carry {_jwt}." : $"The request's tokens show that it is not about it: {_jwt}.",
            _ => "It matches.",
        };

    private CompiledHeader? FindOtherHeader<THeaders>(in THeaders headers, ref HeaderCache cache)
        where THeaders : IHeaderLookup
    {
        foreach (var header in _headers)
        {
            if (!header.Matches(headers, ref cache))
            {
                return header;
            }
        }

        return null;
    }

    // Without case, though HTTP says with: frameworks route "get" to what serves GET, and a denied method must not get
    // through by its spelling.
    private bool MatchesMethod(string method)
    {
        foreach (var candidate in _methods)
        {
            if (string.Equals(candidate, method, StringComparison.OrdinalIgnoreCase))
            {
                return true;
            }
        }

        return _methods.Length == 0;
    }
}
