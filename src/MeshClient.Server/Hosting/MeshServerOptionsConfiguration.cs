using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace MeshClient.Server.Hosting;

/// <summary>Reads the options from their section, where there is a configuration; a key that means nothing is an error.</summary>
internal sealed class MeshServerOptionsConfiguration(IConfiguration? configuration = null) : IConfigureOptions<MeshServerOptions>
{
    public void Configure(MeshServerOptions options) =>
        configuration?.GetSection(MeshServerDefaults.SectionName).Bind(options, binder => binder.ErrorOnUnknownConfiguration = true);
}
