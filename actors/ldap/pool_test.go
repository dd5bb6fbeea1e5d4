package ldap

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// kept is how many connections wait in a pool for reuse.
func kept(p *pool) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.idle)
}

// TestPoolKeepsOnlyWhatIsSound: a connection whose operation was cut short may
// still get the answer to it, or a deadline, and serves nobody else.
func TestPoolKeepsOnlyWhatIsSound(t *testing.T) {
	p := open(t, silentConfig(t, scripted(t, ldap.LDAPResultSuccess, nil))).binds
	if err := p.with(t.Context(), func(*conn) error { return nil }); err != nil || kept(p) != 1 {
		t.Fatalf("kept %d after a request, %v", kept(p), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := p.with(ctx, func(c *conn) error {
		return c.do(ctx, time.Minute, func() error { cancel(); return nil })
	})
	if err != nil || kept(p) != 0 {
		t.Fatalf("kept %d after a request that was cancelled, %v", kept(p), err)
	}
}

// TestPoolDropsTheOld makes a new connection when the kept one was idle for too
// long.
func TestPoolDropsTheOld(t *testing.T) {
	c := silentConfig(t, scripted(t, ldap.LDAPResultSuccess, nil))
	c.IdleTimeout = time.Nanosecond
	p := open(t, c).binds
	for range 2 {
		if err := p.with(t.Context(), func(*conn) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if n := p.dialer.opened.Load(); n != 2 {
		t.Fatalf("opened %d connections", n)
	}
}

// TestPoolCloseWaits closes while a connection is in use: Close waits for it,
// and it is hung up rather than kept.
func TestPoolCloseWaits(t *testing.T) {
	p := open(t, silentConfig(t, scripted(t, ldap.LDAPResultSuccess, nil))).binds
	entered, release, closed, done := make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- p.with(t.Context(), func(*conn) error { close(entered); <-release; return nil })
	}()
	<-entered
	go func() { p.close(); close(closed) }()
	for _, err := p.takeIdle(); err == nil; _, err = p.takeIdle() {
		runtime.Gosched()
	}
	select {
	case <-closed:
		t.Error("closed while a connection was in use")
	default:
	}
	close(release)
	<-closed
	if err := <-done; err != nil || kept(p) != 0 {
		t.Fatalf("kept %d, %v", kept(p), err)
	}
}
