using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Spectre.Console;

namespace MeshClient.Tool.Output;

/// <summary>Prints results: tables and sentences for people, JSON for programs.</summary>
internal sealed class ToolOutput(TextWriter writer, bool isJson)
{
    /// <summary>Wide enough that no cell is broken where nobody reads it on a screen, as in a pipe.</summary>
    private const int UnboundedWidth = 10_000;

    private static readonly JsonSerializerOptions Indented = new()
    {
        WriteIndented = true,
        // What is printed goes into no web page.
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private static readonly JsonSerializerOptions OneLine = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public bool IsJson => isJson;

    /// <summary>Prints a list: its rows as a table, or the answer as it came as JSON.</summary>
    /// <param name="json">What a program gets.</param>
    /// <param name="nothing">What people get when there are no rows.</param>
    /// <param name="columns">The heads of the columns.</param>
    /// <param name="rows">The cells.</param>
    public void Table(JsonNode? json, string nothing, IReadOnlyList<string> columns, IReadOnlyCollection<string[]> rows)
    {
        if (isJson)
        {
            Json(json);
            return;
        }

        if (rows.Count == 0)
        {
            Line(nothing);
            return;
        }

        var table = new Table { Border = TableBorder.None, ShowHeaders = true };
        foreach (var column in columns)
        {
            table.AddColumn(new TableColumn(new Text(column.ToUpperInvariant())) { NoWrap = true, Padding = new Padding(0, 0, 2, 0) });
        }

        foreach (var row in rows)
        {
            table.AddRow(row.Select(cell => new Text(Printable(cell))));
        }

        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.No,
            ColorSystem = ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.No,
            Out = new AnsiConsoleOutput(writer),
        });
        console.Profile.Width = UnboundedWidth;
        console.Write(table);
    }

    /// <summary>Prints one thing: its parts one under the other, or as JSON.</summary>
    public void Record(JsonNode? json, params ReadOnlySpan<(string Name, string Value)> parts)
    {
        if (isJson)
        {
            Json(json);
            return;
        }

        var width = 0;
        foreach (var (name, _) in parts)
        {
            width = Math.Max(width, name.Length);
        }

        foreach (var (name, value) in parts)
        {
            Line($"{name.PadRight(width)}  {Printable(value)}");
        }
    }

    /// <summary>Prints what was done: a sentence, or as JSON.</summary>
    public void Done(string sentence, JsonNode? json = null)
    {
        if (isJson)
        {
            Json(json ?? new JsonObject { ["message"] = sentence });
        }
        else
        {
            Line(sentence);
        }
    }

    /// <summary>Prints JSON whatever was asked for, over several lines.</summary>
    public void Json(JsonNode? json) => Line(json?.ToJsonString(Indented) ?? "null");

    /// <summary>Prints JSON as one line of a stream.</summary>
    public void JsonLine(JsonNode? json)
    {
        Line(json?.ToJsonString(OneLine) ?? "null");
        writer.Flush();
    }

    /// <summary>Prints a line of a stream, which somebody is waiting for.</summary>
    public void StreamLine(string line)
    {
        Line(Printable(line));
        writer.Flush();
    }

    public void Line(string line) => writer.WriteLine(line);

    // Names, outputs of checks and descriptions are other people's: a control character in one must not steer the terminal.
    private static string Printable(string text) =>
        text.Any(char.IsControl) ? string.Concat(text.Select(c => char.IsControl(c) ? ' ' : c)) : text;
}
