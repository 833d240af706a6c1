namespace MeshClient.Server.Catalog;

/// <summary>The one built-in node, on which everything is registered.</summary>
internal sealed record NodeRecord(string Id, string Name, string Address, string Datacenter, ulong CreateIndex, ulong ModifyIndex);
