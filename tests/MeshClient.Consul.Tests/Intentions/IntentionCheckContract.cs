using System.Net.Http.Json;
using System.Text.Json;
using MeshClient.Core.Intentions;
using MeshClient.Core.Naming;

namespace MeshClient.Consul.Tests.Intentions;

/// <summary>
/// Random intentions, and for random pairs of services the same verdict from three sides: the registry's own check, our evaluator
/// fed by our client from that registry, and the rules written down here once more. The intentions change from round to round.
/// 3 000 pairs; with <c>MESHCLIENT_LONG=1</c> there are 100 000.
/// </summary>
public abstract class IntentionCheckContract
{
    private const string Path = "v1/connect/intentions";
    private const int PairsPerRound = 200;
    private const int ChangesPerRound = 12;
    private const int CallsAtATime = 8;

    private static readonly int Pairs = Environment.GetEnvironmentVariable("MESHCLIENT_LONG") == "1" ? 100_000 : 3_000;

    // Some differ in case only, and some are the beginning of others.
    private static readonly string[] Names = ["web", "Web", "webs", "orders", "Orders", "api-v1", "api-v1.a", "a", "A", "ops", "9", "stranger"];

    private readonly Dictionary<(string Source, string Destination), Written> _written = [];

    /// <summary>A running registry with no other intentions.</summary>
    protected abstract Uri Address { get; }

    /// <summary>What holds there when no intention matches.</summary>
    protected abstract IntentionAction DefaultAction { get; }

    /// <summary>Whether it takes intentions with permissions on requests.</summary>
    protected abstract bool TakesPermissions { get; }

    /// <summary>The token to ask with; null: none.</summary>
    protected virtual Task<string?> GetTokenAsync(HttpClient http) => Task.FromResult<string?>(null);

    [Fact]
    public async Task Check_RandomIntentionsAndPairs_IsDecidedAlikeByAll()
    {
        var seed = 20_260 + (int)DefaultAction;
        var random = new Random(seed);
        using var http = new HttpClient { BaseAddress = Address };
        var token = await GetTokenAsync(http);
        using var controlPlane = new ConsulControlPlane(new ConsulOptions { Address = Address, Token = token }, TimeProvider.System);
        var kinds = new Dictionary<string, int>();
        for (var done = 0; done < Pairs; done += PairsPerRound)
        {
            for (var i = 0; i < ChangesPerRound; i++)
            {
                await ChangeAsync(http, random);
            }

            var evaluators = new Dictionary<string, IntentionEvaluator>();
            foreach (var destination in Names)
            {
                var read = await controlPlane.ReadIntentionsAsync(ServiceName.Parse(destination), 0, TestContext.Current.CancellationToken);
                evaluators[destination] = new IntentionEvaluator(read.Value, DefaultAction);
            }

            var pairs = Enumerable.Range(0, PairsPerRound).Select(_ => (Source: Pick(random), Destination: Pick(random))).ToList();
            var answers = await AskAsync(http, pairs);
            foreach (var (pair, answer) in pairs.Zip(answers))
            {
                var (expected, kind) = Decide(pair.Source, pair.Destination);
                kinds[kind] = kinds.GetValueOrDefault(kind) + 1;
                var ours = evaluators[pair.Destination].EvaluateConnection(pair.Source);
                Assert.True(
                    answer == expected && ours.IsAllowed == expected,
                    $"seed {seed}, round {done / PairsPerRound}, {pair}: registry {answer}, evaluator {ours.IsAllowed} ({ours.Reason}), "
                    + $"by hand {expected} ({kind}); {string.Join(", ", _written.Select(one => $"{one.Key} {one.Value.Action}"))}");
            }
        }

        // The comparison is worth something only if every kind of decision came up often.
        string[] wanted = ["exact allow", "exact deny", "any-exact allow", "any-exact deny", "exact-any allow", "exact-any deny", "any allow", "any deny", "default"];
        Assert.All(TakesPermissions ? [.. wanted, "exact permissions"] : wanted, kind => Assert.InRange(kinds.GetValueOrDefault(kind), Pairs / 400, Pairs));
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{Pairs} pairs against {Address}: {string.Join(", ", kinds.OrderBy(kind => kind.Key).Select(kind => $"{kind.Key} {kind.Value}"))}");
    }

    private static string Pick(Random random) => Names[random.Next(Names.Length)];

    private async Task ChangeAsync(HttpClient http, Random random)
    {
        var key = (random.Next(4) == 0 ? "*" : Pick(random), random.Next(4) == 0 ? "*" : Pick(random));

        // Enough of them to meet one another, few enough to leave some pairs without any.
        if (_written.Count > 14 && random.Next(2) == 0)
        {
            key = _written.Keys.ElementAt(random.Next(_written.Count));
        }

        if (_written.Remove(key, out var present))
        {
            using var deleted = await http.DeleteAsync(new Uri($"{Path}/{present.Id}", UriKind.Relative), TestContext.Current.CancellationToken);
            deleted.EnsureSuccessStatusCode();
        }

        if (_written.Count > 20 || (present is not null && random.Next(2) == 0))
        {
            return;
        }

        var action = TakesPermissions && key.Item2 != "*" && random.Next(3) == 0 ? "permissions" : random.Next(2) == 0 ? "allow" : "deny";
        using var made = await http.PostAsJsonAsync(
            new Uri(Path, UriKind.Relative),
            action == "permissions"
                ? (object)new { SourceName = key.Item1, DestinationName = key.Item2, Permissions = new[] { new { Action = "allow", HTTP = new { PathPrefix = "/" } } } }
                : new { SourceName = key.Item1, DestinationName = key.Item2, Action = action },
            TestContext.Current.CancellationToken);
        var answer = await made.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);

        // A pair of the same letters in other case is the same pair to Consul.
        if (made.IsSuccessStatusCode)
        {
            using var document = JsonDocument.Parse(answer);
            _written[key] = new Written(document.RootElement.GetProperty("ID").GetString()!, action);
        }
        else
        {
            Assert.Contains("duplicate intention found", answer, StringComparison.Ordinal);
        }
    }

    private static async Task<bool[]> AskAsync(HttpClient http, List<(string Source, string Destination)> pairs)
    {
        var answers = new bool[pairs.Count];
        await Parallel.ForEachAsync(
            Enumerable.Range(0, pairs.Count),
            new ParallelOptions { MaxDegreeOfParallelism = CallsAtATime, CancellationToken = TestContext.Current.CancellationToken },
            async (i, token) =>
            {
                var query = new Uri($"{Path}/check?source={pairs[i].Source}&destination={pairs[i].Destination}", UriKind.Relative);
                using var answer = JsonDocument.Parse(await http.GetStringAsync(query, token));
                answers[i] = answer.RootElement.GetProperty("Allowed").GetBoolean();
            });
        return answers;
    }

    // By hand: of those that name the pair the most exact one, the destination before the source. Names of destinations are
    // the same in any case, those of sources are not.
    private (bool Allowed, string Kind) Decide(string source, string destination)
    {
        foreach (var (from, to, kind) in new[]
        {
            (source, destination, "exact"), ("*", destination, "any-exact"), (source, "*", "exact-any"), ("*", "*", "any"),
        })
        {
            foreach (var (key, intention) in _written)
            {
                if (key.Source == from && key.Destination.Equals(to, StringComparison.OrdinalIgnoreCase))
                {
                    return (intention.Action == "allow", $"{kind} {intention.Action}");
                }
            }
        }

        return (DefaultAction == IntentionAction.Allow, "default");
    }

    private sealed record Written(string Id, string Action);
}
