package sim

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"sojourn/actors/callback"
	"sojourn/http/client"
	"sojourn/http/wire"
)

// waiting is a journey in its middle, and a session, of one combination of stores.
type waiting struct {
	name    string
	step    wire.Step
	session wire.TokenID
}

// TestTimesOfStores: whatever keeps them, journeys end when their time is over,
// with the answer on which clients begin again, and sessions when theirs is, at
// every member.
func TestTimesOfStores(t *testing.T) {
	inThree(t, func(t *testing.T, _ *cluster, g *guesser) {
		must(t, g.clients[0].PutSettings(t.Context(), "/", "session", []byte(`{"dynamic":{"maxSessionTime":2,"maxIdleTime":2}}`)))

		var all []waiting
		for _, journeys := range []string{"In-Memory", "CTS", "JWT"} {
			for _, held := range []bool{false, true} {
				must(t, g.clients[1].PutSettings(t.Context(), "/", "authentication", fmt.Appendf(nil,
					`{"trees":{"authenticationSessionsStateManagement":%q,"authenticationSessionsMaxDuration":3},"general":{"statelessSessionsEnabled":%t}}`,
					journeys, held)))
				all = append(all, g.begin(t, fmt.Sprintf("%s, held: %t", journeys, held)))
			}
		}
		for _, w := range all {
			g.agree(t, w.session, true)
		}
		time.Sleep(2*time.Minute + time.Second)
		for i, w := range all { // the sessions' time is over, the journeys' is not
			g.agree(t, w.session, false)
			if reply, err := g.clients[i%3].Next(t.Context(), "/", w.step); err != nil || reply.Success == nil {
				t.Errorf("%s: a journey within its time: %+v, %v", w.name, reply, err)
			}
		}
		late := g.begin(t, "late")
		time.Sleep(3*time.Minute + 2*time.Second)
		for i, w := range append(all, late) {
			for _, at := range g.clients {
				reply, err := at.Next(t.Context(), "/", w.step)
				var said *client.Error
				if !errors.As(err, &said) || !slices.Contains(said.Detail, callback.Entry{Name: "errorCode", Value: "110"}) {
					t.Errorf("%s (%d): a journey after its time: %+v, %v; want error 110", w.name, i, reply, err)
				}
			}
		}
	})
}

// begin makes a session, and takes a journey to its second page, which is filled
// in.
func (g *guesser) begin(t *testing.T, name string) waiting {
	t.Helper()
	reply, err := g.clients[0].Start(t.Context(), client.Journey{Username: g.demo.User, Password: wire.Password(g.demo.Password)})
	if err != nil || reply.Success == nil {
		t.Fatalf("%s: a login: %+v, %v", name, reply, err)
	}
	w := waiting{name: name, session: reply.Success.TokenID}
	reply, err = g.clients[1].Start(t.Context(), client.Journey{Tree: "Choice"})
	must(t, err)
	must(t, client.Credentials(g.demo.User, wire.Password(g.demo.Password))(reply.Step))
	reply, err = g.clients[2].Next(t.Context(), "/", *reply.Step)
	if err != nil || reply.Step == nil {
		t.Fatalf("%s: the first page: %+v, %v", name, reply, err)
	}
	w.step = *reply.Step
	w.step.Callbacks[0].Input[0].Value = 0
	return w
}
