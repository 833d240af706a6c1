#!/usr/bin/env bash
# Packs every package, then makes a fresh app outside the repository that installs them from the local feed and makes a call
# through the mesh. Leaves nothing behind but artifacts/package.
set -euo pipefail
for tool in unzip mktemp; do
  command -v "$tool" >/dev/null || { echo "$tool is needed to look into the packages"; exit 1; }
done
root=$(cd "$(dirname "$0")/.." && pwd)
feed=$root/artifacts/package
rm -rf "$feed"
for project in "$root"/src/*/*.csproj; do
  dotnet pack "$project" -c Release --nologo -v quiet
done

expected="MeshClient MeshClient.AspNetCore MeshClient.Consul MeshClient.Core MeshClient.OpenTelemetry MeshClient.Server MeshClient.Testing MeshClient.Tool"
for name in $expected; do
  package=("$feed/$name".[0-9]*.nupkg)
  [ -f "${package[0]}" ] || { echo "no package $name"; exit 1; }
  content=$(unzip -l "${package[0]}")
  case $name in
    MeshClient.Tool) parts="README.md icon.png tools/net10.0/any/$name.dll tools/net10.0/any/DotnetToolSettings.xml" ;;
    *) parts="README.md icon.png lib/net10.0/$name.dll lib/net10.0/$name.xml" ;;
  esac
  for part in $parts; do
    grep -q " $part\$" <<<"$content" || { echo "$name lacks $part"; exit 1; }
  done
  unzip -p "${package[0]}" "$name.nuspec" | grep -q '<license type="expression">MIT</license>' || { echo "$name lacks its licence"; exit 1; }
  symbols=("$feed/$name".[0-9]*.snupkg)
  [ -f "${symbols[0]}" ] || { echo "no symbols for $name"; exit 1; }
done

app=$(mktemp -d)
trap 'rm -rf "$app"' EXIT
version=$(basename "$feed"/MeshClient.Core.[0-9]*.nupkg .nupkg)
version=${version#MeshClient.Core.}
cat > "$app/nuget.config" <<XML
<configuration><packageSources><add key="local" value="$feed" /></packageSources></configuration>
XML
cat > "$app/Fresh.csproj" <<XML
<Project Sdk="Microsoft.NET.Sdk.Web">
  <PropertyGroup><TargetFramework>net10.0</TargetFramework><Nullable>enable</Nullable><ImplicitUsings>enable</ImplicitUsings></PropertyGroup>
  <ItemGroup>
    <PackageReference Include="MeshClient.AspNetCore" Version="$version" />
    <PackageReference Include="MeshClient.Server" Version="$version" />
    <PackageReference Include="MeshClient.OpenTelemetry" Version="$version" />
  </ItemGroup>
</Project>
XML
cat > "$app/Program.cs" <<'CSHARP'
using MeshClient.AspNetCore.Peers;
using MeshClient.Server;

await using var registry = new MeshServer(new MeshServerOptions
{
    ListenAddress = new Uri("http://127.0.0.1:0"),
    DefaultIntentionPolicy = DefaultIntentionPolicy.Allow,
});
await registry.StartAsync();

var orders = WebApplication.CreateBuilder();
orders.Services.AddMeshInbound();
orders.Configuration["Mesh:Service"] = "orders";
orders.Configuration["Mesh:Inbound:Address"] = "127.0.0.1:0";
orders.Configuration["Mesh:Registration:DrainDelay"] = "00:00:00";
orders.Configuration["Mesh:ControlPlane:Address"] = registry.Address.ToString();
await using var called = orders.Build();
called.MapGet("/", (HttpContext context) => $"hello {context.Features.Get<IMeshPeerFeature>()?.Service}");
await called.StartAsync();

using var http = new HttpClient { BaseAddress = registry.Address };
using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
while (await http.GetStringAsync("/v1/health/service/orders?passing", limit.Token) == "[]")
{
    await Task.Delay(50, limit.Token);
}

var web = Host.CreateApplicationBuilder();
web.Configuration["Mesh:Service"] = "web";
web.Configuration["Mesh:ControlPlane:Address"] = registry.Address.ToString();
web.Services.AddMeshClient();
using var caller = web.Build();
await caller.StartAsync();
using var client = caller.Services.GetRequiredService<IHttpClientFactory>().CreateClient();
var answer = await client.GetStringAsync("https://orders/", limit.Token);
Console.WriteLine(answer);
return answer == "hello web" ? 0 : 1;
CSHARP
# An own package folder, or a package of the same version from an earlier run would be taken from the machine's.
cd "$app"
NUGET_PACKAGES=$app/packages dotnet run --project "$app/Fresh.csproj" -v quiet
echo "The packages install and make a call through the mesh."

# The tool, from the same feed. Its own home, so that the machine's tools stay as they are.
DOTNET_CLI_HOME=$app/home NUGET_PACKAGES=$app/packages dotnet tool install MeshClient.Tool --version "$version" \
  --tool-path "$app/tools" --configfile "$app/nuget.config" --verbosity quiet
"$app/tools/meshclient" server --listen http://127.0.0.1:0 >"$app/server.log" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null || true; rm -rf "$app"' EXIT
for _ in $(seq 300); do
  address=$(sed -n 's/^Listening on *\(http[^ ]*\).*/\1/p' "$app/server.log")
  [ -n "$address" ] && break
  sleep 0.1
done
"$app/tools/meshclient" intentions allow web orders --address "$address"
"$app/tools/meshclient" intentions check web orders --address "$address"
"$app/tools/meshclient" doctor --address "$address"
# Not -INT, which the shell has programs in the background ignore.
kill -TERM $server
wait $server
echo "The tool installs, serves and operates."
