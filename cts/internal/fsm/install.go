package fsm

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"

	"sojourn/cts/command"
	"sojourn/cts/internal/damage"
	"sojourn/cts/internal/seal"
	"sojourn/cts/internal/stream"
)

// A snapshot goes to another member as a stream. The sender writes the store as
// it is then, not as it was at the checkpoint; raft is told the index of what
// was written. The receiver spools the stream, makes it durable, empties its
// store and fills it. While it does so a marker stands beside the store that names
// the spool; when the process ends before it is done, the next one does it again.
const (
	spoolPrefix = "snapshot-"
	marker      = "INSTALLING"
)

func (c *Checkpoints) spoolPath(id string) string { return filepath.Join(c.dir, spoolPrefix+id) }

// Clean removes what snapshots on their way left behind. It reports whether one
// was being installed into the store when the last process ended: then the store
// is half a store, which is to be removed, and Resume called.
func (c *Checkpoints) Clean() (half bool, err error) {
	path := filepath.Join(c.dir, marker)
	id, err := os.ReadFile(path) //nolint:gosec // a file of our own folder
	half = err == nil
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, damage.At(path, err)
	}
	keep := c.spoolPath(string(id))
	if _, err := os.Stat(keep); half && (len(id) == 0 || err != nil) {
		return false, damage.At(path, errors.New("a snapshot was being installed when the process ended, and it is not there"))
	}
	spools, err := filepath.Glob(c.spoolPath("*"))
	if err != nil {
		return false, fmt.Errorf("list snapshots: %w", err)
	}
	for _, spool := range spools {
		if half && spool == keep {
			continue
		}
		if err := os.Remove(spool); err != nil {
			return false, fmt.Errorf("remove snapshot: %w", err)
		}
	}
	return half, nil
}

// Resume installs the snapshot that was being installed when the last process
// ended. The store must be empty.
func (f *FSM) Resume() error {
	c := f.o.Checkpoints
	id, err := os.ReadFile(filepath.Join(c.dir, marker))
	if err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	file, err := os.Open(c.spoolPath(string(id)))
	if err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	from, _, err := readSpool(file, c.key)
	if err == nil {
		err = f.install(from)
	}
	if err != nil {
		return errors.Join(damage.At(file.Name(), err), file.Close())
	}
	return from.Close()
}

// Open implements raft.SnapshotStore: the snapshot that was received under this
// id, or else the store as it is now.
func (c *Checkpoints) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	file, err := os.Open(c.spoolPath(id))
	if err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		if snapshotID(c.received) != id {
			return nil, nil, errors.Join(fmt.Errorf("snapshot %s is not the one that was received", id), file.Close())
		}
		received, _, err := readSpool(file, c.key)
		if err != nil {
			return nil, nil, errors.Join(err, file.Close())
		}
		return c.received.meta(), received, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, nil, fmt.Errorf("open snapshot: %w", err)
	}
	file, err = os.CreateTemp(c.dir, spoolPrefix)
	if err != nil {
		return nil, nil, fmt.Errorf("spool snapshot: %w", err)
	}
	is, from, err := c.spoolNow(file)
	if err != nil {
		return nil, nil, errors.Join(err, (&spool{file: file}).Close())
	}
	return is, from, nil
}

// spoolNow writes the store as it is now into a file and begins to read that.
func (c *Checkpoints) spoolNow(file *os.File) (*raft.SnapshotMeta, io.ReadCloser, error) {
	to, err := newSpool(file, c.key)
	if err != nil {
		return nil, nil, err
	}
	var meta Meta
	err = c.fsm.View(func(v View) error {
		meta, err = v.Meta()
		if err != nil {
			return err
		}
		return v.Stream(to, stream.Header{
			Index: meta.Applied, Term: meta.Term, ConfigIndex: meta.ConfigIndex, Config: meta.Config,
		}, true, nil)
	})
	if err != nil {
		return nil, nil, err
	}
	from, size, err := readSpool(file, c.key)
	if err != nil {
		return nil, nil, err
	}
	is := Checkpoint{Index: meta.Applied, Term: meta.Term, Config: meta.Config, ConfigIndex: meta.ConfigIndex}.meta()
	is.Size = size
	return is, from, nil
}

