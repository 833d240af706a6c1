using MeshClient.Consul.Tests.Fakes;

namespace MeshClient.Consul.Tests;

public sealed class ConsulOptionsTests
{
    [Theory]
    [InlineData("127.0.0.1:8500", "http://127.0.0.1:8500/")]
    [InlineData(" consul:8500 ", "http://consul:8500/")]
    [InlineData("localhost", "http://localhost/")]
    [InlineData("[::1]:8500", "http://[::1]:8500/")]
    [InlineData("http://consul:8500", "http://consul:8500/")]
    [InlineData("HTTPS://consul:8501/eu", "https://consul:8501/eu")]
    public void Parse_UsualNotation_IsRead(string text, string expected) => Assert.Equal(expected, ConsulAddress.Parse(text).AbsoluteUri);

    [Theory]
    [InlineData("")]
    [InlineData("http://")]
    [InlineData("unix:///var/run/consul.sock")]
    [InlineData("ftp://consul:8500")]
    [InlineData("consul:port")]
    [InlineData("consul:99999")]
    [InlineData("http://consul:8500?a=b")]
    [InlineData("http://consul:8500#x")]
    [InlineData("http://user:hunter2@consul:8500")]
    public void Parse_OtherText_SaysWhatIsWrongWithoutSecrets(string text)
    {
        var e = Assert.Throws<FormatException>(() => ConsulAddress.Parse(text));

        Assert.StartsWith("The Consul address ", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void FindProblems_Defaults_AreFine()
    {
        var options = new ConsulOptions();

        Assert.Empty(options.FindProblems());
        Assert.Equal(new Uri("http://127.0.0.1:8500"), options.Address);
        Assert.Equal(TimeSpan.FromMinutes(5), options.Wait);
        Assert.Equal(TimeSpan.FromSeconds(10), options.RequestTimeout);
        Assert.Equal(64, options.MaxParkedQueries);
    }

    [Fact]
    public void Construct_SeveralMistakes_NamesThemAllWithoutTheToken()
    {
        var options = new ConsulOptions
        {
            Address = new Uri("/relative", UriKind.Relative),
            Token = "secret\r\nX-Evil: 1",
            CaFile = "/no/such/roots.pem",
            Datacenter = "dc1&stale",
            Wait = TimeSpan.FromMilliseconds(999),
            RequestTimeout = TimeSpan.Zero,
            MaxParkedQueries = 181,
        };

        var e = Assert.Throws<ArgumentException>(() => new ConsulControlPlane(options, TimeProvider.System));

        Assert.Equal(7, options.FindProblems().Count);
        Assert.All(
            ["Address", "Token", "CaFile", "Datacenter", "Wait", "RequestTimeout", "MaxParkedQueries"],
            name => Assert.Contains(name, e.Message, StringComparison.Ordinal));
        Assert.DoesNotContain("secret", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("http://10.1.2.3:8500", 1)]
    [InlineData("https://10.1.2.3:8501", 0)]
    [InlineData("http://127.0.0.1:8500", 0)]
    [InlineData("http://localhost:8500", 0)]
    public void Construct_AddressElsewhereWithoutTls_IsWarnedAbout(string address, int warnings)
    {
        var logger = new RecordingLogger();

        using var plane = new ConsulControlPlane(new ConsulOptions { Address = new Uri(address) }, TimeProvider.System, logger);

        Assert.Equal(warnings, logger.Entries.Count);
    }

    [Fact]
    public void FindProblems_CaFileWithoutCertificate_SaysSo()
    {
        var file = Path.GetTempFileName();
        try
        {
            var problem = Assert.Single(new ConsulOptions { CaFile = file }.FindProblems());

            Assert.Contains("holds no certificate", problem, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(file);
        }
    }
}
