namespace MeshClient.Tool;

/// <summary>What the process ends with. Part of the command's interface: scripts rely on it.</summary>
internal static class ExitCodes
{
    /// <summary>Done.</summary>
    public const int Ok = 0;

    /// <summary>The registry answered with an error, or <c>doctor</c> found something wrong.</summary>
    public const int Failed = 1;

    /// <summary>The command line, a setting or an input file is wrong; nothing was sent.</summary>
    public const int Usage = 2;

    /// <summary>What was asked for is not there.</summary>
    public const int NotFound = 3;

    /// <summary>The token is unknown or lacks the right.</summary>
    public const int Refused = 4;

    /// <summary>The registry cannot be reached or gave no answer in time.</summary>
    public const int Unreachable = 5;

    /// <summary><c>intentions check</c>: the call would be denied.</summary>
    public const int Denied = 6;

    /// <summary>Stopped by Ctrl-C: 128 and the number of the signal, as shells count it.</summary>
    public const int Interrupted = 130;

    /// <summary>The same for people, at the end of the help.</summary>
    public const string Description =
        "Exit codes: 0 done; 1 the registry answered with an error, or doctor found something wrong; 2 the command line or an "
        + "input is wrong; 3 not found; 4 refused, see the token; 5 the registry cannot be reached; 6 intentions check: denied; "
        + "130 stopped by Ctrl-C.";
}
