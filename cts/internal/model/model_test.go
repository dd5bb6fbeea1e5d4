package model_test

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sojourn/cts/command"
	"sojourn/cts/internal/model"
	"sojourn/cts/session"
)

var start = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func id(n int) (id session.ID) {
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

func aSession(n int) session.Session {
	return session.Session{
		ID: id(n), Created: start, LastAccess: start,
		Policy: session.Policy{TouchInterval: time.Minute}, Properties: map[string]string{"p": "0"},
	}
}

// Against a plain map: the model may have forgotten, but what it has is right,
// and it never has more than its limit.
func TestModelAgainstMap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		limit := rapid.IntRange(1, 8).Draw(rt, "limit")
		m, truth := model.New(limit), map[session.ID]session.Session{}
		for range rapid.IntRange(1, 80).Draw(rt, "steps") {
			n := rapid.IntRange(0, 11).Draw(rt, "id")
			at := start.Add(time.Duration(rapid.IntRange(0, 300).Draw(rt, "at")) * time.Second)
			was, alive := truth[id(n)]
			switch rapid.IntRange(0, 5).Draw(rt, "op") {
			case 0:
				s := aSession(n)
				if alive {
					long := rapid.IntRange(0, 3000).Draw(rt, "length") // records are packed now and then
					s = was.WithProperties(map[string]string{"p": at.String() + strings.Repeat("x", long)})
				}
				stored(m, s)
				truth[id(n)] = s
			case 1:
				m.Gone(id(n))
				delete(truth, id(n))
			case 2:
				if _, found := m.Touch(id(n), at); found {
					truth[id(n)] = was.Touched(at)
				}
			case 3:
				if alive {
					m.Touched(id(n), at)
					truth[id(n)] = was.Touched(at)
				}
			case 4:
				generation := m.Generation(id(n))
				if rapid.Bool().Draw(rt, "changes meanwhile") {
					m.Gone(id(n))
					delete(truth, id(n))
				}
				if alive {
					m.Fill(was, generation)
				}
			case 5:
				got, ok := m.Get(id(n))
				if ok && (!alive || got.LastAccess != was.LastAccess || got.Properties["p"] != was.Properties["p"]) {
					rt.Fatalf("model has %+v, truth is %+v (%v)", got, was, alive)
				}
			}
			if m.Len() > limit {
				rt.Fatalf("%d sessions, at most %d", m.Len(), limit)
			}
		}
	})
}

func TestTouchIsDueOncePerInterval(t *testing.T) {
	m := model.New(10)
	if _, found := m.Touch(id(1), start); found {
		t.Error("found in an empty model")
	}
	stored(m, aSession(1))
	for _, step := range []struct {
		after time.Duration
		due   bool
	}{{30 * time.Second, false}, {59 * time.Second, false}, {60 * time.Second, true}, {61 * time.Second, false}, {2 * time.Minute, true}} {
		due, found := m.Touch(id(1), start.Add(step.after))
		if due != step.due || !found {
			t.Errorf("after %v: due %v, found %v", step.after, due, found)
		}
		if got, _ := m.Get(id(1)); !got.LastAccess.Equal(start.Add(step.after)) {
			t.Errorf("after %v: latest access %v", step.after, got.LastAccess)
		}
	}
}

func TestUsedSessionsStay(t *testing.T) {
	m := model.New(100)
	for n := range 100 {
		stored(m, aSession(n))
	}
	for n := 100; n < 180; n++ {
		for hot := range 10 {
			if _, ok := m.Get(id(hot)); !ok {
				t.Fatalf("session %d was evicted though it is used all the time", hot)
			}
		}
		stored(m, aSession(n))
	}
	m.Clear()
	if m.Len() != 0 {
		t.Errorf("%d sessions after Clear", m.Len())
	}
}

// login is a session as a login of two nodes leaves it.
func login(n int) session.Session {
	s := session.New(
		session.Policy{MaxSession: 2 * time.Hour, MaxIdle: 30 * time.Minute, TouchInterval: time.Minute},
		session.Principal{Realm: "/alpha", Username: fmt.Sprintf("user%d", n), UniversalID: fmt.Sprintf("id=user%d,ou=user,o=alpha,ou=services,ou=am-config", n)},
		start)
	s.ID, s.Trees = id(n), []string{"Login"}
	s.Properties = map[string]string{
		session.PropertyContextID: fmt.Sprintf("%032x", n), session.PropertyNodeType: "DataStoreDecisionNode|",
	}
	return s
}

func full() *model.Model {
	m := model.New(100_000)
	for n := range 100_000 {
		stored(m, login(n))
	}
	return m
}

func BenchmarkGet(b *testing.B) {
	m := full()
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		n := 0
		for pb.Next() {
			n = (n + 7919) % 50_000
			m.Get(id(n))
		}
	})
}

// BenchmarkCollect is what 100,000 sessions add to each collection of garbage.
func BenchmarkCollect(b *testing.B) {
	heap := func() uint64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	before := heap()
	m := full()
	b.ReportMetric(float64(heap()-before)/100_000, "B/session")
	for b.Loop() {
		runtime.GC()
	}
	runtime.KeepAlive(m)
}

// stored reports a session as the applier does.
func stored(m *model.Model, s session.Session) { m.Stored(s, command.AppendSession(nil, s)) }
