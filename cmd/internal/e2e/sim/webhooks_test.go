package sim

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sojourn/actors/callback"
	"sojourn/cluster/simnet"
	"sojourn/cmd/internal/config"
	"sojourn/http/client"
	"sojourn/http/wire"
)

const (
	hookPort  = 9000
	hookTree  = "Hooked"
	hookTime  = 5 * time.Second // until a webhook has been called
	idleLimit = time.Minute     // of the realm's sessions
	lifeLimit = 2 * time.Minute
	sweepTime = 3 * time.Minute // until an end by time is noticed: expiry counts minutes
)

// receiver is who the webhooks call, a host of the simulated network.
type receiver struct {
	mu     sync.Mutex
	calls  []string
	server http.Server
}

func receive(t *testing.T, host *simnet.Host) *receiver {
	t.Helper()
	l, err := host.Listen(hookPort)
	must(t, err)
	r := &receiver{}
	r.server.Handler = http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.calls = append(r.calls, q.URL.Path+" "+string(body))
	})
	go func() { _ = r.server.Serve(l) }()
	return r
}

// since returns what was called after the first n calls.
func (r *receiver) since(n int) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls[n:])
}

// TestWebhooks: whatever ends a session, wherever it was asked for, exactly one
// member of three calls the session's webhook, once, with the reason.
func TestWebhooks(t *testing.T) {
	dir := memory(t)
	synctest.Test(t, func(t *testing.T) {
		network := simnet.New(1, simnet.Options{Latency: 200 * time.Microsecond, Jitter: 300 * time.Microsecond})
		hooks := network.Host("hooks")
		r := receive(t, hooks)
		c := newCluster(t, network, 3, dir)
		c.edit = func(settings *config.Config) { settings.Webhooks.Hosts = []string{hooks.Addr(hookPort)} }
		defer func() {
			if err := c.all((*member).close); err != nil {
				t.Error(err)
			}
			must(t, r.server.Close())
			time.Sleep(probeTime)
		}()
		c.form(t)
		demo, err := c.members[0].running.Seed(t.Context())
		must(t, err)
		h := &hooked{guesser: newGuesser(t, c, demo), receiver: r}
		h.prepare(t, "http://"+hooks.Addr(hookPort))

		h.want(t, "LOGOUT", func() {
			ended, err := h.at(1).Logout(t.Context(), h.session(t, 0))
			if err != nil || !ended {
				t.Errorf("logout: %t, %v", ended, err)
			}
		})
		h.want(t, "UPGRADE", func() {
			h.again(t, 2, h.session(t, 1))
		})
		must(t, h.at(0).LogoutByUser(t.Context(), "/", demo.User)) // of what the upgrade made
		time.Sleep(hookTime)
		h.want(t, "DESTROY", func() {
			h.session(t, 2)
			time.Sleep(applyTime) // a list is what the member has applied
			all, err := h.at(1).SessionsOf(t.Context(), "/", demo.User)
			if err != nil || len(all) != 1 {
				t.Fatalf("%d sessions, %v", len(all), err)
			}
			_, err = h.at(0).LogoutByHandle(t.Context(), all[0].Handle)
			must(t, err)
		})
		h.want(t, "IDLE_TIMEOUT", func() {
			h.session(t, 0)
			time.Sleep(idleLimit + sweepTime)
		})
		h.want(t, "MAX_TIMEOUT", func() {
			token := h.session(t, 0)
			for end := time.Now().Add(lifeLimit - time.Second); time.Now().Before(end); time.Sleep(idleLimit / 3) {
				if _, err := h.at(1).Validate(t.Context(), token); err != nil {
					t.Error(err)
				}
			}
			time.Sleep(sweepTime)
		})
		// A session that its holder keeps tells its webhook where it is logged out.
		must(t, h.at(0).PutSettings(t.Context(), "/", "authentication", []byte(`{"general":{"statelessSessionsEnabled":true}}`)))
		h.want(t, "LOGOUT", func() {
			ended, err := h.at(1).Logout(t.Context(), h.session(t, 0))
			if err != nil || !ended {
				t.Errorf("logout of a client-side session: %t, %v", ended, err)
			}
		})
	})
}

// hooked logs in to sessions with a webhook.
type hooked struct {
	*guesser
	receiver *receiver
}

func (h *hooked) at(i int) *client.Client { return h.clients[i] }

// prepare stores the webhook, the journey that registers it, and short times.
func (h *hooked) prepare(t *testing.T, url string) {
	t.Helper()
	must(t, h.at(0).PutWebhook(t.Context(), "/", "ends", fmt.Appendf(nil,
		`{"url":"%s/ended","body":"${WebhookEventType} ${UserId} ${AMCtxId} ${nothing}","headers":{"Content-Type":"text/plain"}}`, url)))
	must(t, h.at(1).PutSettings(t.Context(), "/", "session", fmt.Appendf(nil,
		`{"dynamic":{"maxSessionTime":%d,"maxIdleTime":%d},"general":{"latestAccessTimeUpdateFrequency":1}}`,
		int(lifeLimit/time.Minute), int(idleLimit/time.Minute))))
	publish(t.Context(), t, h.at(2), hookTree, 1, map[int]sketch{
		1: {"UsernameCollectorNode", map[string]any{}, map[string]string{"outcome": nodeID(2)}},
		2: {"PasswordCollectorNode", map[string]any{}, map[string]string{"outcome": nodeID(3)}},
		3: {"DataStoreDecisionNode", map[string]any{}, map[string]string{"true": nodeID(4), "false": treeFailure}},
		4: {"RegisterLogoutWebhookNode", map[string]any{"webhookName": "ends"}, map[string]string{"outcome": treeSuccess}},
	})
}

// session logs in at a member.
func (h *hooked) session(t *testing.T, at int) wire.TokenID {
	t.Helper()
	s, err := h.at(at).Login(t.Context(), client.Journey{Tree: hookTree}, h.answer)
	must(t, err)
	return s.TokenID
}

// again logs in once more with a session, which is upgraded.
func (h *hooked) again(t *testing.T, at int, token wire.TokenID) {
	t.Helper()
	_, err := h.at(at).Login(t.Context(), client.Journey{Tree: hookTree, ForceAuth: true, Session: token}, h.answer)
	must(t, err)
}

func (h *hooked) answer(step *wire.Step) error {
	for i, asks := range step.Callbacks {
		value := h.demo.User
		if asks.Type == callback.Type("PasswordCallback") {
			value = h.demo.Password
		}
		step.Callbacks[i].Input[0].Value = value
	}
	return nil
}

// want demands exactly one call for what f ends, with that reason.
func (h *hooked) want(t *testing.T, reason string, f func()) {
	t.Helper()
	before := len(h.receiver.since(0))
	f()
	time.Sleep(hookTime)
	calls := h.receiver.since(before)
	var why, who, context, rest string
	if len(calls) == 1 {
		_, _ = fmt.Sscanf(calls[0], "/ended %s %s %s %s", &why, &who, &context, &rest)
	}
	if why != reason || who != h.demo.User || context == "" || rest != "${nothing}" {
		t.Errorf("%s: the webhook was called with %q", reason, calls)
	}
}
