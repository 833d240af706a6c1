using System.Diagnostics;

namespace MeshClient.FunctionalTests.ConnectProxy;

/// <summary>Consul's proxy on our own server.</summary>
public sealed class AgainstMeshServer(FunctionalTests.AgainstMeshServer.Fixture fixture)
    : ProxyContract, IClassFixture<FunctionalTests.AgainstMeshServer.Fixture>
{
    private static readonly TimeSpan RotationLimit = TimeSpan.FromSeconds(30);

    /// <inheritdoc/>
    protected override Uri Address => fixture.Server.Address!;

    private protected override async Task RotateAsync()
    {
        var built = new DirectoryInfo(AppContext.BaseDirectory);
        var program = Path.Combine(built.Parent!.Parent!.FullName, "MeshClient.Tool", built.Name, "MeshClient.Tool.dll");
        var start = new ProcessStartInfo("dotnet", [program, "ca", "rotate", "--address", Address.ToString()])
        {
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(MeshHosts.Cancellation);
        limit.CancelAfter(RotationLimit);
        try
        {
            var errors = await process.StandardError.ReadToEndAsync(limit.Token);
            await process.WaitForExitAsync(limit.Token);
            Assert.True(process.ExitCode == 0, errors);
        }
        finally
        {
            process.Kill(entireProcessTree: true);
        }
    }
}
