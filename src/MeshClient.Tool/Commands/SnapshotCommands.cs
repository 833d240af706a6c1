using System.CommandLine;
using System.Text.Json.Nodes;
using MeshClient.Tool.CommandLine;

namespace MeshClient.Tool.Commands;

/// <summary><c>snapshot</c>: the whole state of a registry, as a file.</summary>
internal static class SnapshotCommands
{
    private const string Path = "v1/snapshot";
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    public static Command Build(SharedOptions shared) => Verbs.Group(
        "snapshot", "The whole state of the registry as a file, which holds its private keys: keep it as safe as these.",
        Save(shared), Restore(shared));

    private static Command Save(SharedOptions shared)
    {
        var file = new Argument<string>("file") { Description = "Where to write it; only its owner may read it." };
        var force = new Option<bool>("--force") { Description = "Replace a file that is there." };
        return Verbs.Create(
            shared, "save", "Saves the registry's state to a file.", [file, force],
            async (parsed, registry, output, cancellationToken) =>
            {
                var path = parsed.GetRequiredValue(file);
                if (File.Exists(path) && !parsed.GetValue(force))
                {
                    throw new ToolException(ExitCodes.Usage, $"'{path}' is there already; --force replaces it.");
                }

                var answer = await registry.GetAsync(Path, cancellationToken).ConfigureAwait(false);
                Write(path, answer.Body);
                output.Done($"Saved {answer.Body.Length} bytes to '{path}'.", new JsonObject { ["File"] = path, ["Bytes"] = answer.Body.Length });
                return ExitCodes.Ok;
            });
    }

    private static Command Restore(SharedOptions shared)
    {
        var file = new Argument<string>("file") { Description = "A file that 'snapshot save' of the same kind of registry wrote." };
        var yes = new Option<bool>("--yes") { Description = "Needed, because everything the registry holds now is replaced." };
        return Verbs.Create(
            shared, "restore", "Replaces all of the registry's state by that of a file.", [file, yes],
            async (parsed, registry, output, cancellationToken) =>
            {
                var path = parsed.GetRequiredValue(file);
                var archive = InputFile.ReadBytes(path);
                if (!parsed.GetValue(yes))
                {
                    throw new ToolException(ExitCodes.Usage, $"This replaces everything that {registry.Name} holds. Say --yes if that is meant.");
                }

                await registry.PutAsync(Path, archive, cancellationToken).ConfigureAwait(false);
                output.Done($"{registry.Name} holds what '{path}' holds.");
                return ExitCodes.Ok;
            });
    }

    // Written under another name first: a disk that fills up must not cost the snapshot that was there.
    private static void Write(string path, byte[] archive)
    {
        var temporary = path + ".new";
        try
        {
            File.Delete(temporary);
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows())
            {
                options.UnixCreateMode = OwnerOnly;
            }

            using (var stream = new FileStream(temporary, options))
            {
                stream.Write(archive);
                stream.Flush(flushToDisk: true);
            }

            File.Move(temporary, path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ToolException(ExitCodes.Usage, $"'{path}' cannot be written: {e.Message}", e);
        }
    }
}
