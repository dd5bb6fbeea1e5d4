package cts

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sojourn/cts/internal/peer"
	"sojourn/cts/session"
)

// Members that see each other only in part found one cluster, not two.
func TestOneClusterIsFounded(t *testing.T) {
	inCluster(t, 3, "abcde", func(t *testing.T, c *cluster) {
		c.mu.Lock()
		for _, pair := range []string{"ad", "ae", "bd", "be"} { // c sees all
			a, b := pair[:1], pair[1:]
			c.net.Cut(a, b)
			c.cut[[2]string{a, b}], c.cut[[2]string{b, a}] = true, true
		}
		c.mu.Unlock()
		time.Sleep(3 * time.Second)
		c.heal()
		c.formed(5)
		ids := map[[16]byte]bool{}
		for _, name := range c.names() {
			id, err := c.member(name).clusterID()
			if err != nil || id == [16]byte{} {
				t.Errorf("%s: %x, %v", name, id, err)
			}
			ids[id] = true
		}
		if len(ids) != 1 {
			t.Errorf("%d clusters", len(ids))
		}
	})
}

// A promise is kept over a restart, and never made to two.
func TestPromiseIsKept(t *testing.T) {
	inCluster(t, 2, "b", func(t *testing.T, c *cluster) {
		b := c.member("b")
		ask := func(candidate string) error {
			_, err := c.member("b").respond(t.Context(), peer.Promise{Candidate: candidate, Expect: 2})
			return err
		}
		if err := ask("Z1"); err != nil {
			t.Fatal(err)
		}
		if err := ask("Z2"); !errors.Is(err, ErrRefused) {
			t.Errorf("a second candidate: %v", err)
		}
		c.stop("b")
		c.start("b")
		if err := ask("Z2"); !errors.Is(err, ErrRefused) || c.member("b").ID() != b.ID() {
			t.Errorf("a second candidate after a restart: %v", err)
		}
		if err := ask("Z1"); err != nil {
			t.Errorf("the first candidate again: %v", err)
		}
		data, err := os.ReadFile(filepath.Join(c.dir, "b", promiseFile))
		if err != nil || string(data) != `{"Version":1,"To":"Z1"}` {
			t.Errorf("the file is %s, %v", data, err)
		}
	})
}

// A cluster that is being founded takes nothing before it is complete, over a
// restart too, and a member of a cluster promises nothing.
func TestFoundingWaitsForAll(t *testing.T) {
	inCluster(t, 3, "abc", func(t *testing.T, c *cluster) {
		var founder string
		c.until("founder", func() bool {
			for _, name := range c.names() {
				if c.member(name).forming.Load() {
					founder = name
				}
			}
			return founder != ""
		})
		others := c.others(founder)
		for _, other := range others {
			c.kill(other)
		}
		m := c.member(founder)
		refuses := func(when string) {
			t.Helper()
			_, err := m.Create(t.Context(), session.Creation{Session: aSession(1, time.Now())})
			_, readErr := m.Session(t.Context(), session.ID{1}, 0)
			for _, err := range []error{err, readErr, m.Ready()} {
				if !strings.Contains(unavailableReason(err), "waits for 3 members") {
					t.Errorf("%s: %v", when, err)
				}
			}
		}
		refuses("alone")
		c.stop(founder)
		m = c.start(founder)
		time.Sleep(3 * time.Second)
		refuses("after a restart")
		for _, other := range others {
			c.start(other)
		}
		c.formed(3)
		login(t, m, 1)
		if _, err := m.respond(t.Context(), peer.Promise{Candidate: "A", Expect: 3}); !errors.Is(err, ErrRefused) {
			t.Errorf("a member of a cluster promises: %v", err)
		}
		for _, name := range c.names() {
			if _, err := os.Stat(filepath.Join(c.dir, name, promiseFile)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s keeps its promise: %v", name, err)
			}
		}
	})
}

func TestDamagedPromiseIsRefused(t *testing.T) {
	for name, text := range map[string]string{"no JSON": "{", "later version": `{"Version":2}`} {
		path := filepath.Join(t.TempDir(), promiseFile)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var damaged *DamagedError
		if _, err := openFounding(path); !errors.As(err, &damaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A member with other timings gets no lease and no vote, and says why.
func TestDifferentTimings(t *testing.T) {
	inCluster(t, 2, "ab", func(t *testing.T, c *cluster) {
		c.formed(2)
		c.change = func(config *Config) { config.Slow, config.Expect = 2, 0 }
		other := c.start("c")
		time.Sleep(5 * time.Second)
		if err := other.Ready(); !strings.Contains(unavailableReason(err), "different timings") {
			t.Errorf("the member with other timings = %v", err)
		}
		for _, name := range []string{"a", "b"} {
			m := c.member(name)
			if config, _ := m.configuration(); voters(config) != 2 || len(config.Servers) != 3 || m.Ready() != nil {
				t.Errorf("%s has %d voters, %v", name, voters(config), m.Ready())
			}
			if _, err := m.respond(t.Context(), peer.Term{Life: time.Second}); !strings.Contains(unavailableReason(err), "different timings") {
				t.Errorf("it answers another leader's question: %v", err)
			}
		}
	})
}

// The folder of a member that was started alone, before there was a network, is
// that of a member of a cluster.
func TestFolderOfOneMember(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, testConfig(t, dir))
	x := aSession(1, time.Now())
	if _, err := s.Create(t.Context(), session.Creation{Session: x}); err != nil {
		t.Fatal(err)
	}
	id := s.ID()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	inCluster(t, 0, "", func(t *testing.T, c *cluster) {
		if err := os.CopyFS(filepath.Join(c.dir, "a"), os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		c.change = func(config *Config) {
			config.Join = config.Name != "a"
			config.Now = func() time.Time { return x.Created }
		}
		for _, name := range []string{"a", "b", "c"} {
			c.start(name)
		}
		c.formed(3)
		if c.member("a").ID() != id {
			t.Error("another id")
		}
		for _, name := range c.names() {
			if _, err := c.member(name).Session(t.Context(), x.ID, 0); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
