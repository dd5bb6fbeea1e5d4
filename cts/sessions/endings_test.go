package sessions_test

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"sojourn/actors/realm"
	"sojourn/cts/session"
	"sojourn/cts/sessions"
	"sojourn/cts/token"
)

// A session that is idle by what this member knows ends with the others of its
// user, and by its token: another member may know of an access.
func TestEndOfWhatLooksIdle(t *testing.T) {
	for name, end := range map[string]func(context.Context, *sessions.Service, session.TokenID) error{
		"all of a user": func(ctx context.Context, s *sessions.Service, _ session.TokenID) error {
			return s.EndAllOf(ctx, logout(), "/alpha", "demo")
		},
		"expelled": func(ctx context.Context, s *sessions.Service, _ session.TokenID) error {
			return s.Expel(ctx, logout(), "/alpha", "demo")
		},
		"by its token": func(ctx context.Context, s *sessions.Service, token session.TokenID) error {
			return errors.Join(s.EndByToken(ctx, logout(), "nonsense"), s.EndByToken(ctx, logout(), token))
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			made := r.create(wanted(1, "demo"))
			r.now = noon.Add(31 * time.Minute)
			if r.valid(made.Token) {
				t.Fatal("it does not look idle")
			}
			if err := end(t.Context(), r.s, made.Token); err != nil || len(r.store.live) > 0 {
				t.Errorf("%d sessions are left, %v", len(r.store.live), err)
			}
		})
	}
}

// repeated deletes, and says that there was nothing to delete, as a leader may
// that is asked twice.
type repeated struct{ *store }

func (s repeated) Delete(ctx context.Context, why session.Reason, ids ...session.ID) ([]bool, error) {
	_, err := s.store.Delete(ctx, why, ids...)
	return make([]bool, len(ids)), err
}

func TestEndOfVeryManySessions(t *testing.T) {
	r := newRig(t, func(c *sessions.Config) { c.Store = repeated{c.Store.(*store)} }) //nolint:forcetypeassert // the rig's
	for n := range 2*sessions.MaxEnd + 1 {
		x := wanted(1, "demo").Session
		binary.BigEndian.PutUint32(x.ID[:], uint32(n+1)) //nolint:gosec // small
		r.store.live[x.ID] = x
	}
	if err := r.s.EndAllOf(t.Context(), logout(), "/alpha", "demo"); err != nil || len(r.store.live) > 0 {
		t.Errorf("%d sessions are left, %v", len(r.store.live), err)
	}
}

// Members' clocks are apart: all of a user end also if another member has made
// them by a clock that is ahead, and a login straight afterwards is none of them.
// Of somebody who is expelled, a login that was under way is one of them.
func TestEndAllByDifferentClocks(t *testing.T) {
	at := func(d time.Duration) func(*session.Session) {
		return func(x *session.Session) { x.Created, x.LastAccess = noon.Add(d), noon.Add(d) }
	}
	for name, expel := range map[string]bool{"all of a user": false, "expelled": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.realms["/alpha"] = func(s *realm.Settings) { s.ClientSide.LogoutByUser = true }
			ahead := r.hold(1, "demo", at(1500*time.Millisecond))
			end := r.s.EndAllOf
			if expel {
				end = r.s.Expel
			}
			if err := end(t.Context(), logout(), "/alpha", "demo"); err != nil || r.valid(ahead.Token) {
				t.Errorf("by a clock that is ahead: %v", err)
			}
			c := wanted(2, "demo", at(time.Millisecond))
			c.ClientSide = true
			next, err := r.s.Create(t.Context(), c)
			switch {
			case expel && !errors.Is(err, session.ErrNotFound):
				t.Errorf("a login that was under way: %v", err)
			case !expel && (err != nil || !r.valid(next.Token)):
				t.Errorf("a login straight afterwards: %v", err)
			}
			c = wanted(3, "demo", at(-time.Second))
			c.ClientSide = true
			if _, err := r.s.Create(t.Context(), c); !errors.Is(err, session.ErrNotFound) {
				t.Errorf("a login from before: %v", err)
			}
		})
	}
}

// A session that is over here may not be over at another member, whose clock is
// behind.
func TestEndByHandleByDifferentClocks(t *testing.T) {
	r := newRig(t)
	held := r.hold(1, "demo")
	for after, want := range map[time.Duration]int{50 * time.Second: 1, 2 * time.Minute: 0} {
		r.store.denied, r.now = nil, held.Session.MaxExpires().Add(after)
		if _, err := r.s.EndByHandle(t.Context(), logout(), held.Session.Handle()); err != nil || len(r.store.denied) != want {
			t.Errorf("%v after its end: %d denials, %v", after, len(r.store.denied), err)
		}
	}
}

// overtaken puts its own token before the first one of others.
type overtaken struct {
	*store
	first *token.Put
}

func (s overtaken) PutToken(ctx context.Context, p token.Put) (token.Token, bool, error) {
	if first := *s.first; first.Kind == 0 {
		first = p
		first.Expires = noon.Add(time.Minute)
		*s.first = first
		if _, _, err := s.store.PutToken(ctx, first); err != nil {
			return token.Token{}, false, err
		}
	}
	return s.store.PutToken(ctx, p)
}

// The note that a realm's sessions may be kept lasts whoever was faster to write
// it, and is written anew after a restore took it away.
func TestTheNoteOfKeptSessions(t *testing.T) {
	r := newRig(t, func(c *sessions.Config) { c.Store = overtaken{c.Store.(*store), &token.Put{}} }) //nolint:forcetypeassert // the rig's
	noted := func(what string) {
		t.Helper()
		for _, note := range r.store.tokens {
			if note.Expires.After(noon.Add(session.MaxHolderLife)) {
				return
			}
		}
		t.Errorf("%s: %v", what, r.store.tokens)
	}
	r.hold(1, "demo")
	noted("somebody was faster")
	clear(r.store.tokens)
	r.s.Restored()
	r.hold(2, "demo")
	noted("after a restore")
}
