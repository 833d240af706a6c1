using System.Reflection;
using MeshClient.Server.Hosting;
using Microsoft.Extensions.Logging;

namespace MeshClient.Server.Tests.Hosting;

public sealed class LogTests
{
    [Fact]
    public void EventIds_AreEachOfOneEvent()
    {
        var events = typeof(Log).GetMethods(BindingFlags.Static | BindingFlags.Public)
            .Select(method => (method.Name, method.GetCustomAttribute<LoggerMessageAttribute>()!.EventId)).ToList();
        Assert.NotEmpty(events);
        Assert.DoesNotContain(events.GroupBy(one => one.EventId), group => group.Count() > 1);
    }
}
