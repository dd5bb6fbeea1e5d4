package actors

import (
	"encoding/binary"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sojourn/actors/internal/register"
	"sojourn/actors/journey"
	"sojourn/cluster/placement"
)

func idOf(n uint64) (id journey.ID) {
	binary.BigEndian.PutUint64(id[8:], n)
	id[1] = byte(n) // spreads over the shards
	return id
}

// recordOf is a record under the first epoch of a member.
func recordOf(writer placement.MemberID, seq uint64, kind bodyKind, expires time.Time) *register.Record {
	b := body{kind: kind, step: uint32(seq), expires: expires, replicas: 3} //nolint:gosec // small
	if kind > waits {
		b.end = &ended{message: "over"}
	}
	return &register.Record{
		Epoch: register.First(writer), Seq: seq, Replicas: register.Set{"a", "b", "c"}, Expires: ceil(expires), Body: b.encode(),
	}
}

func (s *slots) take1(id journey.ID, r *register.Record, now time.Time) bool {
	return s.accept(id, r, register.AppendRecord(nil, r), now).OK
}

func TestSlotsKeepWhatRegisterSays(t *testing.T) {
	s, now := newSlots(10, 10), time.Unix(1000, 0)
	id, end := idOf(1), now.Add(time.Minute)
	one, two := recordOf("a", 1, waits, end), recordOf("a", 2, waits, end)
	if !s.take1(id, two, now) || !s.take1(id, one, now) {
		t.Error("records of the promised epoch were refused")
	}
	if got := s.get(id); got.Record.Compare(two) != 0 || got.Record.String() != two.String() || got.certain {
		t.Errorf("kept %v, certain %v", got.Record, got.certain)
	}
	later := register.Epoch{Counter: 5, Member: "b"}
	if said := s.promise(id, later, end.Unix()); !said.OK || said.Record == nil {
		t.Errorf("promise: %+v", said)
	}
	said := s.accept(id, recordOf("a", 3, waits, end), nil, now)
	if said.OK || said.Epoch != later {
		t.Errorf("a record of a fenced epoch: %+v", said)
	}
	if said := s.propose(id, recordOf("a", 3, waits, end), nil, false, false, now); said.OK {
		t.Error("a fenced leader went on")
	}
	if e, h := s.campaign(id, "a", end.Unix()); e.Compare(later) <= 0 || h.Record.Compare(two) != 0 {
		t.Errorf("campaign: %+v with %v", e, h.Record)
	}
	s.settle(id, one)
	if s.get(id).certain {
		t.Error("a record is certain because an older one is")
	}
	s.settle(id, two)
	if !s.get(id).certain || s.waiting.Load() != 1 || s.ended.Load() != 0 {
		t.Errorf("%+v, %d waiting, %d ended", s.get(id), s.waiting.Load(), s.ended.Load())
	}
}

// TestSlotsForgetTheOldestEnds: beyond the limit, and never a journey that
// waits or what was promised.
func TestSlotsForgetTheOldestEnds(t *testing.T) {
	s, start := newSlots(100, 5), time.Unix(1000, 0)
	waiting, promised := idOf(99), idOf(98)
	s.take1(waiting, recordOf("a", 1, waits, start.Add(time.Minute)), start)
	s.promise(promised, register.First("b"), start.Add(time.Minute).Unix())
	for n := range uint64(8) {
		at := start.Add(time.Duration(n) * time.Second)
		s.take1(idOf(n), recordOf("a", 1, failed, at.Add(5*time.Minute)), at)
	}
	s.sweep(start.Add(10 * time.Second))
	if s.ended.Load() != 5 {
		t.Errorf("%d ended journeys known, want 5", s.ended.Load())
	}
	for n := range uint64(8) {
		if known := s.knows(idOf(n)); known != (n >= 4) {
			t.Errorf("journey %d known: %v", n, known)
		}
	}
	if !s.knows(waiting) || !s.knows(promised) {
		t.Error("a waiting journey or a promise was forgotten with the ended ones")
	}
}

