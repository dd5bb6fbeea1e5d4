package server

import (
	"net"
	"net/http"
	"testing"
)

// Which connection goes is decided by when each became idle, not by when it was
// opened; one that is at work never goes.
func TestIdlestGoes(t *testing.T) {
	all := newConnections(3, true)
	open := func() *conn {
		t.Helper()
		here, there := net.Pipe()
		t.Cleanup(func() { there.Close() })
		c, ok := all.admit(here)
		if !ok {
			t.Fatal("not admitted")
		}
		t.Cleanup(func() { c.Close() })
		all.note(c, http.StateNew)
		return c
	}
	first, second, third := open(), open(), open()
	for _, c := range []*conn{first, second, third} {
		all.note(c, http.StateActive)
	}
	if _, ok := all.admit(nil); ok {
		t.Fatal("one more than the limit, and all are at work")
	}
	for _, c := range []*conn{second, third} {
		all.note(c, http.StateIdle)
	}
	all.note(second, http.StateActive)
	all.note(second, http.StateIdle)
	for i, victim := range []*conn{third, second} {
		fresh := open()
		all.note(fresh, http.StateActive)
		if !victim.closed || first.closed || i == 0 && second.closed {
			t.Fatalf("%d: first %t, second %t, third %t", i, first.closed, second.closed, third.closed)
		}
	}
	if _, ok := all.admit(nil); ok || all.open != 3 {
		t.Errorf("%d are open", all.open)
	}
}
