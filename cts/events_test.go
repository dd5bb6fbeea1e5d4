package cts

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"sojourn/cts/command"
	"sojourn/cts/session"
)

// told is a Config.OnSession that keeps what it is told.
type told struct {
	mu  sync.Mutex
	all []session.Event
}

func (l *told) hear(e session.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, e)
}

// texts are the events, one text for each.
func (l *told) texts() (texts []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.all {
		local := ""
		if e.Local {
			local = " here"
		}
		texts = append(texts, fmt.Sprintf("%s %s%v%s", e.Kind, e.Reason, e.Changed, local))
	}
	return texts
}

// Everything that becomes of sessions is told on every member, in the same order,
// and one of them is told to act.
func TestEvents(t *testing.T) {
	heard := map[string]*told{}
	inCluster(t, 3, "", func(t *testing.T, c *cluster) {
		c.change = func(config *Config) {
			heard[config.Name] = &told{}
			config.OnSession = heard[config.Name].hear
		}
		for _, name := range []string{"a", "b", "c"} {
			c.start(name)
		}
		c.formed(3)
		leader, at := c.leader()
		x, _ := login(t, at, 1)
		if _, err := at.SetProperties(t.Context(), x.ID, map[string]string{"p": "v", "AMCtxId": ""}); err != nil {
			t.Fatal(err)
		}
		y := aSession(2, time.Now())
		if _, err := at.Create(t.Context(), session.Creation{Session: y, Replaces: &x}); err != nil {
			t.Fatal(err)
		}
		if _, err := at.Delete(t.Context(), session.Destroyed, y.ID); err != nil {
			t.Fatal(err)
		}
		idle, old := aSession(3, time.Now()), aSession(4, time.Now())
		idle.Policy.MaxIdle, old.Policy.MaxSession = 2*time.Minute, time.Minute
		for _, x := range []session.Session{idle, old} {
			if _, err := at.Create(t.Context(), session.Creation{Session: x}); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 { // the second time it is known
			denial := session.Denial{ID: session.ID{9}, Until: time.Now().Add(time.Hour)}
			if err := at.Deny(t.Context(), session.Logout, denial); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(5 * time.Minute)
		want := []string{
			"created []", "changed [AMCtxId p]", "created []", "ended UPGRADE[]", "ended DESTROY[]", "created []", "created []",
			"ended LOGOUT[]", "ended MAX_TIMEOUT[]", "ended IDLE_TIMEOUT[]",
		}
		for name, log := range heard {
			want := slices.Clone(want)
			if name == leader {
				for i := range want {
					want[i] += " here"
				}
			}
			if got := log.texts(); !slices.Equal(got, want) {
				t.Errorf("%s was told %q, want %q", name, got, want)
			}
		}
		last := uint64(0)
		for i, e := range heard["a"].all {
			if e.Index < last || e.Index != heard["b"].all[i].Index {
				t.Errorf("%+v after index %d, with index %d elsewhere", e, last, heard["b"].all[i].Index)
			}
			last = e.Index
		}
		ended := heard[leader].all[3]
		if ended.Session.Properties["p"] != "v" || !ended.At.Equal(y.Created) {
			t.Errorf("the replaced session ended as %+v", ended)
		}
		if denied := heard[leader].all[7].Session; denied.ID != (session.ID{9}) || !denied.ClientSide {
			t.Errorf("the denied session is %+v", denied)
		}
	})
}

// Nobody is told: nothing is spent on it.
func TestEventsOfNobodyCostNothing(t *testing.T) {
	s := &Store{}
	x := aSession(1, time.Now())
	if n := testing.AllocsPerRun(100, func() { s.tellEnded(command.SessionGone{Session: x}) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
