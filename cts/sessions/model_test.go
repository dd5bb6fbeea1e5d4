package sessions_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sojourn/actors/realm"
	"sojourn/cts/clientside"
	"sojourn/cts/ctstest"
	"sojourn/cts/session"
	"sojourn/cts/sessions"
)

// entry is a session as the slow, obvious twin has it: everything in plain values.
type entry struct {
	token      session.TokenID
	x          session.Session // as it was made
	user       string
	held       bool
	max, idle  time.Duration // zero for none
	created    time.Time
	last       time.Time
	level      int
	trees      []string
	properties map[string]string
	over       bool
}

func (e *entry) end() time.Time {
	ends := []time.Time{}
	if e.max > 0 {
		ends = append(ends, e.created.Add(e.max))
	}
	if e.idle > 0 {
		ends = append(ends, e.last.Add(e.idle))
	}
	if len(ends) == 0 {
		return time.Time{}
	}
	return slices.MinFunc(ends, time.Time.Compare)
}

func (e *entry) lives(now time.Time) bool {
	return !e.over && (e.end().IsZero() || now.Before(e.end()))
}

// twin is the whole life of sessions as a list.
type twin struct {
	ctx    context.Context
	s      *sessions.Service
	clock  *ctstest.Clock
	all    []*entry
	n      byte
	held   bool                 // there was a client-side session
	barred map[string]time.Time // of users: what was created before is over
}

func (w *twin) users() []string { return []string{"demo", "else"} }

// live are the stored sessions of a user, those that end first first.
func (w *twin) live(user string, but *entry) []*entry {
	var live []*entry
	for _, e := range w.all {
		if e.user == user && !e.held && e != but && e.lives(w.clock.Now()) {
			live = append(live, e)
		}
	}
	return live
}

func (w *twin) pick(t *rapid.T, name string) *entry {
	if len(w.all) == 0 {
		t.Skip("no session")
	}
	return w.all[rapid.IntRange(0, len(w.all)-1).Draw(t, name)]
}

func (w *twin) create(t *rapid.T) {
	if w.n == 250 {
		t.Skip("enough")
	}
	w.n++
	minutes := func(name string, from int) time.Duration {
		return time.Duration(rapid.IntRange(from, 90).Draw(t, name)) * time.Minute
	}
	e := &entry{
		user: rapid.SampledFrom(w.users()).Draw(t, "user"), held: rapid.Bool().Draw(t, "client-side"),
		created: w.clock.Now(), last: w.clock.Now(), max: minutes("max", 0), idle: minutes("idle", 0),
		level: rapid.IntRange(0, 3).Draw(t, "level"), trees: []string{rapid.SampledFrom([]string{"A", "B"}).Draw(t, "tree")},
		properties: map[string]string{"own": fmt.Sprint(w.n), "AMCtxId": fmt.Sprint("ctx-", w.n)},
	}
	c := wanted(w.n, e.user)
	c.ClientSide = e.held
	c.Session.Created, c.Session.LastAccess = e.created, e.created
	c.Session.Policy = session.Policy{MaxSession: e.max, MaxIdle: e.idle}
	c.Session.AuthLevel, c.Session.Trees, c.Session.Properties = e.level, e.trees, maps.Clone(e.properties)
	c.Quota = realm.Quota{
		Limit:  rapid.IntRange(0, 3).Draw(t, "limit"),
		Action: rapid.SampledFrom([]realm.QuotaAction{realm.DenyAccess, realm.DestroyOldest, realm.DestroyNextExpiring, realm.DestroyAllOld}).Draw(t, "action"),
	}
	var old *entry
	if upgrade := rapid.IntRange(-3, len(w.all)-1).Draw(t, "upgrades"); upgrade >= 0 {
		if old = w.all[upgrade]; old.user != e.user || !old.lives(w.clock.Now()) {
			old = nil
		}
	}
	if old != nil {
		current, err := w.s.Session(w.ctx, old.token)
		if err != nil {
			t.Fatal(err)
		}
		c.Session = c.Session.Upgrading(current)
		c.Replaces, c.Keeps = &current, rapid.Bool().Draw(t, "keeps")
		merged := maps.Clone(old.properties)
		maps.Copy(merged, e.properties)
		e.properties, e.level = merged, max(e.level, old.level)
		trees := slices.Clone(old.trees)
		if !slices.Contains(trees, e.trees[0]) {
			trees = append(trees, e.trees[0])
		}
		e.trees = trees
	}
	made, err := w.s.Create(w.ctx, c)
	w.held = w.held || e.held
	if e.held { // no idle time, no endless life, no quota
		e.idle = 0
		if e.max == 0 {
			e.max = session.MaxHolderLife
		}
		// A login straight after the end of all is as of then.
		if barred := w.barred[e.user]; e.created.Before(barred) && !e.created.Before(barred.Add(-2*time.Second)) {
			e.created, e.last = barred, barred
		}
		e.max -= time.Duration(e.created.Nanosecond()) // to its last whole second
		if e.created.Before(w.barred[e.user]) {
			if !errors.Is(err, session.ErrNotFound) {
				t.Fatalf("a user who was just expelled: %v", err)
			}
			return
		}
	} else if !w.admits(t, e, c, old, err) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if old != nil && !c.Keeps && !e.held { // what replaces by a token alone ends later
		old.over = true
	}
	e.token, e.x = made.Token, made.Session
	w.all = append(w.all, e)
}

