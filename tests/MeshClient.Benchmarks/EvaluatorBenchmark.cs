using MeshClient.AspNetCore.Inbound;
using MeshClient.Core;
using MeshClient.Core.Intentions;
using MeshClient.Core.Naming;
using Microsoft.AspNetCore.Http;

namespace MeshClient.Benchmarks;

/// <summary>One decision about a call, by intentions on callers alone and on requests.</summary>
internal static class EvaluatorBenchmark
{
    private const string Path = "/v1/orders/4711/lines";
    private static readonly ServiceName Orders = ServiceName.Parse("orders");
    private static readonly HeaderDictionary Headers = new()
    {
        ["Host"] = "orders",
        ["User-Agent"] = "web/1.0",
        ["Accept"] = "application/json",
        ["X-Channel"] = "beta",
        ["X-Tenant"] = "acme-17",
        ["traceparent"] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    };

    // One of each kind, as somebody may have written them for a service of some size; the last one is the one that matches.
    private static readonly IntentionPermission[] Mixed =
    [
        Deny() with { PathPrefix = "/admin" },
        Deny() with { PathRegex = "/internal/.*" },
        Deny() with { Headers = [new HeaderMatch("x-debug", HeaderMatchKind.Present, "")] },
        Allow() with { PathExact = "/healthz" },
        Allow() with { PathExact = "/v1/orders", Methods = ["GET", "POST"] },
        Allow() with { PathRegex = "/v1/orders/[0-9]+", Methods = ["PUT", "DELETE"] },
        Allow() with { PathRegex = "/v2/(orders|carts)/[0-9]+" },
        Allow() with { PathPrefix = "/v1/carts/", Methods = ["GET"] },
        Allow() with { PathPrefix = "/v1/", Headers = [new HeaderMatch("x-tenant", HeaderMatchKind.Exact, "initech")] },
        Allow() with { PathRegex = "/v1/orders/[0-9]+/lines", Methods = ["GET"], Headers = [new HeaderMatch("x-tenant", HeaderMatchKind.Prefix, "acme-")] },
    ];

    private static IntentionVerdict? _sink;

    public static int Run()
    {
        Print.Machine();
        Print.Rows("A caller alone, for a raw connection", Measurement.Compare(
            [.. new[] { 1, 100, 10_000 }.Select(count => Connection($"{count} intentions", Services(count), $"service-{count / 2}"))]));
        Print.Rows("A caller alone, for a request", Measurement.Compare(
            Request("1 intention, exact", Of(Services(1)), "service-0"),
            Request("100 intentions, exact", Of(Services(100)), "service-50"),
            Request("10000 intentions, exact", Of(Services(10_000)), "service-5000"),
            Request("100 intentions, for any caller", Of([.. Services(100), Rule("*", IntentionAction.Allow)]), "stranger"),
            Request("100 intentions, the default", Of(Services(100)), "stranger"),
            Request("one in force and one tried", Of([Rule("*", IntentionAction.Allow), Rule("service-0", IntentionAction.Deny) with { Mode = IntentionMode.Shadow }]), "service-0"),
            Request("global shadow", Of(Services(1), mode: IntentionMode.Shadow), "service-0")));
        Print.Rows("Ten permissions on requests, the last one matches", Measurement.Compare(
            Request("one permission, a prefix", Of(Permissions(Allow() with { PathPrefix = "/v1/" }))),
            Request("exact paths and methods", Of(Permissions([.. Nine(i => Allow() with { PathExact = $"/v1/orders/{i}", Methods = ["GET"] }), Allow() with { PathPrefix = "/v1/" }]))),
            Request("a mix of all kinds", Of(Permissions(Mixed))),
            Request("the mix, denials of paths in any form", Of(Permissions(Mixed), looseDenials: true)),
            Request("headers only", Of(Permissions([.. Nine(i => Allow() with { Headers = [new HeaderMatch("x-tenant", HeaderMatchKind.Exact, $"t{i}")] }), Allow()]))),
            Request("expressions that begin otherwise", Of(Permissions([.. Nine(i => Allow() with { PathRegex = $"/v2/{(char)('a' + i)}[0-9]+/.*" }), Allow()])))));
        Print.Rows("The worst: ten expressions that all have to be run", Measurement.Compare(
            Request("one expression", Of(Permissions(Allow() with { PathRegex = "/v1/[a-z]+/[0-9]+/lines" }))),
            Request("ten, the last one matches", Of(Permissions([.. Nine(i => Allow() with { PathRegex = $"/v1/[a-z]+/[0-9]+/{(char)('a' + i)}" }), Allow() with { PathRegex = "/v1/[a-z]+/[0-9]+/lines" }]))),
            Request("ten denials in any form, none matches", Of(
                Permissions([.. Nine(i => Deny() with { PathRegex = $"/v1/[a-z]+/[0-9]+/{(char)('a' + i)}" }), Deny() with { PathRegex = ".*/secrets?/.*" }, Allow()]), looseDenials: true))));
        return 0;
    }

    private static IntentionPermission Allow() => new() { Action = IntentionAction.Allow };

    private static IntentionPermission Deny() => new() { Action = IntentionAction.Deny };

    private static IEnumerable<IntentionPermission> Nine(Func<int, IntentionPermission> make) => Enumerable.Range(0, 9).Select(make);

    private static Intention Rule(string source, IntentionAction? action) =>
        new() { Id = $"{source}->orders", Source = source, Destination = "orders", Action = action };

    private static Intention[] Services(int count) => [.. Enumerable.Range(0, count).Select(i => Rule($"service-{i}", IntentionAction.Allow))];

    private static Intention[] Permissions(params IntentionPermission[] permissions) => [Rule("web", null) with { Permissions = [.. permissions] }];

    private static IntentionEvaluator Of(Intention[] rules, bool looseDenials = false, IntentionMode mode = IntentionMode.Enforce) =>
        new(new IntentionSnapshot(Orders, EquatableArray.From(rules), null), IntentionAction.Deny, looseDenials, mode);

    private static Variant Connection(string name, Intention[] rules, string source)
    {
        var evaluator = Of(rules);
        return new Variant(name, () => _sink = evaluator.EvaluateConnection(source));
    }

    private static Variant Request(string name, IntentionEvaluator evaluator, string source = "web")
    {
        var headers = new HeaderLookup(Headers);
        return new Variant(name, () => _sink = evaluator.EvaluateRequest(source, "GET", Path, headers));
    }
}
