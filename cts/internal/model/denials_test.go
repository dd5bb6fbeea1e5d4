package model_test

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sojourn/cts/command"
	"sojourn/cts/internal/model"
	"sojourn/cts/session"
)

// idOf is the n-th id as a hash might be. Those of the same clash have the same
// mark, though they differ.
func idOf(n uint64, clash uint64) (id session.ID) {
	binary.BigEndian.PutUint64(id[:8], n+clash)
	binary.BigEndian.PutUint64(id[8:], n*0xD1342543DE82EF95-clash*0x9E3779B97F4A7C15)
	return id
}

// The set has what a map has, whatever comes and goes, and also when sessions
// have one mark.
func TestDenialsAgainstAMap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d, want := model.NewDenials(), map[session.ID]bool{}
		few := rapid.Uint64Range(0, 60)
		for range rapid.IntRange(1, 300).Draw(rt, "steps") {
			id := idOf(few.Draw(rt, "n"), 0)
			if want[id] && rapid.IntRange(0, 2).Draw(rt, "goes") == 0 {
				d.Remove(id)
				delete(want, id)
			} else if !want[id] {
				d.Add(id)
				want[id] = true
			}
		}
		for n := range uint64(61) {
			if id := idOf(n, 0); d.Has(id) != want[id] {
				rt.Fatalf("session %d is denied: %v, want %v", n, d.Has(id), want[id])
			}
		}
		if d.Len() != len(want) {
			rt.Fatalf("%d are denied, want %d", d.Len(), len(want))
		}
		for id := range want {
			d.Remove(id)
		}
		if d.Len() != 0 || d.Bytes() != 0 {
			rt.Fatalf("%d are left, in %d bytes", d.Len(), d.Bytes())
		}
	})
}

func TestDenialsWithOneMark(t *testing.T) {
	d := model.NewDenials()
	for clash := range uint64(3) {
		d.Add(idOf(7, clash))
	}
	for clash := range uint64(3) {
		if !d.Has(idOf(7, clash)) {
			t.Errorf("session %d is not denied, and two others were forgotten at most", clash)
		}
		d.Remove(idOf(7, clash))
	}
	if d.Has(idOf(7, 0)) || d.Len() != 0 || d.Bytes() != 0 {
		t.Errorf("%d are left, in %d bytes", d.Len(), d.Bytes())
	}
}

func TestDenialsOfAUsers(t *testing.T) {
	d := model.NewDenials()
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	x := session.New(session.Policy{}, session.Principal{Realm: "/a", Username: "Demo"}, at)
	u := command.DigestUser("/a", "demo")
	d.AddUser(u, at)
	if d.HasOf(x) {
		t.Error("created at the instant itself it is denied")
	}
	d.AddUser(u, at.Add(1))
	if !d.HasOf(x) || d.Users() != 1 {
		t.Error("created before the instant it is not denied")
	}
	d.RemoveUser(u)
	if d.HasOf(x) || d.Users() != 0 {
		t.Error("forgotten, it is denied")
	}
}

// BenchmarkDenied tells the price of a question that is answered no, with so many
// denials, and what they take.
func BenchmarkDenied(b *testing.B) {
	for name, n := range map[string]uint64{"none": 0, "thousand": 1000, "million": 1_000_000} {
		b.Run(name, func(b *testing.B) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			d := model.NewDenials()
			r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test's
			random := func() (id session.ID) {
				binary.BigEndian.PutUint64(id[:8], r.Uint64())
				binary.BigEndian.PutUint64(id[8:], r.Uint64())
				return id
			}
			for range n {
				d.Add(random())
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportAllocs()
			for b.Loop() {
				if d.Has(random()) {
					b.Fatal("denied")
				}
			}
			if n > 0 {
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(n), "B/denial")
			}
		})
	}
}
