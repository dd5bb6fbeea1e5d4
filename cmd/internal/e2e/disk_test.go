package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sojourn/http/client"
	"sojourn/http/wire"
)

// TestFullDisk fills the file system under a member, in two steps. Below the
// minimum of free space nothing new is stored: logins are refused with 503, all
// else goes on. On a disk that is full to the last byte no logout can be
// acknowledged any more either, and it says so; sessions go on being valid, and
// the process lives. When space returns, so do logins, and nothing was lost.
func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to mount a small file system")
	}
	disk := smallDisk(t, "320m")
	p := newPlaceIn(t, disk)
	m := p.start(t, "--set", "limits.requestTime=2s")
	c := m.client(t)
	importUsers(t, c, "user", 10)
	tokens := makeSessions(t, c, "user", 10, 200)
	low, full := tokens[:50], tokens[50:100] // to be ended on a disk that is nearly full, and full
	alive := tokens[100:]

	begun := time.Now()

	// 64 MiB is the minimum that the harness sets; half of it is "full".
	leave(t, disk, 48<<20)
	eventually(t, 30*time.Second, "logins are refused when space is low", func() bool { return loginRefused(t, c) })
	for i, token := range low {
		if ended, err := c.Logout(t.Context(), token); err != nil || !ended {
			t.Fatalf("logout %d with little space: %v, %v", i, ended, err)
		}
	}
	if bad := invalid(t, c, tokens[50:]); bad > 0 {
		t.Fatalf("with little space %d of %d sessions are not valid", bad, len(tokens[50:]))
	}

	leave(t, disk, 0)
	eventually(t, 30*time.Second, "logouts are refused when there is no space", func() bool {
		_, err := c.Logout(t.Context(), full[0])
		return isUnavailable(t, err)
	})
	leave(t, disk, 0) // the ballast has gone meanwhile
	if !loginRefused(t, c) {
		t.Error("a login on a full disk was not refused")
	}
	if !client.IsStatus(c.Ready(t.Context()), 503) {
		t.Error("ready, though nothing can be written")
	}
	must(t, c.Live(t.Context()))
	if bad := invalid(t, c, alive); bad > 0 {
		t.Fatalf("on a full disk %d of %d sessions are not valid", bad, len(alive))
	}
	if back := len(low) - invalid(t, c, low); back > 0 {
		t.Fatalf("on a full disk %d ended sessions are valid", back)
	}
	if m.ended() {
		t.Fatalf("the process died of a full disk\n%s", m.log)
	}
	// The log may lie on the same disk.
	lines, seconds := strings.Count(m.log.String(), "request refused"), int(time.Since(begun)/time.Second)
	if lines == 0 || lines > seconds+2 {
		t.Errorf("%d lines about refused requests in %d seconds", lines, seconds)
	}

	must(t, os.Remove(filepath.Join(disk, "filler")))
	eventually(t, 30*time.Second, "logins work again", func() bool { return !loginRefused(t, c) })
	for i, token := range full {
		if _, err := c.Logout(t.Context(), token); err != nil {
			t.Fatalf("logout %d with space again: %v", i, err)
		}
	}
	more := makeSessions(t, c, "user", 10, 100)
	for _, stop := range []func(*member, *testing.T){(*member).kill, (*member).terminate} {
		stop(m, t)
		m = p.start(t)
		c = m.client(t)
		if bad := invalid(t, c, alive) + invalid(t, c, more); bad > 0 {
			t.Fatalf("after a restart %d of %d sessions are lost", bad, len(alive)+len(more))
		}
		if back := len(low) + len(full) - invalid(t, c, low) - invalid(t, c, full); back > 0 {
			t.Fatalf("after a restart %d ended sessions are valid", back)
		}
	}
}

// TestDiskFillsUnderLoad fills the file system to the last byte at once while
// logins run: whatever was being written then, the process lives, every login
// is answered by a success or by 503, and what was acknowledged stays.
func TestDiskFillsUnderLoad(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to mount a small file system")
	}
	disk := smallDisk(t, "320m")
	p := newPlaceIn(t, disk)
	m := p.start(t, "--set", "limits.requestTime=2s")
	c := m.client(t)
	importUsers(t, c, "user", 8)
	var tokens []wire.TokenID
	acknowledged := make(chan wire.TokenID)
	refusals := make(chan struct{}, 8)
	for i := range cap(refusals) {
		go func() {
			defer func() { refusals <- struct{}{} }()
			for {
				reply, err := c.Start(t.Context(), client.Journey{Tree: "Login", Username: fmt.Sprint("user", i), Password: cheapPassword})
				if err != nil {
					isUnavailable(t, err)
					return
				}
				acknowledged <- reply.Success.TokenID
			}
		}()
	}
	for ended := 0; ended < cap(refusals); {
		select {
		case token := <-acknowledged:
			if tokens = append(tokens, token); len(tokens) == 200 {
				leave(t, disk, 0)
			}
		case <-refusals:
			ended++
		}
	}
	if bad := invalid(t, c, tokens); bad > 0 {
		t.Fatalf("on a full disk %d of %d sessions are not valid", bad, len(tokens))
	}
	m.kill(t)
	must(t, os.Remove(filepath.Join(disk, "filler")))
	m = p.start(t)
	c = m.client(t)
	if bad := invalid(t, c, tokens); bad > 0 {
		t.Fatalf("after a restart %d of %d sessions are lost", bad, len(tokens))
	}
	login(t, c, "user0", cheapPassword)
	t.Logf("%d logins were acknowledged, 200 of them before the disk was full", len(tokens))
}

// smallDisk mounts a file system of its own for a test.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	must(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size))
	t.Cleanup(func() {
		// Members end in cleanups that were registered later and ran before.
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return dir
}

// leave fills a file system until so many bytes are free; for 0 to the last one.
func leave(t *testing.T, dir string, free int64) {
	t.Helper()
	filler := filepath.Join(dir, "filler")
	if free == 0 {
		// It fails by design: the disk is full then.
		_ = exec.CommandContext(t.Context(), "dd", "if=/dev/zero", "of="+filler, "oflag=append", "conv=notrunc", "bs=64k", "status=none").Run()
		return
	}
	var s syscall.Statfs_t
	must(t, syscall.Statfs(dir, &s))
	f, err := os.OpenFile(filler, os.O_CREATE|os.O_WRONLY, 0o600)
	must(t, err)
	must(t, syscall.Fallocate(int(f.Fd()), 0, 0, int64(s.Bavail)*s.Bsize-free))
	must(t, f.Close())
}

// loginRefused tries to log in and reports whether that was refused for want of
// space. It fails the test for any other refusal.
func loginRefused(t *testing.T, c *client.Client) bool {
	t.Helper()
	_, err := c.Start(t.Context(), client.Journey{Tree: "Login", Username: "user0", Password: cheapPassword})
	return isUnavailable(t, err)
}

// isUnavailable reports whether err is a 503 with a time to come back; nil is
// none. Any other error fails the test.
func isUnavailable(t *testing.T, err error) bool {
	t.Helper()
	if err == nil {
		return false
	}
	var refused *client.Error
	if !errors.As(err, &refused) || refused.Status != 503 || refused.RetryAfter <= 0 {
		t.Errorf("instead of 503 with Retry-After: %v", err)
	}
	return true
}