func TestSlotsAreBounded(t *testing.T) {
	s, now := newSlots(4, 10), time.Unix(1000, 0)
	for n := range uint64(8) {
		r := recordOf("a", 1, waits, now.Add(time.Minute))
		if said := s.accept(idOf(n), r, register.AppendRecord(nil, r), now); said.OK != (n < 5) || said.Full == said.OK {
			t.Errorf("copy %d: %+v", n, said)
		}
	}
	if !s.full() {
		t.Error("a journey could begin")
	}
	if !s.take1(idOf(1), recordOf("a", 2, waits, now.Add(time.Minute)), now) {
		t.Error("a journey that is here cannot go on")
	}
}

// TestSlotsAgainstModel compares slots, through records and the passing of time,
// with a plain map of what must be known.
func TestSlotsAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSlots(1<<20, 1<<20)
		now := time.Unix(1_000_000, 0)
		type fact struct {
			r       *register.Record
			kind    bodyKind
			since   time.Time
			certain bool
		}
		model, past := map[journey.ID]fact{}, map[journey.ID]bool{}
		for range rapid.IntRange(1, 60).Draw(t, "operations") {
			id := idOf(rapid.Uint64Range(0, 9).Draw(t, "id"))
			switch rapid.IntRange(0, 2).Draw(t, "operation") {
			case 0, 1:
				old, known := model[id]
				if known && old.kind > waits || past[id] {
					continue // nothing follows an end, and no id is used twice
				}
				kind := rapid.SampledFrom([]bodyKind{waits, waits, decided, failed}).Draw(t, "kind")
				seq, expires := uint64(1), now.Add(time.Duration(rapid.IntRange(1, 300).Draw(t, "life"))*time.Second)
				if known {
					seq, expires = old.r.Seq+1, time.Unix(old.r.Expires, 0)
				}
				r := recordOf("a", seq, kind, expires)
				if !s.take1(id, r, now) {
					t.Fatal("a record was refused")
				}
				f := fact{r, kind, now, rapid.Bool().Draw(t, "certain")}
				if f.certain {
					s.settle(id, r)
				}
				model[id] = f
			case 2:
				now = now.Add(time.Duration(rapid.IntRange(0, 90).Draw(t, "pause")) * time.Second)
				s.sweep(now)
				for id, f := range model {
					if endOf(f.r.Expires) <= now.Unix() {
						delete(model, id)
						past[id] = true
					}
				}
			}
			var waiting, ended int64
			for n := range uint64(10) {
				f, known := model[idOf(n)]
				h := s.get(idOf(n))
				aged := now.Sub(f.since) > replyGrace+2*time.Second
				switch {
				case known != s.knows(idOf(n)):
					t.Fatalf("journey %d known: %v, want %v", n, s.knows(idOf(n)), known)
				case !known:
				case f.kind == waits:
					waiting++
					if h.Record.Compare(f.r) != 0 || h.over {
						t.Fatalf("journey %d: %v, over %v", n, h.Record, h.over)
					}
				default:
					ended++
					if h.over && f.kind == failed && !f.certain {
						t.Fatalf("journey %d is over for good, and nobody knows of a majority", n)
					}
					if h.over && now.Sub(f.since) < replyGrace {
						t.Fatalf("the reply of journey %d was forgotten after %v", n, now.Sub(f.since))
					}
					if b, err := decodeBodyOf(h); !h.over && (err != nil || aged && b.end != nil && s.dueBy(now)) {
						t.Fatalf("journey %d: %+v, %v, %v after its end", n, b, err, now.Sub(f.since))
					}
				}
			}
			if s.waiting.Load() != waiting || s.ended.Load() != ended {
				t.Fatalf("counts %d waiting %d ended, want %d and %d", s.waiting.Load(), s.ended.Load(), waiting, ended)
			}
		}
	})
}

func decodeBodyOf(h held) (body, error) {
	if h.Record == nil {
		return body{}, nil
	}
	return decodeBody(h.Record.Body)
}

// dueBy reports whether everything due by now was looked at.
func (s *slots) dueBy(now time.Time) bool {
	for at := range s.due {
		if at <= now.Unix() {
			return false
		}
	}
	return true
}
