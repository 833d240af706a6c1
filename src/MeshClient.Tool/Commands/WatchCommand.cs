using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using MeshClient.Tool.CommandLine;
using MeshClient.Tool.Output;
using MeshClient.Tool.Registry;

namespace MeshClient.Tool.Commands;

/// <summary>
/// <c>watch</c>: follows changes as they happen, by blocking queries. A registry that goes away is waited for, and what has
/// changed meanwhile is shown when it is back.
/// </summary>
internal static class WatchCommand
{
    private static readonly TimeSpan Wait = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(10);

    /// <summary>So that a registry whose answers never wait is not asked without end.</summary>
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(100);

    public static Command Build(SharedOptions shared)
    {
        var service = new Argument<string>("service") { Description = "The service's name." };
        var prefix = new Argument<string>("prefix") { Description = "Only keys that begin with this. Default: all.", DefaultValueFactory = _ => string.Empty };
        return Verbs.Group(
            "watch", "Follows changes live until Ctrl-C: '+' has come, '-' has gone, '~' has changed. With --json a line of JSON each.",
            Verb(shared, "services", "Follows which services there are.", [], WatchedThing.Services),
            Verb(shared, "instances", "Follows the instances of a service and their health.", [service], parsed => WatchedThing.Instances(parsed.GetRequiredValue(service))),
            Verb(shared, "intentions", "Follows the intentions.", [], WatchedThing.Intentions),
            Verb(shared, "kv", "Follows keys.", [prefix], parsed => WatchedThing.Keys(parsed.GetRequiredValue(prefix))),
            Verb(shared, "roots", "Follows the roots of the mesh.", [], WatchedThing.Roots));
    }

    private static Command Verb(
        SharedOptions shared, string name, string description, IEnumerable<Symbol> symbols, Func<ParseResult, WatchedThing> thing) =>
        Verbs.Create(shared, name, description, symbols, async (parsed, registry, output, cancellationToken) =>
        {
            await FollowAsync(thing(parsed), registry, output, parsed.InvocationConfiguration.Error, cancellationToken).ConfigureAwait(false);
            return ExitCodes.Ok;
        });

    private static async Task FollowAsync(
        WatchedThing thing, RegistryConnection registry, ToolOutput output, TextWriter errors, CancellationToken cancellationToken)
    {
        var known = new SortedDictionary<string, string>(StringComparer.Ordinal);
        var (index, delay, answered) = (0UL, FirstDelay, false);
        while (true)
        {
            try
            {
                var answer = await registry.WaitAsync(thing.Path, index, Wait, cancellationToken).ConfigureAwait(false);
                // An index that goes back is that of another registry: begin again.
                index = answer.Index < index ? 0 : Math.Max(answer.Index, 1);
                Show(thing.Read(answer), known, output);
                (delay, answered) = (FirstDelay, true);
                await Task.Delay(Pace, TimeProvider.System, cancellationToken).ConfigureAwait(false);
            }
            catch (ToolException e) when (answered && e.ExitCode is ExitCodes.Unreachable or ExitCodes.Failed)
            {
                await errors.WriteLineAsync($"{e.Message} Trying again.").ConfigureAwait(false);
                index = 0;
                await Task.Delay(delay, TimeProvider.System, cancellationToken).ConfigureAwait(false);
                delay = delay * 2 < LongestDelay ? delay * 2 : LongestDelay;
            }
        }
    }

    private static void Show(SortedDictionary<string, string> now, SortedDictionary<string, string> known, ToolOutput output)
    {
        foreach (var name in known.Keys.Where(name => !now.ContainsKey(name)).ToList())
        {
            Show("-", name, known[name], output);
            known.Remove(name);
        }

        foreach (var (name, state) in now)
        {
            if (!known.TryGetValue(name, out var before))
            {
                Show("+", name, state, output);
            }
            else if (before != state)
            {
                Show("~", name, state, output);
            }

            known[name] = state;
        }
    }

    private static void Show(string change, string name, string state, ToolOutput output)
    {
        var now = TimeProvider.System.GetLocalNow();
        if (output.IsJson)
        {
            output.JsonLine(new JsonObject
            {
                ["Time"] = now.ToString("O", CultureInfo.InvariantCulture),
                ["Change"] = change switch { "+" => "added", "-" => "removed", _ => "changed" },
                ["Name"] = name,
                ["State"] = state,
            });
        }
        else
        {
            output.StreamLine($"{now.ToString("HH:mm:ss.fff", CultureInfo.InvariantCulture)} {change} {name}  {state}");
        }
    }
}
