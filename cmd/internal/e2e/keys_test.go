package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"sojourn/http/client"
	"sojourn/http/wire"
)

// realmWith makes a realm with the journey Steps and user0, whose settings of
// authentication are changed as given: the JSON path is "group.name".
func realmWith(t *testing.T, m *member, name string, changes map[string]any) string {
	t.Helper()
	c, path := m.client(t), "/"+name
	must(t, c.CreateRealm(t.Context(), "/", name))
	m.importJourneys(t, "steps.json", "--realm", path)
	importUsersTo(t, c, path, "user", 1)
	raw, err := c.Settings(t.Context(), path, "authentication")
	must(t, err)
	var settings map[string]json.RawMessage
	must(t, json.Unmarshal(raw, &settings))
	for at, value := range changes {
		group, name, _ := strings.Cut(at, ".")
		var members map[string]any
		must(t, json.Unmarshal(settings[group], &members))
		members[name] = value
		settings[group], err = json.Marshal(members)
		must(t, err)
	}
	raw, err = json.Marshal(settings)
	must(t, err)
	must(t, c.PutSettings(t.Context(), path, "authentication", raw))
	return path
}

// rotating is a realm in which journeys and sessions go on while keys rotate.
type rotating struct {
	realm string
	turn  int
	all   []*client.Client

	// old is a journey that was begun, and tokens are of sessions that were made,
	// before everything.
	old    wire.Step
	tokens []wire.TokenID
	logins int
	// through has a place for word of one login.
	through chan struct{}
}

