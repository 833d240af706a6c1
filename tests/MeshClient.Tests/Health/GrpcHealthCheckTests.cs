using FsCheck;
using FsCheck.Fluent;
using MeshClient.Health;

namespace MeshClient.Tests.Health;

public sealed class GrpcHealthCheckTests
{
    [Theory]
    [InlineData("", "0000000000")]
    [InlineData("orders", "00000000080A066F7264657273")]
    public void Request_Service_IsItsMessageInAFrame(string service, string expected) =>
        Assert.Equal(expected, Convert.ToHexString(GrpcHealthCheck.Request(service)));

    [Fact]
    public void Request_LongName_HasALengthOfTwoBytes() =>
        Assert.StartsWith("00000000CB0AC801", Convert.ToHexString(GrpcHealthCheck.Request(new string('x', 200))), StringComparison.Ordinal);

    [Theory]
    [InlineData("00000000020801", true)]
    [InlineData("00000000021001", false)]
    [InlineData("00000000020802", false)]
    [InlineData("00000000020800", false)]
    [InlineData("0000000000", false)]
    [InlineData("0100000002 0801", false)]
    [InlineData("00000000030801", false)]
    [InlineData("000000000208", false)]
    [InlineData("", false)]
    // Unknown fields of each kind before, and the status twice, of which the last counts.
    [InlineData("00000000061203414243 08", false)]
    [InlineData("000000000712034142430801", true)]
    [InlineData("00000000040802 0801", true)]
    [InlineData("000000000B19010203040506070808 01", true)]
    [InlineData("00000000071D010203040801", true)]
    [InlineData("00000000020B01", false)]
    public void IsServing_Answer_IsRead(string answer, bool expected) =>
        Assert.Equal(expected, GrpcHealthCheck.IsServing(Convert.FromHexString(answer.Replace(" ", string.Empty, StringComparison.Ordinal))));

    [Fact]
    public void IsServing_AnyBytes_NeverThrows() =>
        Prop.ForAll<byte[]>(bytes =>
        {
            GrpcHealthCheck.IsServing(bytes);
            byte[] framed = [0, 0, 0, 0, (byte)bytes.Length, .. bytes];
            GrpcHealthCheck.IsServing(framed);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(1000));
}
