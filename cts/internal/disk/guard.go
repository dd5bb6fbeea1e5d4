// Package disk keeps the store's file system from filling up.
//
// Badger writes through memory maps: on a full file system the process dies of
// SIGBUS in one of Badger's goroutines, where nothing can catch it. So the
// store stops writing while there is still room for what is under way.
package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Level is how much may be written.
type Level int32

// Levels.
const (
	Plenty Level = iota
	Low          // free space below the minimum: nothing new
	Full         // below half of it: nothing at all
)

func (l Level) String() string {
	switch l {
	case Low:
		return "low"
	case Full:
		return "full"
	default:
		return "plenty"
	}
}

const ballastFile = "ballast"

// Options of a Guard.
type Options struct {
	// Dir is on the file system to watch.
	Dir string
	// Min is the free space, in bytes, below which the level is Low; below half
	// of it, Full.
	Min uint64
	// Ballast is the size of a file that is kept while there is plenty of room
	// and removed when there is none, so that deletions have room to work. 0
	// keeps none.
	Ballast uint64
	// Free tells the free space of a folder; nil asks the operating system.
	Free func(dir string) (uint64, error)
	Log  *slog.Logger
}

// Guard watches one file system.
type Guard struct {
	o     Options
	level atomic.Int32
	free  atomic.Uint64

	mu      sync.Mutex // one look at a time
	ballast bool
}

// New returns a guard that has looked once.
func New(o Options) (*Guard, error) {
	if o.Free == nil {
		o.Free = Free
	}
	g := &Guard{o: o}
	_, err := os.Stat(g.ballastPath())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look for ballast: %w", err)
	}
	g.ballast = err == nil
	g.Look()
	return g, nil
}

// Free is the space that this process may still use on dir's file system.
func Free(dir string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("free space of %s: %w", dir, err)
	}
	return s.Bavail * uint64(s.Bsize), nil //nolint:gosec // block sizes are positive
}

// Level is what the last look found.
func (g *Guard) Level() Level { return Level(g.level.Load()) }

// FreeBytes is the space that the last look found.
func (g *Guard) FreeBytes() uint64 { return g.free.Load() }

// Look asks for the free space now. It takes about a microsecond.
func (g *Guard) Look() Level {
	g.mu.Lock()
	defer g.mu.Unlock()
	free, err := g.o.Free(g.o.Dir)
	if err != nil {
		g.o.Log.Error("free space unknown: no writes until it is", "err", err)
		free = 0
	}
	level := g.of(free)
	if level == Full && err == nil {
		free, level = g.drop(free)
	}
	g.free.Store(free)
	if before := Level(g.level.Swap(int32(level))); before != level {
		g.o.Log.Warn("free space", "level", level.String(), "was", before.String(), "free", free, "min", g.o.Min)
	}
	return level
}

func (g *Guard) of(free uint64) Level {
	switch {
	case free < g.o.Min/2:
		return Full
	case free < g.o.Min:
		return Low
	default:
		return Plenty
	}
}

func (g *Guard) ballastPath() string { return filepath.Join(g.o.Dir, ballastFile) }

// drop removes the ballast and looks again.
func (g *Guard) drop(free uint64) (uint64, Level) {
	if !g.ballast {
		return free, Full
	}
	if err := os.Remove(g.ballastPath()); err != nil {
		g.o.Log.Error("ballast cannot be removed", "err", err)
		return free, Full
	}
	g.ballast = false
	g.o.Log.Warn("removed ballast to get room", "bytes", g.o.Ballast)
	if again, err := g.o.Free(g.o.Dir); err == nil {
		free = again
	}
	return free, g.of(free)
}

// Refill puts the ballast back when there is room for it twice over. It writes
// to the disk: not for a thread that must not wait.
func (g *Guard) Refill() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ballast || g.o.Ballast == 0 || g.free.Load() < 2*(g.o.Min+g.o.Ballast) {
		return
	}
	if err := fill(g.ballastPath(), g.o.Ballast); err != nil {
		g.o.Log.Warn("no ballast", "err", err)
		return
	}
	g.ballast = true
}

func fill(path string, size uint64) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("create ballast: %w", err)
	}
	err = unix.Fallocate(int(f.Fd()), 0, 0, int64(size)) //nolint:gosec // sizes are small
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("fill ballast: %w", err), os.Remove(path))
	}
	return nil
}

// Admit returns when something may be written, true, or when stop is closed,
// false.
func (g *Guard) Admit(stop <-chan struct{}) bool {
	if g.Look() != Full {
		return true
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return false
		case <-tick.C:
			if g.Look() != Full {
				return true
			}
		}
	}
}
