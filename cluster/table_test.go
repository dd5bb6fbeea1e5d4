package cluster

import (
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"

	"sojourn/cluster/placement"
)

// tableOf is a table without gossip, and how a node gets into it.
func tableOf(t *testing.T) (*table, func(n int) error) {
	t.Helper()
	self := sample()
	self.member.Store, self.leaving, self.member.Draining = "", false, false
	tab := newTable(self, "10.9.9.9:1", newNotes(slog.New(slog.DiscardHandler)))
	return tab, func(n int) error {
		r := record{oldest: 1, started: time.Unix(1, 0), member: placement.Member{ID: placement.MemberID(fmt.Sprint(n)), Address: "h:1", Protocol: 1}}
		meta, err := r.encode()
		if err != nil {
			t.Fatal(err)
		}
		node := &memberlist.Node{Name: fmt.Sprint(n), Addr: net.IPv4(10, 0, byte(n>>8), byte(n)).To4(), Port: 8700, Meta: meta} //nolint:gosec // small numbers
		if err := tab.NotifyAlive(node); err != nil {
			return err
		}
		tab.NotifyJoin(node)
		return nil
	}
}

func TestMembersAreBounded(t *testing.T) {
	tab, join := tableOf(t)
	for n := range MaxMembers - 1 {
		if err := join(n); err != nil {
			t.Fatal(n, err)
		}
	}
	if err := join(MaxMembers); err == nil || !strings.Contains(err.Error(), "64 members are known already") {
		t.Errorf("one too many: %v", err)
	}
	if err := join(0); err != nil {
		t.Errorf("one that is known: %v", err)
	}
	if n := tab.latest().view.Len(); n != MaxMembers {
		t.Errorf("%d members", n)
	}
	tab.NotifyLeave(&memberlist.Node{Name: "0"})
	if err := join(MaxMembers); err != nil {
		t.Errorf("after one is gone: %v", err)
	}
}

// TestTheDeadAreForgotten after some days, and when there are too many.
func TestTheDeadAreForgotten(t *testing.T) {
	tab, join := tableOf(t)
	for n := range 3 * MaxMembers {
		if err := join(n); err != nil {
			t.Fatal(n, err)
		}
		tab.NotifyLeave(&memberlist.Node{Name: fmt.Sprint(n)})
	}
	now := time.Now()
	if n := len(tab.missing(now)); n != MaxMembers {
		t.Errorf("%d addresses, want the last %d", n, MaxMembers)
	}
	if n := len(tab.missing(now.Add(memory + time.Hour))); n != 0 {
		t.Errorf("%d addresses after three days", n)
	}
}

// TestCallbacksDoNotWait: nobody reads the log lines.
func TestCallbacksDoNotWait(t *testing.T) {
	tab, join := tableOf(t)
	for n := range 2 * queuedNotes {
		if err := join(n); err != nil {
			t.Fatal(n, err)
		}
		tab.NotifyLeave(&memberlist.Node{Name: fmt.Sprint(n)})
	}
	if n := tab.latest().view.Len(); n != 1 {
		t.Errorf("%d members", n)
	}
}
