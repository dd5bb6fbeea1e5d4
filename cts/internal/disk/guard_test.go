package disk_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"sojourn/cts/internal/disk"
)

func guard(t *testing.T, ballast uint64, free func() (uint64, error)) (*disk.Guard, string) {
	t.Helper()
	dir := t.TempDir()
	g, err := disk.New(disk.Options{
		Dir: dir, Min: 1000, Ballast: ballast, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Free: func(string) (uint64, error) { return free() },
	})
	if err != nil {
		t.Fatal(err)
	}
	return g, filepath.Join(dir, "ballast")
}

func TestLevels(t *testing.T) {
	var free uint64
	var fault error
	g, _ := guard(t, 0, func() (uint64, error) { return free, fault })
	for _, step := range []struct {
		free  uint64
		fault error
		want  disk.Level
	}{
		{5000, nil, disk.Plenty},
		{1000, nil, disk.Plenty},
		{999, nil, disk.Low},
		{500, nil, disk.Low},
		{499, nil, disk.Full},
		{2000, nil, disk.Plenty},
		{2000, errors.New("stale file handle"), disk.Full},
	} {
		free, fault = step.free, step.fault
		if got := g.Look(); got != step.want || g.Level() != step.want {
			t.Errorf("%d free (%v): %v, want %v", step.free, step.fault, got, step.want)
		}
	}
}

func TestBallast(t *testing.T) {
	free := uint64(1 << 20)
	g, path := guard(t, 4096, func() (uint64, error) { return free, nil })
	there := func() bool { _, err := os.Stat(path); return err == nil }
	g.Refill()
	if info, err := os.Stat(path); err != nil || info.Size() != 4096 {
		t.Fatalf("ballast: %v, %v", info, err)
	}
	free = 700
	if g.Look(); !there() {
		t.Error("ballast went while there was room")
	}
	free = 100
	if g.Look(); there() {
		t.Error("ballast stays on a full disk")
	}
	free = 1500
	g.Look()
	if g.Refill(); there() {
		t.Error("ballast came back where there is not twice the room")
	}
	free = 1 << 20
	g.Look()
	if g.Refill(); !there() {
		t.Error("ballast did not come back")
	}
}

func TestAdmit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		g, _ := guard(t, 0, func() (uint64, error) {
			if time.Since(start) < time.Hour {
				return 0, nil
			}
			return 5000, nil
		})
		if !g.Admit(nil) || time.Since(start) < time.Hour {
			t.Error("let in on a full disk")
		}
		start = time.Now()
		stop := make(chan struct{})
		time.AfterFunc(time.Minute, func() { close(stop) })
		if g.Admit(stop) {
			t.Error("let in after stop")
		}
	})
}
