using System.Reflection;
using MeshClient.Server.Hosting;
using Microsoft.Extensions.Logging;

namespace MeshClient.Server.Tests.Hosting;

/// <summary>What those who read the logs by id rely on.</summary>
public sealed class LogTests
{
    [Fact]
    public void Messages_OfTheServer_HaveAnIdEach()
    {
        var ids = typeof(Log).GetMethods(BindingFlags.Public | BindingFlags.Static)
            .Select(method => method.GetCustomAttribute<LoggerMessageAttribute>()?.EventId).ToList();
        Assert.True(ids.Count > 20);
        Assert.DoesNotContain(null, ids);
        Assert.Equal(ids.Distinct().Order(), ids.Order());
    }
}
