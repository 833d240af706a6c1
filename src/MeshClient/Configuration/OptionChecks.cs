namespace MeshClient.Configuration;

/// <summary>Collects what is wrong with a set of options, each error with the key, the value and what is allowed.</summary>
internal sealed class OptionChecks(string section)
{
    private readonly List<string> _errors = [];

    public IReadOnlyList<string> Errors => _errors;

    /// <summary>The section all keys are below.</summary>
    public string Section => section;

    public void Add(string error) => _errors.Add(error);

    public void AddRange(IEnumerable<SectionProblem> problems) => _errors.AddRange(problems.Select(problem => problem.Error));

    public void Range(string key, TimeSpan? value, TimeSpan least, TimeSpan most, bool zeroAllowed = false)
    {
        if (value is { } time && (time < least || time > most) && !(zeroAllowed && time == TimeSpan.Zero))
        {
            _errors.Add($"{section}:{key} is {time}; it has to be {(zeroAllowed ? "0 or " : string.Empty)}between {least} and {most}.");
        }
    }

    public void Range(string key, double? value, double least, double most, bool zeroAllowed = false)
    {
        if (value is { } number && !(number >= least && number <= most) && !(zeroAllowed && number == 0))
        {
            var zero = zeroAllowed ? "0 or " : string.Empty;
            _errors.Add(FormattableString.Invariant($"{section}:{key} is {number}; it has to be {zero}between {least} and {most}."));
        }
    }

    public void OneOf<TEnum>(string key, TEnum value)
        where TEnum : struct, Enum
    {
        if (!Enum.IsDefined(value))
        {
            _errors.Add($"{section}:{key} is {value}; it has to be one of {string.Join(", ", Enum.GetNames<TEnum>())}.");
        }
    }
}
