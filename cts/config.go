package cts

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"sojourn/actors/realm"
	"sojourn/cts/internal/damage"
	"sojourn/cts/internal/seal"
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

	// boot names the running kernel; tests pretend that it was started anew.
	boot func() (string, error)
}

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