// fresh waits for a login that began after now.
func (r *rotating) fresh(ctx context.Context) error {
	select {
	case <-r.through: // told before
	default:
	}
	for range 2 { // the first may have begun before
		select {
		case <-r.through:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// next is the client of another member than before.
func (r *rotating) next() *client.Client {
	r.turn++
	return r.all[r.turn%len(r.all)]
}

func (r *rotating) begin(ctx context.Context) (wire.Step, error) {
	reply, err := r.next().Start(ctx, client.Journey{Realm: r.realm, Tree: "Steps"})
	if err != nil || reply.Step == nil {
		return wire.Step{}, fmt.Errorf("begin a journey in %s: %+v, %w", r.realm, reply, err)
	}
	return r.step(ctx, *reply.Step, "user0")
}

func (r *rotating) step(ctx context.Context, step wire.Step, value string) (wire.Step, error) {
	step.Callbacks[0].Input[0].Value = value
	reply, err := r.next().Next(ctx, r.realm, step)
	if err != nil || reply.Step == nil {
		return wire.Step{}, fmt.Errorf("a step in %s: %+v, %w", r.realm, reply, err)
	}
	return *reply.Step, nil
}

func (r *rotating) end(ctx context.Context, step wire.Step) error {
	step.Callbacks[0].Input[0].Value = cheapPassword
	reply, err := r.next().Next(ctx, r.realm, step)
	if err != nil || reply.Success == nil || reply.Success.TokenID == "" {
		return fmt.Errorf("the end of a journey in %s: %+v, %w", r.realm, reply, err)
	}
	r.tokens = append(r.tokens, reply.Success.TokenID)
	r.logins++
	select {
	case r.through <- struct{}{}:
	default:
	}
	return nil
}

// valid wants the first sessions, and the last ones, to be valid at some member.
func (r *rotating) valid(ctx context.Context) error {
	for i, token := range r.tokens {
		if i >= 3 && i < len(r.tokens)-3 {
			continue
		}
		v, err := r.next().Peek(ctx, token)
		if err != nil || !v.Valid {
			return fmt.Errorf("session %d of %d in %s: %+v, %w", i, len(r.tokens), r.realm, v, err)
		}
	}
	return nil
}

// TestRotationIsNotNoticed: while journeys and sessions of all kinds go on at
// three members, each request at another, every key is rotated, twice, by
// operators at other members, and not one request fails. What was begun before
// all that is ended after it, and after a restart of everything.
func TestRotationIsNotNoticed(t *testing.T) {
	if testing.Short() {
		t.Skip("starts three members, twice")
	}
	members := founded(t, 3)
	clients := make([]*client.Client, len(members))
	for i, m := range members {
		clients[i] = m.client(t)
	}
	held := realmWith(t, members[0], "held", map[string]any{
		"trees.authenticationSessionsStateManagement": "JWT", "general.statelessSessionsEnabled": true,
	})
	kept := realmWith(t, members[0], "kept", map[string]any{"trees.authenticationSessionsStateManagement": "CTS"})
	realms := []*rotating{{realm: "/", all: clients}, {realm: kept, all: clients}, {realm: held, all: clients}}
	for _, r := range realms {
		r.through = make(chan struct{}, 1)
		step, err := r.begin(t.Context())
		must(t, err)
		must(t, r.end(t.Context(), step))
		r.old, err = r.begin(t.Context())
		must(t, err)
	}

	traffic, alive := errgroup.WithContext(t.Context())
	ctx, stop := context.WithCancel(alive)
	defer stop()
	for _, r := range realms {
		traffic.Go(func() error {
			for ctx.Err() == nil {
				step, err := r.begin(t.Context())
				if err == nil {
					err = r.end(t.Context(), step)
				}
				if err == nil {
					err = r.valid(t.Context())
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	rings, err := clients[0].Keys(t.Context())
	must(t, err)
	for round := range 2 {
		for i, ring := range rings {
			var operators sync.WaitGroup
			for who := range 1 + i%2 { // one, or two at once
				operators.Go(func() {
					if _, err := clients[(round+i+who)%3].RotateKeys(t.Context(), wire.KeyRotation{Purposes: []string{ring.Purpose}}); err != nil {
						t.Errorf("rotate %s: %v", ring.Purpose, err)
					}
				})
			}
			operators.Wait()
			for _, r := range realms {
				if err := r.fresh(alive); err != nil {
					t.Fatal(errors.Join(err, traffic.Wait()))
				}
			}
		}
	}
	stop()
	must(t, traffic.Wait())
	after := func() {
		t.Helper()
		for _, r := range realms {
			must(t, r.valid(t.Context()))
		}
	}
	after()
	for _, r := range realms {
		must(t, r.end(t.Context(), r.old))
		t.Logf("%s: %d journeys during the rotations", r.realm, r.logins)
		if r.logins < len(rings) {
			t.Errorf("%s: only %d journeys during the rotations", r.realm, r.logins)
		}
	}
	for _, m := range clients {
		now, err := m.Keys(t.Context())
		must(t, err)
		for _, ring := range now {
			if n := len(ring.Generations); n < 3 || ring.Generations[n-1].State != "active" || ring.Generations[0].State != "accepted" {
				t.Errorf("%s has the generations %+v", ring.Purpose, ring.Generations)
			}
		}
	}

	for _, m := range members {
		m.kill(t)
	}
	var starts sync.WaitGroup
	for i, m := range members {
		starts.Go(func() { members[i] = m.again(t, "", members[(i+1)%3], members[(i+2)%3]) })
	}
	starts.Wait()
	for i, m := range members {
		clients[i] = m.client(t)
	}
	eventually(t, readyLimit, "all members answer again", func() bool {
		for _, c := range clients {
			if c.Ready(t.Context()) != nil {
				return false
			}
		}
		return true
	})
	after()
}

// TestKeysThatAreKnownToOthers: a rotation that keeps nothing makes all that was
// signed before worthless, at every member, when it returns.
func TestKeysThatAreKnownToOthers(t *testing.T) {
	m := newPlace(t).start(t)
	m.importJourneys(t, "steps.json")
	c := m.client(t)
	importUsers(t, c, "user", 1)
	held := realmWith(t, m, "held", map[string]any{"general.statelessSessionsEnabled": true})
	at := []*client.Client{c}
	stored, kept := &rotating{realm: "/", all: at}, &rotating{realm: held, all: at}
	for _, r := range []*rotating{stored, kept} {
		step, err := r.begin(t.Context())
		must(t, err)
		must(t, r.end(t.Context(), step))
	}
	step, err := stored.begin(t.Context())
	must(t, err)
	none := time.Duration(0)
	_, err = c.RotateKeys(t.Context(), wire.KeyRotation{Keep: &none})
	must(t, err)
	for _, r := range []*rotating{stored, kept} {
		if v, err := c.Peek(t.Context(), r.tokens[0]); err != nil || v.Valid {
			t.Errorf("a session of %s after all keys were given up: %+v, %v", r.realm, v, err)
		}
	}
	if err := stored.end(t.Context(), step); err == nil || !strings.Contains(err.Error(), "Signature not valid") {
		t.Errorf("a journey after all keys were given up: %v", err)
	}
	for _, r := range []*rotating{stored, kept} {
		step, err := r.begin(t.Context())
		must(t, err)
		must(t, r.end(t.Context(), step))
		must(t, func() error { r.tokens = r.tokens[1:]; return r.valid(t.Context()) }())
	}
	if strings.Contains(m.log.String(), string(stored.tokens[0])) {
		t.Error("a token is in the log")
	}
}

// TestSessionsOfAMGoOn: who is logged in at an AM is logged in here, until the
// day that is configured; and a logout is final, for every token of the session
// and after a restart.
func TestSessionsOfAMGoOn(t *testing.T) {
	p := newPlace(t)
	am, settings := newAMKeys(t, p.dir)
	m := p.start(t, settings...)
	realmWith(t, m, "held", map[string]any{"general.statelessSessionsEnabled": true})
	one, two := wire.TokenID(am.session(t, "held", "one")), wire.TokenID(am.session(t, "held", "two"))
	valid := func(token wire.TokenID, want bool) {
		t.Helper()
		if v, err := m.client(t).Peek(t.Context(), token); err != nil || v.Valid != want || want && v.UID != "user0" {
			t.Errorf("valid: %+v, %v; want %v", v, err, want)
		}
	}
	valid(one, true)
	valid(two, true)
	if reply, err := m.client(t).Start(t.Context(), client.Journey{Realm: "/held", Tree: "Steps", Session: one}); err != nil || reply.Success == nil {
		t.Errorf("who has a session is asked to log in: %+v, %v", reply, err)
	}
	if ended, err := m.client(t).Logout(t.Context(), one); err != nil || !ended {
		t.Errorf("logout: %v, %v", ended, err)
	}
	again := wire.TokenID(am.session(t, "held", "one"))
	valid(one, false)
	valid(again, false)
	m.kill(t)
	m = p.start(t, settings...)
	valid(again, false)
	valid(two, true)
	m.terminate(t)
	m = p.start(t, append(settings, "--set", "migration.until="+time.Now().AddDate(0, 0, -2).Format(time.DateOnly))...)
	valid(two, false)
}
