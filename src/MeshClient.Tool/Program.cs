using MeshClient.Tool.CommandLine;

return await MeshClientCommand.RunAsync(args, Console.Out, Console.Error, CancellationToken.None).ConfigureAwait(false);
