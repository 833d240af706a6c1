using Quickstart.Services;
using Quickstart.Story;

// Without a role this is the story-teller, which starts the registry and every service as a process of its own.
return args switch
{
    ["--help" or "-h", ..] => Help(),
    ["service", "web", .. var rest] => await WebService.RunAsync(rest),
    ["service", "orders", .. var rest] => await OrdersService.RunAsync(rest),
    ["service", "payments", .. var rest] => await PaymentsService.RunAsync(rest),
    _ => StoryOptions.TryParse(args, out var options, out var problem) ? await StoryTeller.RunAsync(options) : Fail(problem),
};

static int Help()
{
    Console.WriteLine(StoryOptions.HelpText);
    return 0;
}

static int Fail(string? problem)
{
    Console.Error.WriteLine(problem);
    Console.Error.WriteLine(StoryOptions.HelpText);
    return 2;
}
