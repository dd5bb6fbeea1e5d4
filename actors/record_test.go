package actors

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sojourn/actors/journey"
	"sojourn/actors/node"
)

func idOf(n uint64) (id journey.ID) {
	binary.BigEndian.PutUint64(id[8:], n)
	id[1] = byte(n) // spreads over the shards
	return id
}

func TestRecordsReplaceOnlyWhatWasSeen(t *testing.T) {
	r, now := newRecords(10, 10), time.Unix(1000, 0)
	id := idOf(1)
	first := &record{step: 1, expires: now.Add(time.Minute)}
	if !r.put(id, nil, first, now) {
		t.Fatal("a new record was refused")
	}
	if r.put(id, nil, &record{step: 1}, now) {
		t.Error("a record was created over another")
	}
	second := &record{step: 2, expires: now.Add(time.Minute)}
	if !r.put(id, first, second, now) || r.put(id, first, &record{step: 3}, now) {
		t.Error("a record was replaced that is no longer the one seen")
	}
	if got, _ := r.get(id); got != second || r.waiting.Load() != 1 {
		t.Errorf("kept %+v, %d waiting", got, r.waiting.Load())
	}
}

func TestRecordsForgetTheOldestEnds(t *testing.T) {
	r, start := newRecords(100, 3), time.Unix(1000, 0)
	waiting := idOf(99)
	r.put(waiting, nil, &record{step: 1, expires: start.Add(time.Minute)}, start)
	for n := range uint64(6) {
		at := start.Add(time.Duration(n) * time.Second)
		r.put(idOf(n), nil, &record{expires: at.Add(5 * time.Minute), end: &ended{}}, at)
	}
	r.sweep(start.Add(10 * time.Second))
	if r.ended.Load() != 3 {
		t.Errorf("%d ended journeys known, want 3", r.ended.Load())
	}
	for n := range uint64(6) {
		rec, over := r.get(idOf(n))
		if known := rec != nil || over; known != (n >= 3) {
			t.Errorf("journey %d known: %v", n, known)
		}
	}
	if rec, _ := r.get(waiting); rec == nil {
		t.Error("a waiting journey was forgotten with the ended ones")
	}
}

// TestRecordsAgainstModel compares records, through puts and the passing of
// time, with a plain map of what should be known.
func TestRecordsAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRecords(1<<20, 1<<20)
		now := time.Unix(1_000_000, 0)
		type fact struct {
			rec   *record
			since time.Time
		}
		model := map[journey.ID]fact{}
		for range rapid.IntRange(1, 60).Draw(t, "operations") {
			id := idOf(rapid.Uint64Range(0, 9).Draw(t, "id"))
			switch rapid.IntRange(0, 2).Draw(t, "operation") {
			case 0, 1:
				old, over := r.get(id)
				if over || (old != nil && old.end != nil) {
					continue // the actor writes nothing over an end
				}
				next := &record{expires: now.Add(time.Duration(rapid.IntRange(1, 300).Draw(t, "life")) * time.Second)}
				if old != nil {
					next.expires = old.expires
				}
				if rapid.Bool().Draw(t, "end") {
					next.end = &ended{}
				}
				r.put(id, old, next, now)
				model[id] = fact{next, now}
			case 2:
				now = now.Add(time.Duration(rapid.IntRange(0, 90).Draw(t, "pause")) * time.Second)
				r.sweep(now)
			}
			var waiting, ended int64
			for id, f := range model {
				rec, over := r.get(id)
				alive := f.rec.expires.After(now.Add(-2 * time.Second))
				switch {
				case f.rec.expires.After(now) && rec == nil && !over:
					t.Fatalf("%v was forgotten before its time", id)
				case !alive && (rec != nil || over) && r.dueBy(now):
					t.Fatalf("%v is known %s after its end", id, now.Sub(f.rec.expires))
				case rec != nil && rec.end == nil:
					waiting++
				case rec != nil || over:
					ended++
				}
			}
			if r.waiting.Load() != waiting || r.ended.Load() != ended {
				t.Fatalf("counts %d waiting %d ended, want %d and %d", r.waiting.Load(), r.ended.Load(), waiting, ended)
			}
		}
	})
}

// dueBy reports whether everything due by now was looked at.
func (r *records) dueBy(now time.Time) bool {
	for at := range r.due {
		if at <= now.Unix() {
			return false
		}
	}
	return true
}

func TestTraceRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := trace{tree: rapid.String().Draw(t, "tree"), noSession: rapid.Bool().Draw(t, "noSession")}
		copy(in.version[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "version"))
		if rapid.Bool().Draw(t, "request") {
			in.request = node.Request{
				Locales:    []string{"de"},
				Parameters: map[string][]string{"goto": {rapid.StringMatching(`[ -~]{0,40}`).Draw(t, "goto")}},
			}
		}
		raw, err := in.encode()
		if err != nil {
			t.Fatal(err)
		}
		out, err := decodeTrace(raw)
		if len(raw) <= maxTrace && (err != nil || !reflect.DeepEqual(in, out)) {
			t.Fatalf("%+v became %+v, %v", in, out, err)
		}
	})
}

func FuzzDecodeTrace(f *testing.F) {
	seed, err := trace{tree: "Login", request: node.Request{Locales: []string{"en"}}}.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, raw []byte) {
		decoded, err := decodeTrace(raw)
		if err != nil {
			return
		}
		again, err := decoded.encode()
		if err != nil {
			t.Fatal(err)
		}
		twice, err := decodeTrace(again)
		if err != nil || !reflect.DeepEqual(decoded, twice) {
			t.Fatalf("%+v became %+v, %v", decoded, twice, err)
		}
		if bytes.Contains(again, []byte("headers")) {
			t.Fatal("a trace holds headers")
		}
	})
}
