using MeshClient.Restart;

namespace MeshClient.Configuration;

/// <summary>Checks <see cref="MeshStateFileOptions"/>.</summary>
internal static class StateFileChecks
{
    private const string Key = "StateFile";

    /// <param name="checks">Where problems go.</param>
    /// <param name="options">The options.</param>
    /// <param name="hasProtector">Whether the app has registered a protector.</param>
    public static void Check(OptionChecks checks, MeshStateFileOptions options, bool hasProtector)
    {
        checks.Range($"{Key}:MaxAge", options.MaxAge, TimeSpan.FromMinutes(1), TimeSpan.FromDays(365));
        checks.Range($"{Key}:WriteInterval", options.WriteInterval, TimeSpan.FromSeconds(1), TimeSpan.FromHours(1));
        if (options.Path is null)
        {
            return;
        }

        if (string.IsNullOrWhiteSpace(options.Path) || Path.EndsInDirectorySeparator(options.Path) || Directory.Exists(options.Path))
        {
            checks.Add($"Mesh:{Key}:Path is '{options.Path}'; it has to be a file.");
        }

        switch ((options.Key is null ? 0 : 1) + (options.KeyFile is null ? 0 : 1) + (hasProtector ? 1 : 0))
        {
            case 0:
                checks.Add(
                    $"Mesh:{Key}:Path is set, but nothing to seal the file with, and it is never written in clear: set Mesh:{Key}:Key or Mesh:{Key}:KeyFile, call AddMeshDataProtection(), or register an {nameof(IStateProtector)}.");
                break;
            case 1 when !hasProtector && !AesStateProtector.TryCreate(options, out _, out var problem):
                checks.Add($"Mesh:{Key}:{problem}");
                break;
            case > 1:
                checks.Add(
                    $"Mesh:{Key} has more than one way to seal the file; keep one of Mesh:{Key}:Key, Mesh:{Key}:KeyFile and the registered {nameof(IStateProtector)}.");
                break;
        }
    }
}
