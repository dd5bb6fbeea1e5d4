package fleet

import (
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func testConfig(t *testing.T) Config {
	t.Helper()
	t.Setenv(memberEnv, "1")
	self, err := os.Executable()
	must(t, err)
	return Config{Binary: self, Dir: t.TempDir(), SecretFile: "secret", Members: 3, Patience: 10 * time.Second}
}

func start(t *testing.T, c Config) *Fleet {
	t.Helper()
	f, err := Start(t.Context(), c)
	must(t, err)
	t.Cleanup(func() { must(t, f.Close()) })
	return f
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ask gets a member's answer; a member that does not answer gives "".
func ask(t *testing.T, f *Fleet, i int, path string, to ...string) string {
	t.Helper()
	c := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := c.Get(f.Base(i) + path + "?" + url.Values{"to": to}.Encode())
	if err != nil {
		return ""
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	must(t, err)
	return string(body)
}

func TestFleet(t *testing.T) {
	f := start(t, testConfig(t))
	if f.Len() != 3 || f.Name(2) != "m2" {
		t.Fatalf("%d members, the last is %s", f.Len(), f.Name(f.Len()-1))
	}
	first := ask(t, f, 0, "/args")
	if !strings.Contains(first, "--expect 3") || strings.Contains(first, "--join") {
		t.Errorf("the first member was started with %q", first)
	}
	if got := ask(t, f, 1, "/args"); !strings.Contains(got, "--expect 3 --join "+f.Address(0)) {
		t.Errorf("the second member was started with %q", got)
	}

	base, address := f.Base(1), f.Address(1)
	must(t, f.Kill(1))
	must(t, f.Kill(1))
	if f.Running(1) || !f.Running(0) || ask(t, f, 1, "/args") != "" {
		t.Error("kill ends not the one it should")
	}
	must(t, f.Restart(t.Context(), 1))
	must(t, f.Ready(t.Context(), 1))
	if f.Base(1) != base || f.Address(1) != address {
		t.Errorf("back at %s and %s, was at %s and %s", f.Base(1), f.Address(1), base, address)
	}
	if got := ask(t, f, 1, "/args"); !strings.Contains(got, "--join "+f.Address(0)+","+f.Address(2)) {
		t.Errorf("started again with %q", got)
	}
	if f.Restart(t.Context(), 1) == nil {
		t.Error("started a member that runs")
	}

	must(t, f.Terminate(1))
	if got := f.Tail(1); !strings.Contains(got, "m1 ends in order") {
		t.Errorf("the log says %q", got)
	}
	if f.Terminate(1) == nil {
		t.Error("terminated a member that does not run")
	}
	must(t, f.Move(t.Context(), 1))
	must(t, f.Ready(t.Context(), 1))
	if f.Base(1) != base || f.Address(1) == address {
		t.Errorf("moved to %s and %s from %s and %s", f.Base(1), f.Address(1), base, address)
	}

	must(t, f.Freeze(2))
	if ask(t, f, 2, "/args") != "" {
		t.Error("a frozen member answered")
	}
	must(t, f.Thaw(2))
	must(t, f.Thaw(2))
	if ask(t, f, 2, "/args") == "" {
		t.Error("a thawed member does not answer")
	}
	must(t, f.Freeze(2))
	must(t, f.Kill(2))
	must(t, f.Replace(t.Context(), 2))
	if got := ask(t, f, 2, "/args"); !strings.Contains(got, "--expect 1 --join") {
		t.Errorf("replaced with %q", got)
	}
	must(t, f.Add(t.Context()))
	if f.Len() != 4 || !f.Running(3) {
		t.Error("no member was added")
	}
	if f.Cut(t.Context(), 0, 1) == nil {
		t.Error("members on loopback were cut apart")
	}
	must(t, f.Heal(t.Context()))
	must(t, f.Close())
	for i := range f.Len() {
		if f.Running(i) {
			t.Errorf("%s still runs", f.Name(i))
		}
	}
}

func TestStartRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"no members":               {func(c *Config) { c.Members = 0 }, "0 members"},
		"more than one alone":      {func(c *Config) { c.Alone = true }, "3 members"},
		"no such program":          {func(c *Config) { c.Binary = filepath.Join(c.Dir, "none") }, "start m0"},
		"a program that ends":      {func(c *Config) { c.Binary = "/bin/true" }, "m0 does not listen: it ended"},
		"a member that never says": {func(c *Config) { c.Args, c.Patience = []string{"--ready", "never"}, 200*time.Millisecond }, "m0 is not ready"},
	} {
		t.Run(name, func(t *testing.T) {
			c := testConfig(t)
			tc.change(&c)
			if _, err := Start(t.Context(), c); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

// TestTerminateDemandsOrder: a member that ends with an error has not ended in
// order.
func TestTerminateDemandsOrder(t *testing.T) {
	c := testConfig(t)
	c.Members, c.Args = 1, []string{"--more", "unwilling"}
	f := start(t, c)
	if err := f.Terminate(0); err == nil || !strings.Contains(err.Error(), "exit status 1") {
		t.Errorf("got %v", err)
	}
}

func TestDamage(t *testing.T) {
	c := testConfig(t)
	c.Members = 1
	f := start(t, c)
	random := rand.New(rand.NewPCG(1, 2))
	if _, err := f.Damage(0, random); err == nil {
		t.Error("damaged a member that runs")
	}
	must(t, f.Kill(0))
	path, err := f.Damage(0, random)
	must(t, err)
	if text, err := os.ReadFile(path); err != nil || string(text) != "so\x65nd" {
		t.Errorf("%s holds %q, %v", path, text, err)
	}
	if err := f.Restart(t.Context(), 0); err == nil || !strings.Contains(err.Error(), path+" is damaged") {
		t.Errorf("start on a damaged folder: %v", err)
	}
	must(t, f.Replace(t.Context(), 0))
	must(t, f.Ready(t.Context(), 0))
}

func TestFill(t *testing.T) {
	needsRoot(t)
	c := testConfig(t)
	c.Members, c.Disk = 2, 4<<20
	f := start(t, c)
	must(t, f.Fill(0))
	if got := ask(t, f, 0, "/write"); !strings.Contains(got, "no space left") {
		t.Errorf("on a full disk: %q", got)
	}
	if got := ask(t, f, 1, "/write"); got != "<nil>" {
		t.Errorf("on another disk: %q", got)
	}
	must(t, f.Drain(0))
	must(t, f.Drain(0))
	if got := ask(t, f, 0, "/write"); got != "<nil>" {
		t.Errorf("on a disk with space again: %q", got)
	}
	dir := f.members[0].dir
	must(t, f.Close())
	if mounts, err := os.ReadFile("/proc/mounts"); err != nil || strings.Contains(string(mounts), dir) {
		t.Errorf("still mounted: %s (%v)", dir, err)
	}
	f = start(t, testConfig(t))
	if f.Fill(0) == nil {
		t.Error("filled a disk that members share with all else")
	}
}

// TestPowerCut: what was flushed is there after it, what was not is gone, and the
// machine has another boot id.
func TestPowerCut(t *testing.T) {
	needsRoot(t)
	c := testConfig(t)
	c.Members, c.Image = 2, 64<<20
	f := start(t, c)
	boot := ask(t, f, 0, "/boot")
	if got := ask(t, f, 0, "/sync"); got != "<nil>" {
		t.Fatalf("sync: %s", got)
	}
	ask(t, f, 0, "/write")
	if got := ask(t, f, 0, "/kept"); got != "sound, 1048576, <nil>" {
		t.Fatalf("before the cut: %q", got)
	}
	must(t, f.PowerCut(t.Context()))
	if f.Running(0) || f.Running(1) {
		t.Error("a member runs without power")
	}
	for i := range 2 {
		must(t, f.Restart(t.Context(), i))
	}
	must(t, f.Ready(t.Context(), 0, 1))
	if got := ask(t, f, 0, "/kept"); got != "sound, 0, <nil>" {
		t.Errorf("after the cut: %q", got)
	}
	if got := ask(t, f, 0, "/boot"); got == boot || !strings.HasSuffix(got, "1\n<nil>") {
		t.Errorf("the boot id is %q, was %q", got, boot)
	}
	must(t, f.Kill(0))
	f = start(t, testConfig(t))
	if f.PowerCut(t.Context()) == nil {
		t.Error("cut the power of disks that are no images")
	}
}

func needsRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}

// TestNamespaces: cuts work for datagrams in the one direction that was named,
// for connections as soon as one direction is cut, and never for clients.
func TestNamespaces(t *testing.T) {
	needsRoot(t)
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("needs ip of iproute2")
	}
	c := testConfig(t)
	c.Namespaces = true
	f := start(t, c)
	// Datagrams are sent and counted one pair after the other, with a second one
	// on a path that is open to wait for.
	reaches := func(from, to int) bool {
		t.Helper()
		before := ask(t, f, to, "/heard")
		if got := ask(t, f, from, "/send", f.Address(to)); got != "<nil>" {
			t.Fatalf("%d does not send to %d: %q", from, to, got)
		}
		limit := time.After(300 * time.Millisecond)
		look := time.NewTicker(5 * time.Millisecond)
		defer look.Stop()
		for {
			select {
			case <-look.C:
				if ask(t, f, to, "/heard") != before {
					return true
				}
			case <-limit:
				return false
			}
		}
	}
	connects := func(from, to int) bool {
		t.Helper()
		return ask(t, f, from, "/dial", strings.TrimSuffix(strings.TrimPrefix(f.Base(to), "http://"), "/am")) == "<nil>"
	}
	check := func(what string, cut ...[2]int) {
		t.Helper()
		for from := range 3 {
			for to := range 3 {
				if from == to {
					continue
				}
				if got, want := reaches(from, to), !slices.Contains(cut, [2]int{from, to}); got != want {
					t.Errorf("%s: a datagram from %d to %d arrives: %v, want %v", what, from, to, got, want)
				}
				apart := slices.Contains(cut, [2]int{from, to}) || slices.Contains(cut, [2]int{to, from})
				if got := connects(from, to); got == apart {
					t.Errorf("%s: %d connects to %d: %v, want %v", what, from, to, got, !apart)
				}
			}
		}
	}
	check("whole")
	must(t, f.Cut(t.Context(), 0, 1))
	must(t, f.Cut(t.Context(), 0, 1))
	check("one way", [2]int{0, 1})
	must(t, f.Cut(t.Context(), 1, 0))
	check("both ways", [2]int{0, 1}, [2]int{1, 0})
	must(t, f.Kill(1))
	must(t, f.Restart(t.Context(), 1))
	check("after a restart", [2]int{0, 1}, [2]int{1, 0})
	must(t, f.Heal(t.Context()))
	check("healed")
	run := f.net.(*namespaces).run
	must(t, f.Close())
	for _, args := range [][]string{{"netns"}, {"link"}} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil || strings.Contains(string(out), run) {
			t.Errorf("left behind: %s (%v)", out, err)
		}
	}
}
