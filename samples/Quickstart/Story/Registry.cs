using MeshClient.Server;

namespace Quickstart.Story;

/// <summary>The control plane of the story: embedded in this process, or a Consul that runs elsewhere.</summary>
internal sealed class Registry : IAsyncDisposable
{
    private readonly string? _folder;
    private MeshServer? _server;

    private Registry(Uri address, MeshServer? server, string? folder)
    {
        Address = address;
        _server = server;
        _folder = folder;
    }

    public Uri Address { get; }

    /// <summary>Whether it is ours to stop and start.</summary>
    public bool IsEmbedded => _folder is not null;

    public static async Task<Registry> StartAsync(Uri? consul)
    {
        if (consul is not null)
        {
            return new Registry(consul, null, null);
        }

        var folder = Directory.CreateTempSubdirectory("meshclient-quickstart-").FullName;
        var server = await StartServerAsync(new Uri("http://127.0.0.1:0"), folder);
        return new Registry(server.Address!, server, folder);
    }

    public async Task StopAsync()
    {
        if (_server is { } server)
        {
            _server = null;
            await server.DisposeAsync();
        }
    }

    /// <summary>Starts it again.</summary>
    public async Task RestartAsync()
    {
        _server ??= await StartServerAsync(Address, _folder!);
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        if (_folder is not null)
        {
            Directory.Delete(_folder, recursive: true);
        }
    }

    private static async Task<MeshServer> StartServerAsync(Uri address, string folder)
    {
        var server = new MeshServer(new MeshServerOptions
        {
            ListenAddress = address,
            DataDirectory = Path.Combine(folder, "data"),
        });
        await server.StartAsync();
        return server;
    }
}
