using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace MeshClient.Configuration;

/// <summary>
/// Fills options from a section of the configuration, without what <see cref="SectionChecks"/> finds wrong: so binding never
/// throws, and the validator can report all of it together with what is out of range. Options with a problem never come into
/// use, because the validator refuses them.
/// </summary>
internal sealed class SectionBinder<TOptions>(IConfiguration? configuration, string section)
    : IConfigureOptions<TOptions>
    where TOptions : class
{
    public void Configure(TOptions options)
    {
        if (configuration?.GetSection(section) is not { } source)
        {
            return;
        }

        var bad = SectionChecks.Find(source, typeof(TOptions))
            .Select(problem => problem.Path).ToHashSet(StringComparer.OrdinalIgnoreCase);
        if (bad.Count == 0)
        {
            source.Bind(options);
            return;
        }

        var good = source.AsEnumerable().Where(pair => !bad.Contains(pair.Key));
        new ConfigurationBuilder().AddInMemoryCollection(good).Build().GetSection(section).Bind(options);
    }
}
