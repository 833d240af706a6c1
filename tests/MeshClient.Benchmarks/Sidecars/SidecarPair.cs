using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace MeshClient.Benchmarks.Sidecars;

/// <summary>Two proxies as sidecars: plain HTTP to the first, mutual TLS between them, plain HTTP from the second to the service.</summary>
internal sealed class SidecarPair : IDisposable
{
    private readonly string _folder;
    private readonly List<Process> _processes;

    private SidecarPair(string name, string folder, int port, List<Process> processes) => (Name, _folder, Port, _processes) = (name, folder, port, processes);

    public string Name { get; }

    /// <summary>Where the caller's sidecar listens.</summary>
    public int Port { get; }

    /// <summary>Processor time of both so far, workers included.</summary>
    public TimeSpan ProcessorTime => TimeSpan.FromTicks(Everyone().Sum(process => process.TotalProcessorTime.Ticks));

    /// <summary>Resident memory of both, in bytes.</summary>
    public long Resident => Everyone().Sum(process => process.WorkingSet64);

    /// <summary>Starts a pair; null when the proxy is not installed.</summary>
    public static async Task<SidecarPair?> StartAsync(string program, SidecarCertificates certificates, int servicePort)
    {
        var path = ((string[])["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"])
            .Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);
        if (path is null)
        {
            return null;
        }

        var folder = Directory.CreateTempSubdirectory("sidecars-").FullName;
        certificates.WriteTo(folder);
        var (outer, inner) = (FreePort(), FreePort());
        var processes = new List<Process>();
        foreach (var (side, text) in (ReadOnlySpan<(string, string)>)
        [
            ("in", program == "haproxy" ? HaproxyIn(folder, inner, servicePort) : NginxIn(folder, inner, servicePort)),
            ("out", program == "haproxy" ? HaproxyOut(folder, outer, inner) : NginxOut(folder, outer, inner)),
        ])
        {
            var file = Path.Combine(folder, $"{side}.conf");
            File.WriteAllText(file, text);
            processes.Add(Process.Start(new ProcessStartInfo(path, program == "haproxy" ? ["-db", "-f", file] : ["-p", folder, "-c", file])
            {
                RedirectStandardError = true,
                RedirectStandardOutput = true,
            })!);
        }

        var pair = new SidecarPair(program, folder, outer, processes);
        await pair.UntilListeningAsync(inner);
        await pair.UntilListeningAsync(outer);
        return pair;
    }

    public void Dispose()
    {
        foreach (var process in _processes)
        {
            process.Kill(entireProcessTree: true);
            process.WaitForExit();
            process.Dispose();
        }

        Directory.Delete(_folder, recursive: true);
    }

    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private const string HaproxyHead = """
        global
          nbthread 2
        defaults
          mode http
          timeout connect 5s
          timeout client 60s
          timeout server 60s
          http-reuse always

        """;

    // The hop between them is HTTP/2 over mutual TLS, as in the mesh.
    private static string HaproxyOut(string folder, int port, int next) => HaproxyHead + $$"""
        frontend out
          bind 127.0.0.1:{{port}}
          default_backend next
        backend next
          server next 127.0.0.1:{{next}} ssl verify required ca-file {{folder}}/roots.pem crt {{folder}}/client.pem alpn h2 verifyhost orders

        """;

    private static string HaproxyIn(string folder, int port, int service) => HaproxyHead + $$"""
        frontend in
          bind 127.0.0.1:{{port}} ssl crt {{folder}}/server.pem ca-file {{folder}}/roots.pem verify required alpn h2,http/1.1
          default_backend service
        backend service
          server service 127.0.0.1:{{service}}

        """;

    private static string NginxHead(string folder, string side) => $$"""
        daemon off;
        user root;
        worker_processes 2;
        pid {{folder}}/{{side}}.pid;
        error_log {{folder}}/{{side}}.log error;
        events { worker_connections 4096; }

        """;

    // nginx speaks HTTP/1.1 to what is behind it.
    private static string NginxOut(string folder, int port, int next) => NginxHead(folder, "out") + $$"""
        http {
          access_log off;
          keepalive_requests 100000000;
          upstream next { server 127.0.0.1:{{next}}; keepalive 256; keepalive_requests 100000000; }
          server {
            listen 127.0.0.1:{{port}};
            location / {
              proxy_pass https://next;
              proxy_http_version 1.1;
              proxy_set_header Connection "";
              proxy_ssl_certificate {{folder}}/client.pem;
              proxy_ssl_certificate_key {{folder}}/client.pem;
              proxy_ssl_trusted_certificate {{folder}}/roots.pem;
              proxy_ssl_verify on;
              proxy_ssl_name orders;
            }
          }
        }

        """;

    private static string NginxIn(string folder, int port, int service) => NginxHead(folder, "in") + $$"""
        http {
          access_log off;
          keepalive_requests 100000000;
          upstream service { server 127.0.0.1:{{service}}; keepalive 256; keepalive_requests 100000000; }
          server {
            listen 127.0.0.1:{{port}} ssl;
            ssl_certificate {{folder}}/server.pem;
            ssl_certificate_key {{folder}}/server.pem;
            ssl_client_certificate {{folder}}/roots.pem;
            ssl_verify_client on;
            location / { proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection ""; }
          }
        }

        """;

    // nginx does its work in children of the process that was started.
    private IEnumerable<Process> Everyone()
    {
        foreach (var process in _processes)
        {
            process.Refresh();
            yield return process;
            var children = $"/proc/{process.Id.ToString(CultureInfo.InvariantCulture)}/task/{process.Id.ToString(CultureInfo.InvariantCulture)}/children";
            foreach (var child in File.ReadAllText(children).Split(' ', StringSplitOptions.RemoveEmptyEntries))
            {
                yield return Process.GetProcessById(int.Parse(child, CultureInfo.InvariantCulture));
            }
        }
    }

    private async Task UntilListeningAsync(int port)
    {
        for (var i = 0; i < 200; i++)
        {
            if (_processes.Find(process => process.HasExited) is { } ended)
            {
                throw new InvalidOperationException($"{Name} ended: {await ended.StandardError.ReadToEndAsync()}");
            }

            try
            {
                using var probe = new TcpClient();
                await probe.ConnectAsync(IPAddress.Loopback, port);
                return;
            }
            catch (SocketException)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(25), TimeProvider.System);
            }
        }

        throw new InvalidOperationException($"{Name} does not listen.");
    }
}
