using Quickstart.Services;
using Quickstart.Story;

// Without a role this is the story-teller, which starts the registry and every service as a process of its own.
switch (args)
{
    case ["service", "web", .. var rest]:
        await WebService.RunAsync(rest);
        return 0;
    case ["service", "orders", .. var rest]:
        await OrdersService.RunAsync(rest);
        return 0;
    case ["service", "payments", .. var rest]:
        await PaymentsService.RunAsync(rest);
        return 0;
    case ["--help" or "-h"]:
        Console.WriteLine(StoryOptions.HelpText);
        return 0;
    default:
        if (StoryOptions.TryParse(args, out var options, out var problem))
        {
            return await StoryTeller.RunAsync(options);
        }

        Console.Error.WriteLine(problem);
        Console.Error.WriteLine(StoryOptions.HelpText);
        return 2;
}
