namespace MeshClient.Restart;

/// <summary>A state file is not gone by; the message says why, without a word of what it holds.</summary>
internal sealed class StateRefusedException(string message, Exception? innerException = null) : Exception(message, innerException);
