using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace MeshClient.Server.Hosting;

/// <summary>
/// Reads the options from their section, where there is a configuration. Keys that mean nothing are the validator's, so that
/// they are named along with all other errors.
/// </summary>
internal sealed class MeshServerOptionsConfiguration(IConfiguration? configuration = null) : IConfigureOptions<MeshServerOptions>
{
    public void Configure(MeshServerOptions options)
    {
        try
        {
            configuration?.GetSection(MeshServerDefaults.SectionName).Bind(options);
        }
        catch (InvalidOperationException e)
        {
            // A value that is no number, say. As this exception it stands next to the errors of other sections.
            throw new OptionsValidationException(Options.DefaultName, typeof(MeshServerOptions), [e.Message]);
        }
    }
}
