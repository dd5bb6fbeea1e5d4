package daemon

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sojourn/cmd/internal/config"
	"sojourn/cmd/internal/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// member is a running member with the demo users and journeys.
type member struct {
	*Daemon
	demo Demo
	base string
	// stop ends it and returns what Run returned.
	stop func() error
}

func testConfig(t *testing.T, change func(*config.Config)) Config {
	t.Helper()
	c := config.Default()
	c.Data, c.HTTP.Addr, c.Limits.MinFreeDisk = t.TempDir(), "127.0.0.1:0", 64<<20
	if change != nil {
		change(&c)
	}
	text, err := secret.Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	master, err := secret.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return Config{Config: c, Secret: master, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
}

// start starts a member whose run it is given, nil for Run.
func start(t *testing.T, c Config, run func(*Daemon, context.Context) error) *member {
	t.Helper()
	d, err := New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Await(t.Context()); err != nil {
		t.Fatal(errors.Join(err, d.Close()))
	}
	demo, err := d.Seed(t.Context())
	if err != nil {
		t.Fatal(errors.Join(err, d.Close()))
	}
	m := &member{Daemon: d, demo: demo, base: "http://" + d.Addr().String() + c.HTTP.Path}
	if run == nil {
		run = (*Daemon).Run
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- run(d, ctx) }()
	stopped := false
	m.stop = func() error {
		cancel()
		stopped = true
		return <-ended
	}
	t.Cleanup(func() {
		if stopped {
			return
		}
		if err := m.stop(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// ask sends one request on a connection of its own.
func (m *member) ask(t *testing.T, method, path string, body io.Reader, headers ...string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, m.base+path, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Close = true
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Error(err)
	}
	return answer.StatusCode, string(text)
}

func (m *member) login(t *testing.T, password string) (int, string) {
	t.Helper()
	return m.ask(t, http.MethodPost, "/json/authenticate", nil, "X-OpenAM-Username", m.demo.User, "X-OpenAM-Password", password)
}

// operator is the header of the operator's token.
func (m *member) operator() []string {
	return []string{"Authorization", "Bearer " + m.config.Secret.OperatorToken().Reveal()}
}

func TestRunStopsInOrder(t *testing.T) {
	c := testConfig(t, nil)
	m := start(t, c, nil)
	if status, text := m.login(t, m.demo.Password); status != http.StatusOK || !strings.Contains(text, "tokenId") {
		t.Fatalf("login: %d %s", status, text)
	}
	if err := m.stop(); err != nil {
		t.Fatal(err)
	}
	again, err := New(t.Context(), c) // nothing holds the folder any more
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

// failing is a store that fails when it is told to.
type failing struct{ failed chan struct{} }

var errFailing = errors.New("the log cannot be applied: bad entry")

func (f failing) Failed() <-chan struct{} { return f.failed }
func (f failing) Ready() error            { return f.Failure() }

func (f failing) Failure() error {
	select {
	case <-f.failed:
		return errFailing
	default:
		return nil
	}
}

// A store that cannot go on ends the member in order, with an error.
func TestFailedStoreEndsTheMember(t *testing.T) {
	c := testConfig(t, nil)
	store := failing{make(chan struct{})}
	ended := make(chan error, 1)
	m := start(t, c, func(d *Daemon, ctx context.Context) error {
		err := d.run(ctx, store)
		ended <- err
		return err
	})
	if status, _ := m.ask(t, http.MethodGet, "/json/health/live", nil); status != http.StatusOK {
		t.Fatalf("before: %d", status)
	}
	close(store.failed)
	select {
	case err := <-ended:
		if !errors.Is(err, errFailing) {
			t.Errorf("Run = %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the member goes on")
	}
	_ = m.stop()
	again, err := New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestHealth(t *testing.T) {
	store := failing{make(chan struct{})}
	var leaving atomic.Bool
	h := health{store, &leaving}
	if h.Live() != nil || h.Ready() != nil {
		t.Error("a store that is well")
	}
	leaving.Store(true)
	if h.Live() != nil || h.Ready() == nil {
		t.Error("a member that leaves")
	}
	leaving.Store(false)
	close(store.failed)
	if h.Live() == nil || h.Ready() == nil {
		t.Error("a store that has failed")
	}
}
