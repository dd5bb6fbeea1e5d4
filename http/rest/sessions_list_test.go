package rest

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"sojourn/actors/realm"
	"sojourn/cts/session"
)

// slowList is a store that never finds what it lists.
type slowList struct{ SessionAdmin }

func (slowList) SessionsOf(ctx context.Context, _ realm.Name, _ string, _ session.ID, _ int) ([]session.Session, error) {
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

// Sessions are looked for as long as the settings say, and no longer.
func TestSessionListTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *Config) {
			settings := settingsOf(t)
			settings.SessionListTime = 7 * time.Second
			c.Realms = memoryRealms{"/alpha": settings}
			c.Resources.Sessions = slowList{c.Resources.Sessions}
		})
		began := time.Now()
		w := r.ask(asked{
			method: http.MethodGet, path: "/realms/root/realms/alpha/sessions?_queryFilter=username%20eq%20%22demo%22",
			header: bearer(operatorToken),
		})
		if took := time.Since(began); w.Code != http.StatusServiceUnavailable || took != 7*time.Second {
			t.Errorf("%d %s after %v", w.Code, w.Body, took)
		}
	})
}
