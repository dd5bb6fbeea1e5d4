package cts

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sojourn/actors/identity"
	"sojourn/cts/internal/disk"
	"sojourn/cts/session"
)

// until waits for a condition.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatal("still not: " + what)
		}
		<-tick.C
	}
}

func unavailableReason(err error) string {
	if down, ok := errors.AsType[*session.UnavailableError](err); ok {
		return down.Reason
	}
	return ""
}

func TestDiskLevels(t *testing.T) {
	var free atomic.Uint64
	free.Store(1 << 30)
	c := testConfig(t, t.TempDir())
	c.DiskMin = 512 << 20
	c.DiskFree = func(string) (uint64, error) { return free.Load(), nil }
	s := openStore(t, c)
	now := time.Now()
	a, b := aSession(1, now), aSession(2, now)
	for _, x := range []session.Session{a, b} {
		if _, err := s.Create(t.Context(), session.Creation{Session: x}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.PutIdentity(t.Context(), identity.Identity{Realm: "/", Name: "demo"}, true); err != nil {
		t.Fatal(err)
	}

	free.Store(400 << 20)
	s.guard.Look()
	if _, err := s.Create(t.Context(), session.Creation{Session: aSession(3, now)}); unavailableReason(err) == "" {
		t.Errorf("Create when nearly full = %v", err)
	}
	if _, err := s.Session(t.Context(), a.ID, 0); err != nil {
		t.Errorf("read when nearly full = %v", err)
	}
	if found, err := s.Delete(t.Context(), session.Logout, a.ID); err != nil || !found[0] {
		t.Errorf("logout when nearly full = %v, %v", found, err)
	}
	if _, err := s.UpdateIdentity(t.Context(), "/", "demo", identity.CountLogin{}); err != nil {
		t.Errorf("counting when nearly full = %v", err)
	}
	if err := s.Ready(); err != nil {
		t.Errorf("Ready when nearly full = %v", err)
	}

	free.Store(200 << 20)
	s.guard.Look()
	if _, err := s.Delete(t.Context(), session.Logout, b.ID); unavailableReason(err) == "" {
		t.Errorf("logout on a full disk = %v", err)
	}
	if _, err := s.Session(t.Context(), b.ID, 0); err != nil {
		t.Errorf("read on a full disk = %v", err)
	}
	if err := s.Ready(); err == nil {
		t.Error("ready on a full disk")
	}

	free.Store(1 << 30)
	s.guard.Look()
	if _, err := s.Delete(t.Context(), session.Logout, b.ID); err != nil {
		t.Errorf("logout after room was made = %v", err)
	}
}

// What is in the log when the disk fills is held, not lost and not half done:
// the caller is told that it is not known, and it is there when room is made.
func TestFullDiskHoldsWhatIsCommitted(t *testing.T) {
	var free, looks atomic.Uint64
	free.Store(1 << 30)
	c := testConfig(t, t.TempDir())
	c.DiskMin = 512 << 20
	full := make(chan struct{})
	c.DiskFree = func(string) (uint64, error) {
		looks.Add(1)
		select {
		case <-full:
			return 0, nil
		default:
			return free.Load(), nil
		}
	}
	s := openStore(t, c)
	// The level is still the one of the last look when the write is let in; the
	// look before it is applied finds the disk full.
	close(full)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	x := aSession(1, time.Now())
	_, err := s.Create(ctx, session.Creation{Session: x})
	var down *session.UnavailableError
	if !errors.As(err, &down) || (!down.Unknown && s.guard.Level() == 0) {
		t.Fatalf("Create = %v", err)
	}
	unknown := down.Unknown
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	c.DiskFree = nil
	c.DiskMin = 64 << 20
	s = openStore(t, c)
	if _, err := s.Session(t.Context(), x.ID, 0); unknown && err != nil {
		t.Errorf("held and lost: %v", err)
	}
}

// On a real file system that fills up: writes are refused in time, reads go on,
// the process lives, and writes come back when room is made.
func TestFullDiskOnTmpfs(t *testing.T) {
	if testing.Short() {
		t.Skip("writes hundreds of megabytes")
	}
	dir := t.TempDir()
	mount(t, "tmpfs", "size=600m", "tmpfs", dir)
	c := testConfig(t, filepath.Join(dir, "cts"))
	c.DiskMin = 200 << 20
	c.DiskBallast = 16 << 20
	s, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	now := time.Now()
	first := aSession(0, now)
	if _, err := s.Create(t.Context(), session.Creation{Session: first}); err != nil {
		t.Fatal(err)
	}
	until(t, "ballast is there", func() bool {
		_, err := os.Stat(filepath.Join(c.Dir, "ballast"))
		return err == nil
	})
	// Eight writers of large sessions, until all are refused.
	var n, stored atomic.Uint64
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for {
				x := aSession(n.Add(1), now)
				noise := make([]byte, 20_000)
				for i := range noise {
					noise[i] = byte('a' + rand.IntN(26)) //nolint:gosec // a test's
				}
				x.Properties["noise"] = string(noise)
				_, err := s.Create(t.Context(), session.Creation{Session: x})
				if err == nil {
					stored.Add(1)
					continue
				}
				if unavailableReason(err) == "" {
					t.Error(err)
				}
				return
			}
		})
	}
	writers.Wait()
	// Something else takes most of what is left.
	hog := filepath.Join(dir, "hog")
	until(t, "full", func() bool {
		fillUp(t, hog, 60<<20)
		return s.Ready() != nil
	})
	if _, err := os.Stat(filepath.Join(c.Dir, "ballast")); err == nil {
		t.Error("the ballast is still there")
	}
	t.Logf("%d sessions stored, %d MiB free", stored.Load(), s.guard.FreeBytes()>>20)
	if _, err := s.Session(t.Context(), first.ID, 0); err != nil {
		t.Errorf("read on a full disk: %v", err)
	}
	if _, err := s.Delete(t.Context(), session.Logout, aSession(1, now).ID); unavailableReason(err) == "" {
		t.Errorf("logout on a full disk: %v", err)
	}
	if err := os.Remove(hog); err != nil {
		t.Fatal(err)
	}
	until(t, "ready", func() bool { return s.Ready() == nil })
	if _, err := s.Delete(t.Context(), session.Logout, first.ID); err != nil {
		t.Errorf("logout after room was made: %v", err)
	}
	if _, err := s.Session(t.Context(), first.ID, 0); !errors.Is(err, session.ErrNotFound) {
		t.Error(err)
	}
}

// fillUp appends to a file until only so much is free.
func fillUp(t *testing.T, path string, left uint64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 1<<20)
	for {
		free, err := disk.Free(filepath.Dir(path))
		if err == nil && free > left {
			_, err = f.Write(block)
		}
		if err != nil {
			t.Fatal(err)
		}
		if free <= left {
			break
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpenOnAFullDisk(t *testing.T) {
	c := testConfig(t, t.TempDir())
	c.DiskFree = func(string) (uint64, error) { return 1 << 20, nil }
	if _, err := Open(t.Context(), c); err == nil {
		t.Error("opened with a megabyte left")
	}
	// Enough to open and read, too little to write: the store opens, not ready.
	var free atomic.Uint64
	free.Store(1 << 30)
	c.DiskFree = func(string) (uint64, error) { return free.Load(), nil }
	filled(t, c, 10)
	free.Store(openReserve)
	c.DiskMin = 200 << 20
	s := openStore(t, c)
	if err := s.Ready(); err == nil {
		t.Error("ready on a full disk")
	}
	free.Store(1 << 30)
	until(t, "ready", func() bool { return s.Ready() == nil })
	if _, err := s.Session(t.Context(), aSession(1, time.Now()).ID, 0); err != nil {
		t.Error(err)
	}
}
