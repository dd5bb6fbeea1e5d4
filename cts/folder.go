package cts

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"sojourn/cts/internal/damage"
	"sojourn/cts/internal/fsm"
	"sojourn/cts/internal/seal"
)

// Files of a data folder.
const (
	lockFile   = "LOCK"
	formatFile = "FORMAT"
	runFile    = "RUN"
	logDir     = "log"
	stateDir   = "state"
	spoolFile  = "restore.tmp"

	formatVersion = 1
)

// known lists what may lie in a data folder.
func known(name string) bool {
	switch name {
	case lockFile, formatFile, runFile, promiseFile, logDir, stateDir, spoolFile, "CHECKPOINT", "INSTALLING", "ballast", "lost+found":
		return true
	default:
		return strings.HasSuffix(name, ".tmp") || strings.HasPrefix(name, "snapshot-")
	}
}

// format is the content of formatFile, written once when a folder is created.
type format struct {
	Version int
	// Member is this member's id for as long as the folder lives: a member that
	// lost its folder is another one.
	Member string
	// KeyCheck tells whether the configured key is the one in use; empty
	// without encryption.
	KeyCheck string
	// Sum is the CRC-32C of the others: a member with another id would wait for
	// a cluster that does not know it.
	Sum uint32
}

func (f format) sum() uint32 {
	text := fmt.Sprintf("%d %q %q", f.Version, f.Member, f.KeyCheck)
	return crc32.Checksum([]byte(text), crc32.MakeTable(crc32.Castagnoli))
}

// folder is a locked data folder.
type folder struct {
	dir    string
	lock   *os.File
	format format
}

// openFolder creates or checks a data folder and locks it.
func openFolder(dir string, key []byte) (_ *folder, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create data folder: %w", err)
	}
	f := &folder{dir: dir}
	f.lock, err = os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock data folder: %w", err)
	}
	defer func() {
		if err != nil {
			_ = f.close()
		}
	}()
	if err := unix.Flock(int(f.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("data folder %s is in use by another process", dir)
		}
		return nil, fmt.Errorf("lock data folder: %w", err)
	}
	names, err := f.names()
	if err != nil {
		return nil, err
	}
	check, err := keyCheck(key)
	if err != nil {
		return nil, err
	}
	if slices.Contains(names, formatFile) {
		err = f.read(names, check)
	} else {
		err = f.create(names, check)
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (f *folder) names() ([]string, error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, fmt.Errorf("list data folder: %w", err)
	}
	var names []string
	for _, entry := range entries {
		if !known(entry.Name()) {
			return nil, &damage.Error{
				Path: f.path(entry.Name()), Err: errors.New("is no file of a data folder"),
				Remedy: "give the store a folder of its own, or move the file away",
			}
		}
		names = append(names, entry.Name())
	}
	return names, nil
}

func (f *folder) path(name string) string { return filepath.Join(f.dir, name) }

func (f *folder) read(names []string, check string) error {
	path := f.path(formatFile)
	data, err := os.ReadFile(path) //nolint:gosec // a file of our own folder
	if err != nil {
		return damage.At(path, err)
	}
	if err := json.Unmarshal(data, &f.format); err != nil {
		return damage.At(path, fmt.Errorf("read: %w", err))
	}
	switch {
	case f.format.Version != formatVersion:
		return &damage.Error{
			Path: path, Err: fmt.Errorf("the folder has version %d, this release knows %d", f.format.Version, formatVersion),
			Remedy: "run the release that wrote it, or a later one",
		}
	case f.format.Member == "" || f.format.Sum != f.format.sum():
		return damage.At(path, errors.New("is not what was written"))
	case f.format.KeyCheck == check:
	case f.format.KeyCheck == "":
		return f.wrongKey("the folder is not encrypted, but a key is configured",
			"start without the key; to encrypt, take a backup and restore it into an empty folder")
	case check == "":
		return f.wrongKey("the folder is encrypted, but no key is configured", "configure its key")
	default:
		return f.wrongKey("the folder is encrypted under another key", "configure its key")
	}
	for _, name := range []string{logDir, stateDir} {
		if !slices.Contains(names, name) && slices.Contains(names, runFile) {
			return damage.At(f.path(name), errors.New("is missing"))
		}
	}
	return nil
}

func (f *folder) wrongKey(fault, remedy string) error {
	return &damage.Error{Path: f.path(formatFile), Err: errors.New(fault), Remedy: remedy}
}

func (f *folder) create(names []string, check string) error {
	for _, name := range names {
		if name == logDir || name == stateDir || name == runFile || name == "CHECKPOINT" {
			return damage.At(f.path(formatFile), fmt.Errorf("is missing, but there is %s", name))
		}
	}
	f.format = format{Version: formatVersion, Member: rand.Text(), KeyCheck: check}
	f.format.Sum = f.format.sum()
	data, err := json.Marshal(f.format)
	if err != nil {
		return fmt.Errorf("encode %s: %w", formatFile, err)
	}
	if err := fsm.WriteFile(f.path(formatFile), data); err != nil {
		return fmt.Errorf("create data folder: %w", err)
	}
	return nil
}

// keyCheck is a value that tells keys apart and tells nothing about them.
func keyCheck(key []byte) (string, error) {
	if key == nil {
		return "", nil
	}
	check, err := seal.Derive(key, "check", 16)
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(check), nil
}

// run is the content of runFile: how the last process ended, or that one runs.
type run struct {
	Boot  string
	Clean bool
}

// trusted reports whether all that was handed to the kernel is there: the last
// process closed the folder, or the kernel still is the same.
func (f *folder) trusted(boot string) (bool, error) {
	data, err := os.ReadFile(f.path(runFile))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, damage.At(f.path(runFile), err)
	}
	var last run
	if err := json.Unmarshal(data, &last); err != nil {
		return false, nil //nolint:nilerr // not trusted, which is always safe
	}
	return last.Clean || (boot != "" && last.Boot == boot), nil
}

func (f *folder) mark(boot string, clean bool) error {
	data, err := json.Marshal(run{Boot: boot, Clean: clean})
	if err != nil {
		return fmt.Errorf("encode %s: %w", runFile, err)
	}
	if err := fsm.WriteFile(f.path(runFile), data); err != nil {
		return fmt.Errorf("mark data folder: %w", err)
	}
	return nil
}

func (f *folder) close() error { return f.lock.Close() }

// bootID names the running kernel.
func bootID() (string, error) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if errors.Is(err, os.ErrNotExist) {
		return "", nil // no such kernel: never the same
	}
	if err != nil {
		return "", fmt.Errorf("boot id: %w", err)
	}
	return string(bytes.TrimSpace(id)), nil
}
