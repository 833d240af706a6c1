namespace MeshClient.Health;

/// <summary>Why an instance is left out.</summary>
internal enum EjectionReason
{
    /// <summary>It is not.</summary>
    None,

    /// <summary>Too many of its calls failed one after the other.</summary>
    ConsecutiveFailures,

    /// <summary>Too small a share of its calls succeeded, though others do better.</summary>
    SuccessRate,

    /// <summary>A smaller share of its calls succeeded than the spread of its peers explains.</summary>
    Outlier,

    /// <summary>Nearly all of its calls failed.</summary>
    FailurePercentage,

    /// <summary>The call that was to readmit it failed.</summary>
    ProbeFailed,

    /// <summary>No connection to it could be made.</summary>
    Unreachable,

    /// <summary>It could not prove to be the service.</summary>
    IdentityRefused,

    /// <summary>It did not pass the health checks of this process.</summary>
    HealthCheck,
}
