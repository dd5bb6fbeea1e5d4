package actors

import (
	"context"
	"runtime"
	"testing"
	"time"

	"sojourn/cluster/placement"
)

// BenchmarkLogin is a whole login of two requests, with stores in memory.
func BenchmarkLogin(b *testing.B) {
	m := newMember(b, time.Now)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			first := m.start(b, "Login")
			if reply, err := m.answer(b, first.Ref, "demo", "secret"); err != nil || !reply.Done.Success {
				b.Fatal(reply, err)
			}
		}
	})
}

// BenchmarkStart is a start that leaves no trace.
func BenchmarkStart(b *testing.B) {
	m := newMember(b, time.Now)
	b.ReportAllocs()
	for b.Loop() {
		m.start(b, "Login")
	}
}

// BenchmarkWaitingStep is a step that waits again: the journey is activated,
// advanced, and its record replaced.
func BenchmarkWaitingStep(b *testing.B) { benchmarkStep(b, inMemory()) }

// BenchmarkCarriedStep is the same of a journey that its client carries; to
// seal and open it is BenchmarkCarried of http/rest.
func BenchmarkCarriedStep(b *testing.B) { benchmarkStep(b, withClient()) }

func benchmarkStep(b *testing.B, in where) {
	b.Helper()
	m := in.member(b, time.Now)
	b.ReportAllocs()
	for b.Loop() {
		first := m.start(b, "Steps")
		if _, err := m.answer(b, first.Ref, "demo"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLoginFromAnotherMember is BenchmarkLogin with the second request at
// a member that has to ask the owner, over a network that costs nothing.
func BenchmarkLoginFromAnotherMember(b *testing.B) {
	c := newCluster(b, 3)
	for i := range c.members {
		c.members[i].config.Peers = directPeers{c.net}
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			first := c.members[0].start(b, "Login")
			if reply, err := c.members[1].answer(b, first.Ref, "demo", "secret"); err != nil || !reply.Done.Success {
				b.Fatal(reply, err)
			}
		}
	})
}

// directPeers calls other members on the caller's goroutine.
type directPeers struct{ net *testNet }

func (p directPeers) NotDone(error) bool { return false }

func (directPeers) Silent(placement.Member) bool { return false }

func (p directPeers) Call(ctx context.Context, m placement.Member, body []byte) ([]byte, error) {
	return p.net.members[m.ID].Serve(ctx, "another", body)
}

// TestMemoryOfWaitingJourneys bounds what a journey in its middle costs, in
// bytes of heap. (The figure for a whole process is in the e2e tests.)
func TestMemoryOfWaitingJourneys(t *testing.T) {
	const journeys, limit = 20_000, 4096
	m := newMember(t, time.Now)
	before := heap()
	for range journeys {
		first := m.start(t, "Steps")
		second, err := m.answer(t, first.Ref, "demo")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.answer(t, second.Ref, "secret"); err != nil {
			t.Fatal(err)
		}
	}
	if each := (heap() - before) / journeys; each > limit {
		t.Errorf("a waiting journey costs %d bytes, more than %d", each, limit)
	} else {
		t.Logf("a waiting journey costs %d bytes", each)
	}
	if got := m.Metrics().Waiting; got != journeys {
		t.Fatalf("%d journeys wait, want %d", got, journeys)
	}
}

func heap() int64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
