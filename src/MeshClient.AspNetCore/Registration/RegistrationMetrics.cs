using System.Diagnostics.Metrics;
using MeshClient.AspNetCore.Telemetry;

namespace MeshClient.AspNetCore.Registration;

/// <summary>What is counted of this instance's registration, in the meter <c>MeshClient</c>.</summary>
internal sealed class RegistrationMetrics(IMeterFactory meters)
{
    public const string OperationTag = "meshclient.operation";

    private readonly Counter<long> _failures = meters.Create(InboundMetrics.MeterName).CreateCounter<long>(
        "meshclient.registration.failures", "{call}", "Calls to the registry about this instance that failed.");

    /// <summary>Counts one.</summary>
    /// <param name="operation">register, beat, maintenance or deregister.</param>
    public void Failed(string operation) => _failures.Add(1, new KeyValuePair<string, object?>(OperationTag, operation));
}