// Restore implements raft.FSM: the store becomes what the stream holds. Nobody
// reads meanwhile: who began before is waited for, who comes later waits.
func (f *FSM) Restore(from io.ReadCloser) error {
	f.o.Installing(true)
	err := f.restore(from)
	f.o.Installing(false)
	if err != nil {
		f.fail(fmt.Errorf("install snapshot: %w", err))
	}
	return err
}

func (f *FSM) restore(from io.Reader) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return ErrClosed
	}
	c := f.o.Checkpoints
	c.mu.Lock()
	id := snapshotID(c.received)
	c.mu.Unlock()
	if err := WriteFile(filepath.Join(c.dir, marker), []byte(id)); err != nil {
		return fmt.Errorf("mark: %w", err)
	}
	if err := f.db.DropAll(); err != nil {
		return fmt.Errorf("empty the store: %w", err)
	}
	return f.install(from)
}

// install fills the empty store.
func (f *FSM) install(from io.Reader) error {
	l := loader{writer: writer{db: f.db, admit: func() bool { return true }}} // raft waits for it
	header, want, err := stream.Read(from, nil, l.load)
	if err != nil {
		return err
	}
	if l.totals != want {
		return errors.New("it is not what was sent")
	}
	next := Meta{
		Applied: header.Index, Term: header.Term, Totals: want, ConfigIndex: header.ConfigIndex, Config: header.Config,
	}
	end := []command.Pair{{Key: command.MetaKey(), Value: next.encode()}}
	if err := errors.Join(l.load(header, end), l.end()); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.o.Checkpoints.save(Checkpoint{
		Index: next.Applied, Term: next.Term, Config: next.Config, ConfigIndex: next.ConfigIndex,
		State:     State{Applied: next.Applied, Totals: next.Totals},
		Installed: true,
	}); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(f.o.Checkpoints.dir, marker)); err != nil {
		return fmt.Errorf("unmark: %w", err)
	}
	f.seen = next.Applied
	f.saved.Lock()
	f.meta = next
	f.saved.Unlock()
	f.committed.Store(next.Applied)
	f.o.Observe([]command.Effect{l.effect()})
	f.applied.publish(next.Applied)
	return nil
}

// loader writes pairs into an empty store, all with the version of the
// snapshot.
type loader struct {
	writer
	totals command.Totals
	// restoring: the sender was being restored from a backup.
	restoring bool
}

// effect is what the store has become.
func (l *loader) effect() command.Effect {
	if l.restoring {
		return command.Restoring{}
	}
	return command.Restored{}
}

func (l *loader) load(h stream.Header, pairs []command.Pair) error {
	l.version = h.Index
	for _, p := range pairs {
		l.restoring = l.restoring || bytes.Equal(p.Key, command.RestoreKey())
		if !command.Own(p.Key) {
			Add(&l.totals, p.Key, p.Value)
		}
		if err := l.write(change{key: p.Key, value: p.Value}); err != nil {
			return err
		}
	}
	return nil
}

// Stream writes the store as a stream: what is stored, and with own also the
// store's own keys but for its record.
func (v View) Stream(to io.Writer, h stream.Header, own bool, box *seal.Box) error {
	w, err := stream.NewWriter(to, h, box)
	if err != nil {
		return err
	}
	var t command.Totals
	err = v.Scan(nil, nil, func(key, value []byte) (bool, error) {
		switch {
		case bytes.Equal(key, command.MetaKey()), command.Own(key) && !own:
			return true, nil
		case !command.Own(key):
			Add(&t, key, value)
		}
		return true, w.Pair(key, value)
	})
	if err != nil {
		return err
	}
	return w.Close(t)
}
