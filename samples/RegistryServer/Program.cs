using MeshClient.Server;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

// The registry and certificate authority by itself. Options come from appsettings.json, the environment
// (MeshServer__DataDirectory=mesh-data) and the command line (--MeshServer:ListenAddress http://127.0.0.1:9500).
var builder = Host.CreateApplicationBuilder(args);
builder.Services.AddMeshServer();
using var host = builder.Build();
await host.StartAsync();

var address = host.Services.GetRequiredService<IMeshServer>().Address;
Console.WriteLine($"The mesh is at {address}. A service joins it with CONSUL_HTTP_ADDR={address.GetLeftPart(UriPartial.Authority)}");
Console.WriteLine("Ctrl-C stops it.");
await host.WaitForShutdownAsync();
