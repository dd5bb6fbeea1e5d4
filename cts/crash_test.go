package cts

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sojourn/cts/session"
)

const (
	childDir   = "CTS_TEST_CHILD_DIR"
	childFirst = "CTS_TEST_CHILD_FIRST"
	childBoot  = "CTS_TEST_CHILD_BOOT"
)

// runChild is another process that creates sessions, ends every third of them,
// and says what it does: "+" id created, "?" id about to end, "-" id ended, one a
// line, until it is killed.
func runChild(dir string) int {
	first, err := strconv.ParseUint(os.Getenv(childFirst), 10, 64)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	c := Config{Dir: dir, Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})), DiskMin: 64 << 20}
	if boot := os.Getenv(childBoot); boot != "" {
		c.boot = func() (string, error) { return boot, nil }
	}
	s, err := Open(context.Background(), c)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	var mu sync.Mutex
	next := first
	say := func(sign string, id session.ID) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Printf("%s%x\n", sign, id[:])
	}
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for {
				mu.Lock()
				next++
				n := next
				mu.Unlock()
				x := aSession(n, time.Now())
				if _, err := s.Create(context.Background(), session.Creation{Session: x}); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(3)
				}
				say("+", x.ID)
				if n%3 != 0 {
					continue
				}
				say("?", x.ID)
				_, err := s.Delete(context.Background(), session.Logout, x.ID)
				if err == nil { // as if its holder kept it
					err = s.Deny(context.Background(), session.Logout, session.Denial{ID: x.ID, Until: x.MaxExpires()})
				}
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(3)
				}
				say("-", x.ID)
			}
		})
	}
	workers.Wait()
	return 0
}

// acknowledged reads what a child said before it died.
func acknowledged(t *testing.T, out string, alive map[session.ID]bool) {
	t.Helper()
	for line := range strings.Lines(out) {
		if !strings.HasSuffix(line, "\n") || len(line) != 34 {
			continue // cut by the kill
		}
		raw, err := hex.DecodeString(line[1:33])
		if err != nil {
			t.Fatal(err)
		}
		switch id := session.ID(raw); line[0] {
		case '+':
			alive[id] = true
		case '-':
			alive[id] = false
		default:
			delete(alive, id)
		}
	}
}

// child runs a child until it has said so much, and kills it with signal 9.
func child(t *testing.T, dir, boot string, first, lines int, frozen func()) string {
	t.Helper()
	cmd := exec.Command(os.Args[0]) //nolint:gosec,noctx // this test, again
	cmd.Env = append(os.Environ(), childDir+"="+dir, childFirst+"="+strconv.Itoa(first), childBoot+"="+boot)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	in := bufio.NewReader(stdout)
	for range lines {
		line, err := in.ReadString('\n')
		out.WriteString(line)
		if err != nil {
			t.Fatalf("child ended: %v, %v", err, cmd.Wait())
		}
	}
	if frozen != nil {
		freeze(t, cmd.Process)
		frozen()
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// What it said before it was frozen counts too; afterwards it said nothing.
	rest, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(rest)
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String()
}

// check compares a store with what was acknowledged.
func check(t *testing.T, s *Store, alive map[session.ID]bool) {
	t.Helper()
	lost, risen := 0, 0
	for id, want := range alive {
		_, err := s.Session(t.Context(), id, 0)
		denied, deniedErr := s.Denied(t.Context(), session.Session{ID: id})
		if deniedErr != nil {
			t.Fatal(deniedErr)
		}
		switch {
		case want && (err != nil || denied):
			lost++
		case !want && (!errors.Is(err, session.ErrNotFound) || !denied):
			risen++
		}
	}
	if lost > 0 || risen > 0 {
		t.Fatalf("of %d acknowledged: %d sessions lost, %d valid after their end", len(alive), lost, risen)
	}
}

func TestKill9(t *testing.T) {
	rounds := 6
	if testing.Short() {
		rounds = 2
	}
	dir := filepath.Join(t.TempDir(), "cts")
	alive := map[session.ID]bool{}
	for round := range rounds {
		acknowledged(t, child(t, dir, "", round*1_000_000, 2000+500*round, nil), alive)
		if round%3 == 1 {
			continue // the next child finds the folder as this kill left it
		}
		s, err := Open(t.Context(), testConfig(t, dir))
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		check(t, s, alive)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d rounds, %d sessions", rounds, len(alive))
}

func freeze(t *testing.T, p *os.Process) {
	t.Helper()
	if err := p.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	stat := fmt.Sprintf("/proc/%d/stat", p.Pid)
	for {
		text, err := os.ReadFile(stat)
		if err != nil {
			t.Fatal(err)
		}
		_, after, _ := strings.Cut(string(text), ") ")
		if strings.HasPrefix(after, "T") {
			return
		}
		runtime.Gosched()
	}
}

func mount(t *testing.T, kind, options, source, dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root to mount")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	sh(t, "mount", "-t", kind, "-o", options, source, dir)
	t.Cleanup(func() { sh(t, "umount", dir) })
}

func sh(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil { //nolint:gosec,noctx // our own arguments
		t.Fatalf("%s %q: %v: %s", name, args, err, out)
	}
}

// A power cut loses what was not flushed, in an order of the kernel's choice.
// The disk is an image; while the process stands still the newest table of the
// state is flushed, the older ones are not, and the image is copied. No
// acknowledged session may be missing on the copy.
func TestPowerCut(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds a round")
	}
	for round := range 3 {
		t.Run(strconv.Itoa(round), func(t *testing.T) {
			base := t.TempDir()
			image, copied := filepath.Join(base, "image"), filepath.Join(base, "copy")
			sh(t, "truncate", "-s", "1G", image)
			sh(t, "mkfs.ext4", "-q", image)
			disk := filepath.Join(base, "disk")
			mount(t, "ext4", "loop,noatime", image, disk)
			dir := filepath.Join(disk, "cts")
			lines := 9000 + 9000*round
			alive := map[session.ID]bool{}
			acknowledged(t, child(t, dir, "before", 1, lines, func() {
				tables, err := filepath.Glob(filepath.Join(dir, stateDir, "*.mem"))
				if err != nil || len(tables) == 0 {
					t.Fatal(tables, err)
				}
				sh(t, "sync", slices.Max(tables))
				sh(t, "cp", "--sparse=always", image, copied)
			}), alive)

			after := filepath.Join(base, "after")
			mount(t, "ext4", "loop,noatime", copied, after)
			c := testConfig(t, filepath.Join(after, "cts"))
			c.boot = func() (string, error) { return "after", nil }
			s, err := Open(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}()
			check(t, s, alive)
			m := s.Metrics()
			t.Logf("%d acknowledged, applied %d of %d", len(alive), m.Applied, m.LastIndex)
		})
	}
}
