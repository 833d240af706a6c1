using MeshClient.Core.Naming;

namespace MeshClient.Testing;

/// <summary>A heartbeat that reached the in-memory control plane.</summary>
/// <param name="Instance">Whose.</param>
/// <param name="Note">What it said.</param>
public sealed record HeartbeatRecord(InstanceId Instance, string Note);

/// <summary>A maintenance call that reached the in-memory control plane.</summary>
/// <param name="Instance">About which instance.</param>
/// <param name="Enabled">Whether it was taken out of use (true) or put back (false).</param>
/// <param name="Reason">Why.</param>
public sealed record MaintenanceRecord(InstanceId Instance, bool Enabled, string Reason);
