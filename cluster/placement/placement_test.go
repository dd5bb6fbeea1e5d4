package placement_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"sojourn/cluster/placement"
)

func key(n uint64) (k [16]byte) {
	binary.BigEndian.PutUint64(k[8:], n)
	return k
}

func members(n int) []placement.Member {
	out := make([]placement.Member, n)
	for i := range out {
		// Names that differ in one digit, as ports do: a weak mix shows here.
		out[i] = placement.Member{ID: placement.MemberID(fmt.Sprintf("127.0.0.1:808%d", i))}
	}
	return out
}

func TestOwnerIsFirstOfRank(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := members(rapid.IntRange(1, 9).Draw(t, "members"))
		for i := range all {
			all[i].Draining = rapid.Bool().Draw(t, "draining")
			all[i].Starting = rapid.Bool().Draw(t, "starting")
		}
		v := placement.NewView(1, all...)
		k := key(rapid.Uint64().Draw(t, "key"))
		ranked := v.Rank(k, len(all))
		owner, ok := v.Owner(k)
		if !ok || owner.ID != ranked[0].ID {
			t.Fatalf("owner %v, first of rank %v", owner.ID, ranked[0].ID)
		}
		seen := map[placement.MemberID]bool{}
		for i, m := range ranked {
			if seen[m.ID] {
				t.Fatalf("%v ranks twice", m.ID)
			}
			seen[m.ID] = true
			if p := ranked[max(i-1, 0)]; (p.Draining || p.Starting) && !m.Draining && !m.Starting {
				t.Fatalf("%v, which leaves or is not ready, ranks before %v", p.ID, m.ID)
			}
		}
	})
}

// TestHomeIsTheOwnerBeforeAnybodyLeft: when members start to drain, home stays.
func TestHomeIsTheOwnerBeforeAnybodyLeft(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := members(rapid.IntRange(1, 9).Draw(t, "members"))
		k := key(rapid.Uint64().Draw(t, "key"))
		owner, _ := placement.NewView(1, all...).Owner(k)
		for i := range all {
			all[i].Draining = rapid.Bool().Draw(t, "draining")
		}
		v := placement.NewView(2, all...)
		home, ok := v.Home(k)
		if !ok || home.ID != owner.ID {
			t.Fatalf("home %v, want %v", home.ID, owner.ID)
		}
		if m, ok := v.Member(home.ID); !ok || m != home {
			t.Fatalf("member %v is %v, %v", home.ID, m, ok)
		}
		if m, ok := v.Member("nobody"); ok {
			t.Fatalf("found %v", m)
		}
	})
}

// TestOrderOfMembersDoesNotMatter: views with the same members rank alike,
// however their members arrived.
func TestOrderOfMembersDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := members(5)
		shuffled := rapid.Permutation(all).Draw(t, "order")
		k := key(rapid.Uint64().Draw(t, "key"))
		a, b := placement.NewView(1, all...).Rank(k, 5), placement.NewView(2, shuffled...).Rank(k, 5)
		for i := range a {
			if a[i].ID != b[i].ID {
				t.Fatalf("rank %d is %v or %v", i, a[i].ID, b[i].ID)
			}
		}
	})
}

// TestOnlyTheLostMembersKeysMove is what rendezvous hashing is for: the rank
// without a member is the rank with it, less that member.
func TestOnlyTheLostMembersKeysMove(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := members(rapid.IntRange(2, 8).Draw(t, "members"))
		lost := rapid.IntRange(0, len(all)-1).Draw(t, "lost")
		k := key(rapid.Uint64().Draw(t, "key"))
		before := placement.NewView(1, all...).Rank(k, len(all))
		rest := append(append([]placement.Member(nil), all[:lost]...), all[lost+1:]...)
		after := placement.NewView(2, rest...).Rank(k, len(rest))
		i := 0
		for _, m := range before {
			if m.ID == all[lost].ID {
				continue
			}
			if after[i].ID != m.ID {
				t.Fatalf("after losing %v, rank %d is %v, want %v", all[lost].ID, i, after[i].ID, m.ID)
			}
			i++
		}
	})
}