// admits applies the quota to the list.
func (w *twin) admits(t *rapid.T, e *entry, c session.Creation, old *entry, err error) bool {
	gone := old
	if c.Keeps || old != nil && old.held {
		gone = nil
	}
	live := w.live(e.user, gone)
	over := len(live) + 1 - c.Quota.Limit
	if c.Quota.Limit == 0 || over <= 0 {
		return true
	}
	switch c.Quota.Action {
	case realm.DenyAccess:
		if !errors.Is(err, session.ErrQuota) {
			t.Fatalf("one session too many: %v", err)
		}
		return false
	case realm.DestroyAllOld:
		over = len(live)
	case realm.DestroyNextExpiring:
		slices.SortStableFunc(live, func(a, b *entry) int {
			if a.end().IsZero() || b.end().IsZero() {
				return cmp.Compare(bit(a.end().IsZero()), bit(b.end().IsZero()))
			}
			return a.end().Compare(b.end())
		})
	case realm.DestroyOldest:
	}
	for _, x := range live[:min(over, len(live))] {
		x.over = true
	}
	return true
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (w *twin) touch(t *rapid.T) {
	e := w.pick(t, "touched")
	if !e.lives(w.clock.Now()) {
		return
	}
	w.s.Touch(e.x, w.clock.Now())
	if !e.held {
		e.last = w.clock.Now()
	}
}

func (w *twin) property(t *rapid.T) {
	e := w.pick(t, "changed")
	name, value := rapid.SampledFrom([]string{"p", "q"}).Draw(t, "name"), rapid.SampledFrom([]string{"", "1", "2"}).Draw(t, "value")
	_, err := w.s.SetProperties(w.ctx, e.x, map[string]string{name: value}, "")
	switch {
	case e.held:
		if !errors.Is(err, session.ErrClientSide) {
			t.Fatalf("a client-side session was changed: %v", err)
		}
	case !e.lives(w.clock.Now()):
		if !errors.Is(err, session.ErrNotFound) {
			t.Fatalf("a session that is over was changed: %v", err)
		}
	case err != nil:
		t.Fatal(err)
	case value == "":
		delete(e.properties, name)
	default:
		e.properties[name] = value
	}
}

func (w *twin) end(t *rapid.T) {
	e := w.pick(t, "ended")
	if _, err := w.s.End(w.ctx, session.Cause{Reason: session.Logout}, e.x); err != nil {
		t.Fatal(err)
	}
	e.over = true
}

func (w *twin) endByHandle(t *rapid.T) {
	a, b := w.pick(t, "one"), w.pick(t, "another")
	gone, err := w.s.EndByHandle(w.ctx, session.Cause{Reason: session.Destroyed}, a.x.Handle(), b.x.Handle())
	if err != nil || slices.Contains(gone, false) {
		t.Fatal(gone, err)
	}
	a.over, b.over = true, true
}

func (w *twin) endAllOf(t *rapid.T) {
	user, now := rapid.SampledFrom(w.users()).Draw(t, "user"), w.clock.Now()
	expel := rapid.Bool().Draw(t, "expel")
	do, at := w.s.EndAllOf, now.Add(2*time.Second)
	if expel {
		do, at = w.s.Expel, now.Add(4*time.Second)
	}
	if err := do(w.ctx, session.Cause{Reason: session.Destroyed}, "/alpha", strings.ToUpper(user)); err != nil {
		t.Fatal(err)
	}
	if w.held && at.After(w.barred[user]) { // else there was none to end
		w.barred[user] = at
	}
	for _, e := range w.all {
		if e.user == user && (!e.held || e.created.Before(at)) {
			e.over = true
		}
	}
}

func (w *twin) wait(t *rapid.T) {
	w.clock.Advance(time.Duration(rapid.IntRange(1, 40).Draw(t, "minutes")) * time.Minute)
}

// check compares everything that can be seen of all sessions.
func (w *twin) check(t *rapid.T) {
	w.clock.Advance(time.Second + time.Millisecond) // no two things happen at once
	listed := map[session.ID]bool{}
	for _, user := range w.users() {
		all, err := w.s.SessionsOf(w.ctx, "/alpha", user, session.ID{}, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range all {
			listed[x.ID] = true
		}
	}
	for i, e := range w.all {
		lives := e.lives(w.clock.Now())
		x, err := w.s.Session(w.ctx, e.token)
		switch {
		case !lives && !errors.Is(err, session.ErrNotFound):
			t.Fatalf("session %d is over, and: %v", i, err)
		case lives && err != nil:
			t.Fatalf("session %d lives, and: %v", i, err)
		case listed[e.x.ID] != (lives && !e.held):
			t.Fatalf("session %d lives: %t, is client-side: %t, is listed: %t", i, lives, e.held, listed[e.x.ID])
		case lives && (!maps.Equal(x.Properties, e.properties) || x.AuthLevel != e.level || !slices.Equal(x.Trees, e.trees) ||
			!x.LastAccess.Equal(e.last.Truncate(time.Microsecond)) || !x.Expires().Equal(e.end())):
			t.Fatalf("session %d is %+v, ends at %v; want %+v, %v", i, x, x.Expires(), e, e.end())
		}
	}
}

// TestRules: whatever is done to sessions, stored ones and others, is what a list
// of them makes of it.
func TestRules(t *testing.T) {
	keys := holderKeys(t, 1, 1)
	rapid.Check(t, func(rt *rapid.T) {
		clock := ctstest.NewClock(noon)
		w := &twin{ctx: t.Context(), clock: clock, barred: map[string]time.Time{}}
		var err error
		w.s, err = sessions.New(sessions.Config{
			Store: ctstest.New(ctstest.Options{Now: clock.Now}), Keys: tokenKeys, HolderKeys: func() *clientside.Keys { return keys },
			Realms:        realms{"/alpha": func(s *realm.Settings) { s.ClientSide.LogoutByUser = true }},
			Audit:         slog.New(slog.DiscardHandler),
			TransactionID: func(context.Context) string { return "" },
			Now:           clock.Now, Rand: rand.New(rand.NewSource(1)), //nolint:gosec // a test's
		})
		if err != nil {
			rt.Fatal(err)
		}
		rt.Repeat(map[string]func(*rapid.T){
			"create": w.create, "create again": w.create, "touch": w.touch, "property": w.property, "end": w.end,
			"by handle": w.endByHandle, "all of a user": w.endAllOf, "wait": w.wait, "": w.check,
		})
	})
}
