using System.IO.Pipelines;

namespace MeshClient.AspNetCore.Connections;

/// <summary>Both directions of a connection, for whoever puts something of its own before one of them.</summary>
internal sealed record ConnectionEnds(PipeReader Input, PipeWriter Output) : IDuplexPipe;
