package fleet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// disk gives a member the file system that Config asks for.
func (f *Fleet) disk(ctx context.Context, m *member) error {
	switch {
	case f.cfg.Image > 0:
		return f.newImage(ctx, m)
	case f.cfg.Disk > 0:
		if err := syscall.Mount("tmpfs", m.dir, "tmpfs", 0, "size="+strconv.FormatInt(f.cfg.Disk, 10)); err != nil {
			return fmt.Errorf("fleet: mount a disk for %s: %w", m.name, err)
		}
		m.mounted = true
	}
	return nil
}

func (m *member) unmount() error {
	if !m.mounted {
		return nil
	}
	if err := syscall.Unmount(m.dir, 0); err != nil {
		return fmt.Errorf("fleet: unmount %s: %w", m.dir, err)
	}
	m.mounted = false
	return nil
}

// fillers are written in pieces of this size, the last ones byte by byte.
const fillerPiece = 64 << 10

func (m *member) filler() string { return filepath.Join(m.dir, "filler") }

// Fill takes all space that is left on a member's disk. It needs Config.Disk. A
// member that gives up ballast then has a little again: call Fill once more.
func (f *Fleet) Fill(i int) (err error) {
	m := f.members[i]
	if !m.mounted {
		return fmt.Errorf("fleet: %s has no disk of its own to fill", m.name)
	}
	file, err := os.OpenFile(m.filler(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("fleet: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	for piece := make([]byte, fillerPiece); len(piece) > 0; {
		switch _, err := file.Write(piece); {
		case errors.Is(err, syscall.ENOSPC):
			piece = piece[:len(piece)/2]
		case err != nil:
			return fmt.Errorf("fleet: fill the disk of %s: %w", m.name, err)
		}
	}
	return nil
}

// Drain gives the space back that Fill took.
func (f *Fleet) Drain(i int) error {
	if err := os.Remove(f.members[i].filler()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("fleet: %w", err)
	}
	return nil
}

// Damage flips one bit in the middle of a file of a member that does not run,
// and names the file. random chooses among the files that hold something.
func (f *Fleet) Damage(i int, random *rand.Rand) (string, error) {
	m := f.members[i]
	if m.process != nil {
		return "", fmt.Errorf("fleet: %s runs", m.name)
	}
	type candidate struct {
		path string
		used int64
	}
	var files []candidate
	err := filepath.WalkDir(m.data(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path) //nolint:gosec // nobody else writes there: the member has ended
		// Files are allocated ahead: what counts is up to the last byte set.
		if used := len(bytes.TrimRight(content, "\x00")); used > 0 {
			files = append(files, candidate{path, int64(used)})
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("fleet: %w", err)
	}
	if len(files) == 0 {
		return "", fmt.Errorf("fleet: %s keeps nothing that could be damaged", m.name)
	}
	chosen := files[random.IntN(len(files))]
	return chosen.path, flip(chosen.path, chosen.used/2)
}

func flip(path string, at int64) (err error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("fleet: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	var b [1]byte
	if _, err := file.ReadAt(b[:], at); err != nil {
		return fmt.Errorf("fleet: %w", err)
	}
	b[0] ^= 0x10
	if _, err := file.WriteAt(b[:], at); err != nil {
		return fmt.Errorf("fleet: %w", err)
	}
	return nil
}
