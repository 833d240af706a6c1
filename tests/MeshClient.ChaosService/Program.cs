using System.Globalization;

// An instance of a service, as a process that a test can kill, stop or cut off. Configured by its arguments. Says when it is
// ready, and ends when its standard input does, so that it cannot outlive the test.
var builder = WebApplication.CreateSlimBuilder(args);
builder.Logging.ClearProviders();
builder.Services.AddMeshInbound();
await using var app = builder.Build();
app.MapGet("/", () => Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
await app.StartAsync();
Console.WriteLine("ready");
while (await Console.In.ReadLineAsync() is not null)
{
    // Nothing is said to it; it is the end that counts.
}

await app.StopAsync();