func TestKeysAreSpreadEvenly(t *testing.T) {
	const keys = 60_000
	for _, n := range []int{2, 3, 5} {
		v := placement.NewView(1, members(n)...)
		owned := map[placement.MemberID]int{}
		for i := range uint64(keys) {
			m, _ := v.Owner(key(i))
			owned[m.ID]++
		}
		// Five standard deviations of a fair share.
		share := float64(keys) / float64(n)
		slack := 5 * math.Sqrt(share*(1-1/float64(n)))
		for id, count := range owned {
			if math.Abs(float64(count)-share) > slack {
				t.Errorf("of %d keys %s owns %d, a fair share is %.0f±%.0f", keys, id, count, share, slack)
			}
		}
	}
}

// TestReplicas: a set has the first members by rank of those that do not drain,
// compared with sorting and filtering.
func TestReplicas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := members(rapid.IntRange(0, 7).Draw(t, "members"))
		for i := range all {
			all[i].Protocol = rapid.IntRange(1, 3).Draw(t, "protocol")
			all[i].Draining = rapid.Bool().Draw(t, "draining")
			all[i].Starting = rapid.Bool().Draw(t, "starting")
		}
		v := placement.NewView(1, all...)
		k, n := key(rapid.Uint64().Draw(t, "key")), rapid.IntRange(1, 5).Draw(t, "n")
		var want []placement.MemberID
		take := func(draining bool) {
			for _, m := range v.Rank(k, len(all)) {
				if m.Protocol >= placement.ReplicaProtocol && m.Draining == draining && len(want) < n {
					want = append(want, m.ID)
				}
			}
		}
		if take(false); len(want) == 0 {
			take(true)
		}
		if got := v.Replicas(nil, k, n); !slices.Equal(got, want) {
			t.Fatalf("the set of %d among %+v is %v, want %v", n, all, got, want)
		}
	})
}

// TestNothingLivesAtAStartingMember: home is not a member that is not ready,
// unless there is no other.
func TestNothingLivesAtAStartingMember(t *testing.T) {
	all := members(3)
	for i := range uint64(100) {
		old, _ := placement.NewView(1, all[:2]...).Home(key(i))
		all[2].Starting = true
		if now, _ := placement.NewView(1, all...).Home(key(i)); now.ID != old.ID {
			t.Fatalf("home moved from %v to %v", old.ID, now.ID)
		}
		if alone, ok := placement.NewView(1, all[2]).Home(key(i)); !ok || alone.ID != all[2].ID {
			t.Fatalf("home among one that starts is %v", alone.ID)
		}
	}
}

func TestEmptyView(t *testing.T) {
	var v placement.View
	_, owned := v.Owner(key(1))
	_, home := v.Home(key(1))
	if owned || home || len(v.Rank(key(1), 3)) != 0 {
		t.Error("an empty view owns keys")
	}
}

func TestOwnerAllocatesNothing(t *testing.T) {
	v := placement.NewView(1, members(5)...)
	if n := testing.AllocsPerRun(100, func() { v.Owner(key(7)) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	able := members(5)
	for i := range able {
		able[i].Protocol = placement.ReplicaProtocol
	}
	v = placement.NewView(1, able...)
	var set [3]placement.MemberID
	if n := testing.AllocsPerRun(100, func() {
		if got := v.Replicas(set[:0], key(7), len(set)); len(got) != len(set) {
			t.Fatalf("%d replicas", len(got))
		}
	}); n != 0 {
		t.Errorf("%v allocations for a set", n)
	}
}

func BenchmarkOwner(b *testing.B) {
	v := placement.NewView(1, members(3)...)
	b.ReportAllocs()
	for b.Loop() {
		v.Owner(key(7))
	}
}

func TestSpeaks(t *testing.T) {
	view := placement.NewView(1, placement.Member{ID: "a", Protocol: 2}, placement.Member{ID: "b", Protocol: 1})
	for protocol, want := range map[int]bool{0: true, 1: true, 2: false} {
		if got := view.Speaks(protocol); got != want {
			t.Errorf("protocol %d: %t", protocol, got)
		}
	}
}
