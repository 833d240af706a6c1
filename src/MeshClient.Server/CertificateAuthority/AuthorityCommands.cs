using System.Collections.Immutable;
using MeshClient.Server.State;

namespace MeshClient.Server.CertificateAuthority;

/// <summary>Gives a server that never had one an authority.</summary>
internal sealed record InitializeAuthority(
    string TrustDomain, string RootPem, string PrivateKeyPem, CaConfiguration Configuration) : StateCommand
{
    public override ServerState Apply(ServerState state, StateChange change)
    {
        if (state.Authority is not null)
        {
            return state;
        }

        change.Touch(Topic.Roots);
        return state.WithAuthority(
            new AuthorityState
            {
                TrustDomain = TrustDomain,
                Roots =
                [
                    new CaRoot(RootPem, PrivateKeyPem)
                    {
                        LongestLeafLifetime = Configuration.LeafLifetime,
                        CreateIndex = change.Index,
                        ModifyIndex = change.Index,
                    },
                ],
                Configuration = Configuration with { CreateIndex = change.Index, ModifyIndex = change.Index },
                RootsIndex = change.Index,
            },
            change);
    }

    public override string ToString() => nameof(InitializeAuthority);
}

/// <summary>A new root and how it is bridged to the one it replaces.</summary>
internal sealed record RootReplacement(string RootPem, string PrivateKeyPem, ImmutableArray<string> IntermediatePems)
{
    public override string ToString() => nameof(RootReplacement);
}

/// <summary>Changes how the authority works and, with a replacement, which root signs.</summary>
/// <param name="Configuration">The new configuration.</param>
/// <param name="Replacement">The root that signs from now on; null: as before.</param>
/// <param name="ExpectedRootId">The root the replacement was made to follow; another one meanwhile refuses the change.</param>
/// <param name="At">When.</param>
internal sealed record ConfigureAuthority(
    CaConfiguration Configuration, RootReplacement? Replacement, string ExpectedRootId, DateTimeOffset At) : StateCommand
{
    public override ServerState Apply(ServerState state, StateChange change)
    {
        var authority = state.Authority!;
        var next = authority with
        {
            Configuration = Configuration with { CreateIndex = authority.Configuration.CreateIndex, ModifyIndex = change.Index },
        };
        if (Replacement is null)
        {
            next = next with { Roots = authority.Roots.SetItem(0, authority.Active.Signing(Configuration.LeafLifetime)) };
        }
        else
        {
            if (authority.Active.Id != ExpectedRootId)
            {
                throw new RequestRefusedException(409, "The root was replaced by another request at the same time; try again.");
            }

            var root = new CaRoot(Replacement.RootPem, Replacement.PrivateKeyPem)
            {
                IntermediatePems = Replacement.IntermediatePems,
                LongestLeafLifetime = Configuration.LeafLifetime,
                CreateIndex = change.Index,
                ModifyIndex = change.Index,
            };
            if (authority.Roots.FirstOrDefault(old => old.Id == root.Id) is { } former)
            {
                // In use before, and leaves of then may still be valid.
                root = root.Signing(former.LongestLeafLifetime);
            }

            next = next with
            {
                Roots = [root, authority.Active.Replaced(At, change.Index), .. authority.Roots.Skip(1).Where(old => old.Id != root.Id)],
                RootsIndex = change.Index,
                RotatedAt = At,
            };
            change.Touch(Topic.Roots);
        }

        return state.WithAuthority(next, change);
    }

    public override string ToString() => nameof(ConfigureAuthority);
}

/// <summary>Drops the roots whose time has come: no leaf of theirs is valid any more.</summary>
internal sealed record RetireRoots(DateTimeOffset At) : StateCommand
{
    public override ServerState Apply(ServerState state, StateChange change)
    {
        var authority = state.Authority!;
        var keep = authority.Roots.RemoveAll(root => root.RetireAt < At);
        if (keep.Length == authority.Roots.Length)
        {
            return state;
        }

        // Nobody comes over a bridge any more that leads to none but roots that are gone. Kept, they would be sent with every
        // leaf, more with each rotation.
        keep = [.. keep.Select(root => root.BridgedBy(RootFactory.BridgesTo(keep, root.IntermediatePems), change.Index))];
        change.Touch(Topic.Roots);
        return state.WithAuthority(authority with { Roots = keep, RootsIndex = change.Index }, change);
    }
}

/// <summary>Keeps a new certificate of a service, and lets go of those that have expired unrenewed.</summary>
internal sealed record StoreLeaf(LeafRecord Leaf, ImmutableArray<string> Expired) : StateCommand
{
    public override bool IsSoft => true;

    public override ServerState Apply(ServerState state, StateChange change)
    {
        change.Touch(Topic.Leaf(Leaf.Service));
        return state with
        {
            Leaves = state.Leaves.RemoveRange(Expired).SetItem(Leaf.Service, Leaf with { Index = change.Index }),
        };
    }

    public override string ToString() => $"{nameof(StoreLeaf)} {Leaf}";
}
