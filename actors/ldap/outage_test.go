package ldap

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
)

// TestServerGoesAndComes kills the directory between and during requests.
func TestServerGoesAndComes(t *testing.T) {
	s := startSlapd(t)
	c := s.config()
	c.ConnectTimeout, c.Timeout = time.Second, 2*time.Second
	d := open(t, c)
	login := func() (identity.Verdict, error) {
		verdict, _, err := d.Authenticate(t.Context(), realm.Root, "demo", horse, identity.Guess{})
		return verdict, err
	}
	if verdict, err := login(); err != nil || verdict != identity.Match {
		t.Fatalf("verdict %d, %v", verdict, err)
	}
	s.kill()
	for range 3 {
		if _, err := login(); !errors.Is(err, identity.ErrUnavailable) {
			t.Fatalf("server gone: %v", err)
		}
	}
	s.start()
	if verdict, err := login(); err != nil || verdict != identity.Match {
		t.Fatalf("server back: verdict %d, %v", verdict, err)
	}

	// While requests run, each answer is right or unavailable.
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if verdict, err := login(); err == nil && verdict != identity.Match || err != nil && !errors.Is(err, identity.ErrUnavailable) {
					t.Errorf("verdict %d, %v", verdict, err)
					return
				}
			}
		})
	}
	for range 3 {
		s.kill()
		s.start()
	}
	close(stop)
	all.Wait()
	if verdict, err := login(); err != nil || verdict != identity.Match {
		t.Fatalf("afterwards: verdict %d, %v", verdict, err)
	}
}

// TestSecondServer goes to the next server where the first is gone.
func TestSecondServer(t *testing.T) {
	s := startSlapd(t)
	c := s.config()
	c.Servers = []string{"ldap://" + freePort(t), "ldap://" + s.plain}
	d := open(t, c)
	for range 3 {
		if verdict, _, err := d.Authenticate(t.Context(), realm.Root, "demo", horse, identity.Guess{}); err != nil || verdict != identity.Match {
			t.Fatalf("verdict %d, %v", verdict, err)
		}
	}
	if m := d.Metrics(); m.Failed > 2 {
		t.Errorf("the dead server was asked again and again: %+v", m)
	}
}

// silent accepts connections and never answers.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { _, _ = io.Copy(io.Discard, c); _ = c.Close() })
		}
	})
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	return l.Addr().String()
}

func silentConfig(t *testing.T, addr string) Config {
	t.Helper()
	return Config{
		Servers: []string{"ldap://" + addr}, Plaintext: true, BaseDN: "dc=example,dc=com",
		Connections: 1, Queue: 1, ConnectTimeout: time.Minute, Timeout: time.Minute,
	}
}

// TestSilentServer: a server that takes requests and does not answer costs the
// timeout, and no longer than the caller waits.
func TestSilentServer(t *testing.T) {
	addr := silent(t)
	t.Run("timeout", func(t *testing.T) {
		c := silentConfig(t, addr)
		c.Timeout = 50 * time.Millisecond
		if _, err := open(t, c).Lookup(t.Context(), realm.Root, "demo"); !errors.Is(err, identity.ErrUnavailable) {
			t.Fatal(err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		gone := errors.New("client went away")
		ctx, cancel := context.WithCancelCause(t.Context())
		d := open(t, silentConfig(t, addr))
		time.AfterFunc(20*time.Millisecond, func() { cancel(gone) })
		start := time.Now()
		if _, err := d.Lookup(ctx, realm.Root, "demo"); !errors.Is(err, gone) {
			t.Fatal(err)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Fatalf("waited %s", took)
		}
	})
	t.Run("overloaded", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		d := open(t, silentConfig(t, addr))
		var all sync.WaitGroup
		defer all.Wait()
		defer cancel()
		refusals := make(chan error, 3)
		for range 3 {
			all.Go(func() {
				_, err := d.Lookup(ctx, realm.Root, "demo")
				refusals <- err
			})
		}
		if err := <-refusals; !errors.Is(err, identity.ErrOverloaded) {
			t.Fatal(err)
		}
	})
	t.Run("no place in time", func(t *testing.T) {
		c := silentConfig(t, addr)
		d := open(t, c)
		d.search.wait = 20 * time.Millisecond
		d.search.places <- struct{}{}
		_, err := d.Lookup(t.Context(), realm.Root, "demo")
		<-d.search.places
		if !errors.Is(err, identity.ErrOverloaded) {
			t.Fatal(err)
		}
	})
	t.Run("closed", func(t *testing.T) {
		d := open(t, silentConfig(t, addr))
		d.Close()
		if _, err := d.Lookup(t.Context(), realm.Root, "demo"); !errors.Is(err, identity.ErrUnavailable) {
			t.Fatal(err)
		}
	})
}
