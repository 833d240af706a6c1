// The programs of the README's tour, in one project so that they are compiled with the rest:
//   dotnet run --project samples/Tour -- registry | orders | web
return args switch
{
    ["registry", .. var rest] => await Tour.Registry.RunAsync(rest),
    ["orders", .. var rest] => await Tour.Orders.RunAsync(rest),
    ["web", .. var rest] => await Tour.Web.RunAsync(rest),
    _ => Help(),
};

static int Help()
{
    Console.Error.WriteLine("Usage: dotnet run --project samples/Tour -- registry | orders | web");
    return 2;
}
