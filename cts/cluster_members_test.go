package cts

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
	"sojourn/cts/session"
)

// A member alone becomes three without a restart, and serves all the while.
func TestGrowth(t *testing.T) {
	inCluster(t, 0, "", func(t *testing.T, c *cluster) {
		c.change = func(config *Config) { config.Join = config.Name != "a" }
		a := c.start("a")
		c.until("member alone", func() bool { return a.Ready() == nil })
		x, index := login(t, a, 1)
		stop, stopped := make(chan struct{}), make(chan int)
		go func() {
			n := uint64(100)
			for ; ; n++ {
				select {
				case <-stop:
					stopped <- int(n - 100)
					return
				default:
				}
				x, index := login(t, a, n)
				if _, err := a.Session(t.Context(), x.ID, index); err != nil {
					t.Errorf("while growing: %v", err)
				}
				time.Sleep(5 * time.Millisecond)
			}
		}()
		began := time.Now()
		b := c.start("b")
		c.start("c")
		c.formed(3)
		t.Logf("three after %v", time.Since(began))
		close(stop)
		t.Logf("%d logins meanwhile", <-stopped)
		for _, name := range c.names() {
			if _, err := c.member(name).Session(t.Context(), x.ID, index); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		login(t, b, 2)
		c.kill("a")
		login(t, b, 3)
	})
}

// All members stop and start again, at other addresses.
func TestFullRestart(t *testing.T) {
	inCluster(t, 3, "abc", func(t *testing.T, c *cluster) {
		c.formed(3)
		x, index := login(t, c.member("a"), 1)
		c.closeAll()
		began := time.Now()
		for host, folder := range map[string]string{"x": "a", "y": "b", "z": "c"} {
			if _, err := c.open(host, folder); err != nil {
				t.Fatal(err)
			}
		}
		c.formed(3)
		t.Logf("back after %v", time.Since(began))
		c.until("addresses in the configuration", func() bool {
			config, _ := c.member("x").configuration()
			for _, server := range config.Servers {
				if a := string(server.Address); a == "10.0.0.1:1" || a == "10.0.0.2:1" || a == "10.0.0.3:1" {
					return false
				}
			}
			return true
		})
		for _, name := range c.names() {
			if _, err := c.member(name).Session(t.Context(), x.ID, index); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// A member that lost its disk comes back as another one, in the old one's place.
func TestReplacedDisk(t *testing.T) {
	inCluster(t, 3, "abc", func(t *testing.T, c *cluster) {
		c.formed(3)
		name, leader := c.leader()
		was := leader.ID()
		x, index := login(t, leader, 1)
		c.kill(name)
		if err := os.RemoveAll(filepath.Join(c.dir, name)); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		back := c.start(name)
		if back.ID() == was {
			t.Fatal("an empty disk has the id of the one before")
		}
		c.formed(3)
		t.Logf("replaced after %v", time.Since(began))
		if _, err := back.Session(t.Context(), x.ID, index); err != nil {
			t.Error(err)
		}
		config, _ := back.configuration()
		for _, server := range config.Servers {
			if string(server.ID) == was {
				t.Error("the lost one is still a member")
			}
		}
	})
}

// Only a dead member is removed; it is taken in again when it comes back.
func TestRemoveAndReturn(t *testing.T) {
	inCluster(t, 3, "abcd", func(t *testing.T, c *cluster) {
		c.until("four members", func() bool {
			config, _ := c.member("d").configuration()
			for _, name := range c.names() {
				if c.member(name).Ready() != nil {
					return false
				}
			}
			return len(config.Servers) == 4
		})
		name, leader := c.leader()
		asked := c.member(c.others(name)[0])
		all, err := asked.Members(t.Context())
		if err != nil || len(all) != 4 {
			t.Fatalf("%d members, %v", len(all), err)
		}
		voters, nonvoter := 0, ""
		for _, m := range all {
			if !m.Known || !m.Alive || !m.Answers || m.Lease <= 0 || len(m.Sees) != 4 || m.Name == "" || m.Address == "" {
				t.Errorf("member %+v", m)
			}
			if m.Leader != (m.ID == leader.ID()) || m.Self != (m.ID == asked.ID()) {
				t.Errorf("leader or self wrong: %+v", m)
			}
			if m.Voter {
				voters++
			} else {
				nonvoter = m.ID
			}
		}
		if voters != 3 {
			t.Errorf("%d voters", voters)
		}
		if err := asked.Remove(t.Context(), "nobody"); !errors.Is(err, ErrNoMember) {
			t.Errorf("remove nobody = %v", err)
		}
		if err := asked.Remove(t.Context(), nonvoter); !errors.Is(err, ErrRefused) {
			t.Errorf("remove a living member = %v", err)
		}
		if err := asked.Promote(t.Context(), nonvoter); err != nil {
			t.Errorf("promote = %v", err)
		}
		if err := asked.Promote(t.Context(), nonvoter); !errors.Is(err, ErrRefused) {
			t.Errorf("promote a voter = %v", err)
		}
		gone := ""
		for _, n := range c.names() {
			if c.member(n).ID() == nonvoter {
				gone = n
			}
		}
		if gone == name || asked.ID() == nonvoter {
			t.Skip("the member to be removed leads or is asked")
		}
		c.kill(gone)
		began := time.Now()
		if err := asked.Remove(t.Context(), nonvoter); err != nil {
			t.Fatalf("remove = %v", err)
		}
		t.Logf("removed after %v", time.Since(began))
		config, _ := leader.configuration()
		if len(config.Servers) != 3 {
			t.Errorf("%d members are left", len(config.Servers))
		}
		x, index := login(t, asked, 1)
		back := c.start(gone)
		c.until("the removed member to be back", func() bool { return back.Ready() == nil })
		if _, err := back.Session(t.Context(), x.ID, index); err != nil {
			t.Error(err)
		}
	})
}

// What an API call has changed is seen by every member when it returns.
func TestChangesAreSeenEverywhere(t *testing.T) {
	inCluster(t, 3, "abc", func(t *testing.T, c *cluster) {
		told := map[string]int{}
		c.change = nil
		c.formed(3)
		names := c.names()
		for n := range 12 {
			time.Sleep(211 * time.Millisecond)
			at := c.member(names[n%3])
			began := time.Now()
			d, _, err := at.PutDocument(t.Context(), realm.Document{Kind: realm.KindTree, Realm: "/", ID: "Login", Body: []byte(fmt.Sprint(n))}, realm.Precondition{})
			if err != nil {
				t.Fatal(err)
			}
			who := identity.Identity{Realm: "/", Name: fmt.Sprint("user", n)}
			if err := at.PutIdentity(t.Context(), who, true); err != nil {
				t.Fatal(err)
			}
			if err := at.PutIdentity(t.Context(), who, true); !errors.Is(err, ErrExists) {
				t.Errorf("created twice: %v", err)
			}
			x, _ := login(t, at, uint64(n))
			if _, err := at.SetProperties(t.Context(), x.ID, map[string]string{"n": fmt.Sprint(n)}); err != nil {
				t.Fatal(err)
			}
			told["slowest"] = max(told["slowest"], int(time.Since(began)))
			for _, name := range names {
				m := c.member(name)
				if got, err := m.Document(t.Context(), realm.KindTree, "/", "Login"); err != nil || got.Rev != d.Rev {
					t.Errorf("%s has document %+v, %v", name, got, err)
				}
				if _, err := m.Identity(t.Context(), "/", who.Name); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if got, err := m.Session(t.Context(), x.ID, 0); err != nil || got.Properties["n"] != fmt.Sprint(n) {
					t.Errorf("%s has properties %v, %v", name, got.Properties, err)
				}
			}
			if _, err := at.UpdateIdentity(t.Context(), "/", who.Name, identity.CountLogin{}); err != nil {
				t.Error(err)
			}
			if err := at.DeleteIdentity(t.Context(), "/", who.Name); err != nil {
				t.Error(err)
			}
			for _, name := range names {
				if _, err := c.member(name).Identity(t.Context(), "/", who.Name); !errors.Is(err, identity.ErrNotFound) {
					t.Errorf("%s still has it: %v", name, err)
				}
			}
			if err := at.DeleteIdentity(t.Context(), "/", who.Name); !errors.Is(err, identity.ErrNotFound) {
				t.Errorf("deleted twice: %v", err)
			}
		}
		t.Logf("slowest five writes: %v", time.Duration(told["slowest"]))
	})
}

// A follower that is further behind than the log reaches is sent the store, while
// writes go on.
func TestSnapshotOverTheNetwork(t *testing.T) {
	inCluster(t, 3, "", func(t *testing.T, c *cluster) {
		c.change = func(config *Config) { config.segment, config.Key = 16<<10, bytes.Repeat([]byte{7}, 32) }
		for _, name := range []string{"a", "b", "c"} {
			c.start(name)
		}
		c.formed(3)
		name, leader := c.leader()
		lost := c.others(name)[0]
		first, index := login(t, leader, 0)
		if _, err := leader.Delete(t.Context(), session.Logout, first.ID); err != nil {
			t.Fatal(err)
		}
		reached := c.member(lost).Applied()
		c.stop(lost)
		var last session.Session
		for n := range uint64(400) {
			last, index = login(t, leader, 1+n)
		}
		reload := leader.raft.ReloadableConfig()
		reload.TrailingLogs = 10
		if err := leader.raft.ReloadConfig(reload); err != nil {
			t.Fatal(err)
		}
		if err := leader.takeCheckpoint(); err != nil {
			t.Fatal(err)
		}
		if from, err := leader.log.FirstIndex(); err != nil || from <= reached+1 {
			t.Fatalf("the log was not cut: it begins at %d, %v", from, err)
		}
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for n := uint64(10_000); ; n++ {
				select {
				case <-stop:
					return
				default:
					login(t, leader, n)
					time.Sleep(2 * time.Millisecond)
				}
			}
		}()
		m := c.start(lost)
		c.until("the store to be sent", func() bool {
			_, err := m.Session(t.Context(), first.ID, 1)
			if err != nil && !errors.Is(err, session.ErrNotFound) && unavailableReason(err) == "" {
				t.Fatal(err)
			}
			return m.points.Last().Installed && m.Ready() == nil
		})
		close(stop)
		<-stopped
		if _, err := m.Session(t.Context(), last.ID, index); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		if a, b := keys(t, m.Store), keys(t, leader.Store); fmt.Sprint(a) != fmt.Sprint(b) {
			t.Errorf("the member has %v, the leader %v", a, b)
		}
		c.stop(lost)
		c.start(lost)
		c.formed(3)
		if _, err := c.member(lost).Session(t.Context(), last.ID, index); err != nil {
			t.Error(err)
		}
	})
}

// A backup is taken at any member; a restore happens everywhere.
func TestBackupAndRestoreInCluster(t *testing.T) {
	inCluster(t, 3, "abc", func(t *testing.T, c *cluster) {
		c.formed(3)
		name, leader := c.leader()
		other := c.member(c.others(name)[0])
		kept, index := login(t, leader, 1)
		if _, err := other.Session(t.Context(), kept.ID, index); err != nil {
			t.Fatal(err)
		}
		var backup bytes.Buffer
		if err := other.Backup(t.Context(), &backup); err != nil {
			t.Fatal(err)
		}
		dropped, _ := login(t, leader, 2)
		if err := other.Restore(t.Context(), bytes.NewReader(backup.Bytes())); unavailableReason(err) == "" {
			t.Errorf("restore at a follower = %v", err)
		}
		if err := leader.Restore(t.Context(), bytes.NewReader(backup.Bytes())); err != nil {
			t.Fatal(err)
		}
		for _, n := range c.names() {
			m := c.member(n)
			if _, err := m.Session(t.Context(), kept.ID, index); err != nil {
				t.Errorf("%s: %v", n, err)
			}
			if _, err := m.Session(t.Context(), dropped.ID, 0); !errors.Is(err, session.ErrNotFound) {
				t.Errorf("%s has what was not in the backup: %v", n, err)
			}
		}
	})
}
