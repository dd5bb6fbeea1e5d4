package register

import (
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"sojourn/cluster/placement"
)

// history walks once, and then lets the members come to rest.
func history(pick func(n int) int, r rules) error {
	w := newWalk(pick, r)
	for range 400 {
		if w.step(); w.err != nil {
			return w.err
		}
	}
	w.calm()
	return w.err
}

func seeded(seed uint64) func(n int) int {
	return rand.New(rand.NewPCG(seed, 0)).IntN
}

// TestOneHistory: whatever the network does to the messages, whoever ends,
// suspects others, takes over or moves the journey, what is decided is one
// history, and in calm the journey goes on if enough of it is left.
func TestOneHistory(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		pick := func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "pick") }
		if err := history(pick, sound()); err != nil {
			rt.Fatal(err)
		}
	})
}

// runs is how many seeded walks the sound rules must stand; a mutant has to be
// caught in as many.
const runs = 5_000

// TestManyHistories is TestOneHistory with evenly drawn choices, which go
// deeper than those that are drawn to be shrunk.
func TestManyHistories(t *testing.T) {
	for seed := range uint64(runs) {
		if err := history(seeded(seed), sound()); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// TestMutants breaks one rule at a time and expects the same walks to tell.
func TestMutants(t *testing.T) {
	for name, mutate := range map[string]func(*rules){
		"no epoch check in accept": func(r *rules) {
			r.accept = func(s Slot, rec *Record) (Slot, Accepted) {
				if newer(rec, s.Record) {
					s.Record = rec
				}
				return s, Accepted{OK: true, Epoch: rec.Epoch}
			}
		},
		"set changed in one step": func(r *rules) {
			r.change = func(rec *Record, want Set) *Record {
				n := Change(rec, want)
				n.Prev = nil
				return n
			}
		},
		"second change before the first is settled": func(r *rules) {
			r.change = func(rec *Record, want Set) *Record {
				n := rec.Next(rec.Epoch)
				n.Replicas, n.Prev = want, rec.Replicas
				return n
			}
		},
		"settled before the change is committed": func(r *rules) {
			r.settle = func(rec *Record, _ bool) *Record {
				if len(rec.Prev) == 0 {
					return nil
				}
				return Settle(rec)
			}
		},
		"forgotten without a stub": func(r *rules) {
			r.leave = func(s Slot, _ *Record) Slot { return Slot{Promised: s.Promised} }
		},
		"stub before the settled record is committed": func(r *rules) { r.early = true },
		"first record found adopted": func(r *rules) {
			r.adopt = func(o Outcome, heard []*Record) *Record {
				if len(heard) == 0 {
					return o.Record
				}
				return heard[0]
			}
		},
		"taken over with counter one": func(r *rules) {
			r.campaign = func(s Slot, self placement.MemberID) (Slot, Epoch) {
				s.Promised = Epoch{s.Promised.Counter + 1, self}
				return s, s.Promised
			}
		},
		"unknown said though not all could be asked": func(r *rules) {
			r.nothing = func(s State) bool { return s != Fenced }
		},
		"suspicion for death":                    func(r *rules) { r.suspicion = true },
		"death learnt while answers are awaited": func(r *rules) { r.late = true },
	} {
		t.Run(name, func(t *testing.T) {
			r := sound()
			mutate(&r)
			for seed := range uint64(runs) {
				if err := history(seeded(seed), r); err != nil {
					t.Logf("seed %d: %.100s", seed, err)
					return
				}
			}
			t.Errorf("not caught in %d walks", runs)
		})
	}
}

// TestWhyAChangeIsSettled: one member is replaced, then another ends. With the
// second write the journey is still there.
func TestWhyAChangeIsSettled(t *testing.T) {
	joint := Change(&Record{Epoch: First("a"), Seq: 1, Replicas: Set{"a", "b", "c"}, Body: []byte("x")}, Set{"a", "b", "d"})
	living := Set{"a", "b", "d"} // c has ended
	if !Quorum(joint, living.Has, nil) {
		t.Fatal("the change cannot be committed")
	}
	living = Set{"a", "d"} // and now b
	if Quorum(joint, living.Has, nil) {
		t.Error("before the second write it would be available: the write is not needed")
	}
	if !Quorum(Settle(joint), living.Has, nil) {
		t.Error("after the second write it is not available")
	}
}
