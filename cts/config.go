package cts

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sys/unix"

	"sojourn/actors/realm"
	"sojourn/cts/internal/damage"
	"sojourn/cts/internal/seal"
	"sojourn/cts/session"
)

// Config of a Store.
type Config struct {
	// Dir is the data folder. It belongs to the store alone and is created when
	// it is not there. Required.
	Dir string
	// Key, at least 32 bytes, encrypts everything in Dir; nil leaves it plain.
	// A folder keeps to what it was created with.
	Key []byte
	// BackupKey, at least 32 bytes, encrypts backups; nil leaves them plain.
	BackupKey []byte
	// Log takes what an operator acts on, and more at debug level. Required.
	Log *slog.Logger
	// Now is the clock by which sessions end; nil is time.Now.
	Now func() time.Time
	// HotSessions is how many decoded sessions are kept in memory, about 1 KiB
	// each. 0 is 100,000.
	HotSessions int
	// SweepInterval is how often ended sessions are deleted, FlushInterval how
	// often latest accesses are written. 0 is 5 s.
	SweepInterval, FlushInterval time.Duration
	// DiskMin is the free space, in bytes, below which nothing new is stored;
	// below half of it nothing at all is written. 0 is 512 MiB. DiskBallast is
	// the size of a file that is given up to get room; 0 is a quarter of
	// DiskMin, at most 64 MiB.
	DiskMin, DiskBallast uint64
	// DiskFree tells the free space of a folder; nil asks the operating system.
	DiskFree func(dir string) (uint64, error)
	// OnDocument is called when documents of a kind and realm have changed,
	// once the change can be read; with neither kind nor realm, all may have
	// changed. It must not block. May be nil.
	OnDocument func(kind realm.DocumentKind, r realm.Name)
	// OnSession is called when a session was created, has ended or has other
	// properties, once that can be read here: on every member, in the order of the
	// log, by one goroutine. It must not block, nor call the store. May be nil.
	OnSession func(session.Event)

	// Network connects the store with those of other members; nil is a network
	// of nobody.
	Network Network
	// Address is where other members reach this one, HOST:PORT; Name is what its
	// operator calls it. Both may be empty without a Network.
	Address, Name string
	// Join says that there is a cluster to join, or one to be founded with
	// others. Without it, and with Expect of at most 1, an empty folder begins
	// a cluster of its own at once.
	Join bool
	// Expect is how many members found a new cluster together: a majority of
	// those that are planned, or all. With Join, at most 1 means that this member
	// founds none but waits until one takes it in.
	Expect int
	// Slow multiplies all timings of the protocols between members, 1 to 10, for
	// slow or starved machines. 0 is 1.
	Slow int
	// Boottime is the time since the machine was started, the time that it was
	// suspended included: leases are measured by it. nil is CLOCK_BOOTTIME.
	Boottime func() time.Duration

	// boot names the running kernel; tests pretend that it was started anew.
	boot func() (string, error)
	// segment is the size of a file of the log, 0 for the usual one; tests cut it
	// short.
	segment int
}

// maxSlow bounds Config.Slow.
const maxSlow = 10

func (c Config) withDefaults() (Config, error) {
	var faults []error
	if c.Dir == "" {
		faults = append(faults, errors.New("no data folder"))
	}
	if c.Log == nil {
		faults = append(faults, errors.New("no logger"))
	}
	for name, key := range map[string][]byte{"key": c.Key, "backup key": c.BackupKey} {
		if key != nil && len(key) < seal.MinSecret {
			faults = append(faults, fmt.Errorf("%s of %d bytes, at least %d are needed", name, len(key), seal.MinSecret))
		}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.boot == nil {
		c.boot = bootID
	}
	if c.OnDocument == nil {
		c.OnDocument = func(realm.DocumentKind, realm.Name) {}
	}
	if c.Network == nil {
		if c.Join || c.Expect > 1 {
			faults = append(faults, errors.New("other members are expected, but there is no network"))
		}
		c.Network = nobody{}
	}
	if c.Boottime == nil {
		c.Boottime = boottime
	}
	c.Slow = orElse(c.Slow, 1)
	if c.Slow < 1 || c.Slow > maxSlow {
		faults = append(faults, fmt.Errorf("timings cannot be multiplied by %d: 1 to %d", c.Slow, maxSlow))
	}
	c.HotSessions = orElse(c.HotSessions, 100_000)
	c.SweepInterval = orElse(c.SweepInterval, 5*time.Second)
	c.FlushInterval = orElse(c.FlushInterval, 5*time.Second)
	c.DiskMin = orElse(c.DiskMin, 512<<20)
	c.DiskBallast = orElse(c.DiskBallast, min(64<<20, c.DiskMin/4))
	return c, errors.Join(faults...)
}

func orElse[T int | uint64 | time.Duration](value, otherwise T) T {
	if value == 0 {
		return otherwise
	}
	return value
}

// DamagedError says that a file of the data folder is damaged, missing or
// foreign. It names the file and the remedy.
type DamagedError = damage.Error

// boottime reads CLOCK_BOOTTIME.
func boottime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic(err) // Linux has had it since 2.6.39
	}
	return time.Duration(t.Nano())
}
