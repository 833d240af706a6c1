using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using MeshClient.Configuration;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Identity;
using MeshClient.Core.Naming;
using MeshClient.Identity;
using MeshClient.Testing;
using MeshClient.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace MeshClient.Tests.Identity;

public sealed class SigningLeafSourceTests : IDisposable
{
    private static readonly ServiceName Orders = ServiceName.Parse("orders");
    private static readonly TimeSpan Spread = TimeSpan.FromSeconds(10);

    private readonly FakeTimeProvider _time = new(TimeProvider.System.GetUtcNow());
    private readonly TestCertificateAuthority _authority;
    private readonly Signer _signer;
    private readonly InMemoryControlPlane _others;

    public SigningLeafSourceTests()
    {
        _authority = new TestCertificateAuthority(clock: _time);
        _signer = new Signer(_authority);
        _others = new InMemoryControlPlane(_authority);
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _others.Dispose();
        _authority.Dispose();
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(LeafKeyType.EcdsaP256, 256)]
    [InlineData(LeafKeyType.EcdsaP384, 384)]
    [InlineData(LeafKeyType.Rsa2048, 2048)]
    [InlineData(LeafKeyType.Rsa3072, 3072)]
    public async Task Read_First_IsSignedForAKeyMadeHere(LeafKeyType type, int bits)
    {
        using var leaf = (await Create(type: type).ReadLeafAsync(Orders, 0, Token)).Value;
        Assert.Equal(_authority.IdOf(Orders), leaf.Id);
        using AsymmetricAlgorithm key = (AsymmetricAlgorithm?)leaf.Certificate.GetECDsaPrivateKey() ?? leaf.Certificate.GetRSAPrivateKey()!;
        Assert.Equal(bits, key.KeySize);
        Assert.DoesNotContain("PRIVATE", Assert.Single(_signer.Requests), StringComparison.Ordinal);
        Assert.Equal(0, _others.LeafReads(Orders));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Read_Renewal_ComesAtARandomPointOf60To90Percent()
    {
        _signer.Lifetime = TimeSpan.FromMinutes(101);
        var moments = new List<double>();
        for (var seed = 1UL; seed <= 40; seed++)
        {
            var source = Create(seed: seed);
            var first = await source.ReadLeafAsync(Orders, 0, Token);
            var begin = _time.GetUtcNow();
            var next = source.ReadLeafAsync(Orders, first.Index, Token);
            while (!next.IsCompleted)
            {
                await Eventually.HoldsAsync(() => next.IsCompleted || _time.ActiveTimers > 0);
                _time.Advance(_time.NextDueIn ?? TimeSpan.Zero);
            }

            moments.Add((_time.GetUtcNow() - begin) / TimeSpan.FromMinutes(100));
            var second = await next;
            Assert.NotEqual(first.Value, second.Value);
            Assert.NotEqual(first.Value.Certificate.GetPublicKeyString(), second.Value.Certificate.GetPublicKeyString());
            Assert.True(second.Index > first.Index);
        }

        Assert.All(moments, moment => Assert.InRange(moment, 0.6, 0.93));
        Assert.InRange(moments.Max() - moments.Min(), 0.15, 0.35);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task NoteRoots_AnotherRootSigns_RenewsWithinTheSpreadAndNotOtherwise()
    {
        var source = Create();
        source.NoteRoots(_authority.Bundle);
        var first = await source.ReadLeafAsync(Orders, 0, Token);
        var next = source.ReadLeafAsync(Orders, first.Index, Token);
        source.NoteRoots(_authority.Bundle);
        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.False(next.IsCompleted);

        _authority.Rotate();
        source.NoteRoots(_authority.Bundle);
        Assert.False(next.IsCompleted);
        // Armed anew by now; the moment lies within the spread.
        await Eventually.HoldsAsync(() => _time.NextDueIn <= Spread, "the renewal to be due");
        _time.Advance(Spread);
        await next.BoundedAsync();
        Assert.True((await next).Value.IsUnder(_authority.Bundle.SigningRoot!));
        Assert.False(first.Value.IsUnder(_authority.Bundle.SigningRoot!));

        // The old root goes, which is no reason to renew once more.
        var last = source.ReadLeafAsync(Orders, (await next).Index, Token);
        _authority.RetireOldRoots();
        source.NoteRoots(_authority.Bundle);
        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.False(last.IsCompleted);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Read_SignerFails_LeavesTheLeafInForceAndTriesAgain()
    {
        var source = Create();
        var first = await source.ReadLeafAsync(Orders, 0, Token);
        _signer.Failure = new ControlPlaneException(ControlPlaneFailure.Unreachable, "The CA is away.");

        // A read from the beginning, as after a failure of any kind, gives what there is.
        Assert.Same(first.Value, (await source.ReadLeafAsync(Orders, 0, Token)).Value);
        _time.Advance(TimeSpan.FromHours(66));
        await Assert.ThrowsAsync<ControlPlaneException>(() => source.ReadLeafAsync(Orders, first.Index, Token));
        await Assert.ThrowsAsync<ControlPlaneException>(() => source.ReadLeafAsync(Orders, 0, Token));

        _signer.Failure = null;
        Assert.NotEqual(first.Value, (await source.ReadLeafAsync(Orders, 0, Token)).Value);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Read_RequestsAreNotSigned_TakesTheOthersUntilTheyAre()
    {
        _signer.IsOffered = false;
        var source = Create();
        var first = await source.ReadLeafAsync(Orders, 0, Token);
        var next = source.ReadLeafAsync(Orders, first.Index, Token);
        _others.RenewLeaves();
        var second = await next.BoundedAsync();
        Assert.NotEqual(first.Value, second.Value);
        Assert.Equal(2, _others.LeafReads(Orders));
        Assert.Single(_signer.Requests);

        _signer.IsOffered = true;
        var own = await source.ReadLeafAsync(Orders, 0, Token);
        Assert.Equal(2, _others.LeafReads(Orders));
        Assert.NotEqual(second.Value, own.Value);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Read_RequestsAreDemandedAndNotSigned_Fails(bool withSigner)
    {
        _signer.IsOffered = false;
        var source = new SigningLeafSource(
            withSigner ? _signer : null, _others, isDemanded: true, LeafKeyType.EcdsaP256, Spread, _time, new MeshRandom(1), NullLogger.Instance);
        var failure = await Assert.ThrowsAsync<ControlPlaneException>(() => source.ReadLeafAsync(Orders, 0, Token));
        Assert.Equal(ControlPlaneFailure.Rejected, failure.Failure);
        Assert.Contains("Mesh:Identity:SigningRequests", failure.Message, StringComparison.Ordinal);
        Assert.Equal(0, _others.LeafReads(Orders));
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData("service")]
    [InlineData("key")]
    [InlineData("nothing")]
    public async Task Read_SomethingElseIsSigned_IsRefused(string flaw)
    {
        _signer.Spoil = chain => flaw switch
        {
            "service" => _authority.Sign(ServiceName.Parse("other"), _signer.Requests[^1]),
            "key" => [X509CertificateLoader.LoadCertificate(_authority.IssueLeaf(Orders).Certificate.RawData)],
            _ => [],
        };
        var failure = await Assert.ThrowsAsync<ControlPlaneException>(() => Create().ReadLeafAsync(Orders, 0, Token));
        Assert.Equal(ControlPlaneFailure.Malformed, failure.Failure);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Read_WhatIsSignedHasEndedAlready_IsAFailureAndTheLeafInForceStays()
    {
        var source = Create();
        var first = await source.ReadLeafAsync(Orders, 0, Token);
        _time.Advance(TimeSpan.FromHours(66));
        // Certificates begin a minute before they are made.
        _signer.Lifetime = TimeSpan.FromSeconds(30);

        var failure = await Assert.ThrowsAsync<ControlPlaneException>(() => source.ReadLeafAsync(Orders, first.Index, Token));

        Assert.Equal(ControlPlaneFailure.Malformed, failure.Failure);
        Assert.Contains("clock", failure.Message, StringComparison.Ordinal);
        Assert.True(first.Value.Certificate.HasPrivateKey);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData("nearly ended")]
    [InlineData("another root")]
    public async Task Read_WhatIsSignedIsDueAtOnce_IsAskedForLessAndLessOftenUntilItIsGood(string flaw)
    {
        using var another = new TestCertificateAuthority(clock: _time);
        // Certificates begin a minute before they are made.
        _signer.Lifetime = flaw == "nearly ended" ? TimeSpan.FromSeconds(61) : _signer.Lifetime;
        _signer.Spoil = chain => flaw == "another root" ? another.Sign(Orders, _signer.Requests[^1]) : chain;
        var source = Create(spread: TimeSpan.Zero);
        source.NoteRoots(_authority.Bundle);

        var index = await ReadForAsync(source, 0, TimeSpan.FromMinutes(10));
        // 1 + 2 + 4 + 8 + 16 + 32 s, and then every minute.
        Assert.InRange(_signer.Requests.Count, 10, 18);

        (_signer.Lifetime, _signer.Spoil) = (TestCertificateAuthority.DefaultLeafLifetime, chain => chain);
        index = await ReadForAsync(source, index, RenewalPace.LongestPause);
        var before = _signer.Requests.Count;
        await ReadForAsync(source, index, TimeSpan.FromHours(12));
        Assert.Equal(before, _signer.Requests.Count);
    }

    // Reads as the watch does, for some time by the clock.
    private async Task<ulong> ReadForAsync(SigningLeafSource source, ulong index, TimeSpan time)
    {
        var end = _time.GetUtcNow() + time;
        while (true)
        {
            using var stop = new CancellationTokenSource();
            var read = source.ReadLeafAsync(Orders, index, stop.Token);
            while (!read.IsCompleted && _time.GetUtcNow() < end)
            {
                await Eventually.HoldsAsync(() => read.IsCompleted || _time.ActiveTimers > 0);
                var (due, left) = (_time.NextDueIn ?? TimeSpan.Zero, end - _time.GetUtcNow());
                _time.Advance(due < left ? due : left);
            }

            if (!read.IsCompleted)
            {
                await stop.CancelAsync();
                await Assert.ThrowsAnyAsync<OperationCanceledException>(() => read);
                return index;
            }

            index = (await read).Index;
        }
    }

    private SigningLeafSource Create(ulong seed = 1, LeafKeyType type = LeafKeyType.EcdsaP256, TimeSpan? spread = null) =>
        new(_signer, _others, isDemanded: false, type, spread ?? Spread, _time, new MeshRandom(seed), NullLogger.Instance);

    /// <summary>Signs, or does what it is told instead.</summary>
    private sealed class Signer(TestCertificateAuthority authority) : ICertificateSigner
    {
        public List<string> Requests { get; } = [];

        public bool IsOffered { get; set; } = true;

        public ControlPlaneException? Failure { get; set; }

        public TimeSpan Lifetime { get; set; } = TestCertificateAuthority.DefaultLeafLifetime;

        public Func<IReadOnlyList<X509Certificate2>, IReadOnlyList<X509Certificate2>> Spoil { get; set; } = chain => chain;

        public Task<IReadOnlyList<X509Certificate2>?> SignAsync(ServiceName service, string requestPem, CancellationToken cancellationToken)
        {
            Requests.Add(requestPem);
            return Failure is null
                ? Task.FromResult(IsOffered ? Spoil(authority.Sign(service, requestPem, lifetime: Lifetime)) : null)
                : Task.FromException<IReadOnlyList<X509Certificate2>?>(Failure);
        }
    }
}
