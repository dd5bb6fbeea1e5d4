package fsm

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/hashicorp/raft"

	"sojourn/cts/command"
	"sojourn/cts/internal/damage"
)

// Checkpoint is a state of the store that is on the disk as a whole. For raft
// it is a snapshot that refers to Badger's files instead of holding a copy.
type Checkpoint struct {
	Index       uint64 // raft's, of the last entry it includes; 0 for none
	Term        uint64
	Config      []byte // as raft encodes it
	ConfigIndex uint64
	State       State
	// Installed: it came from another member as a whole. A log that ends before it
	// has nothing that is not in it.
	Installed bool `json:",omitempty"`
}

// State is what the state machine wrote last at a checkpoint.
type State struct {
	Applied uint64
	Totals  command.Totals
}

func (s State) String() string { return Meta{Applied: s.Applied, Totals: s.Totals}.String() }

// A checkpoint's file is one line of JSON, a space and the CRC-32C of the JSON
// in decimal.
const (
	checkpointFile    = "CHECKPOINT"
	checkpointVersion = 1
)

type checkpointJSON struct {
	Version int
	Checkpoint
}

// Checkpoints keeps the last checkpoint. It is raft's snapshot store.
type Checkpoints struct {
	dir string
	key []byte // of snapshots on their way, nil for none

	mu       sync.Mutex
	last     Checkpoint
	received Checkpoint // spooled last, of another member
	fsm      *FSM
}

var _ raft.SnapshotStore = (*Checkpoints)(nil)

// OpenCheckpoints reads the last checkpoint kept in dir. key, 32 bytes, encrypts
// snapshots that lie in dir on their way to or from other members; nil leaves
// them plain.
func OpenCheckpoints(dir string, key []byte) (*Checkpoints, error) {
	c := &Checkpoints{dir: dir, key: key}
	path := filepath.Join(dir, checkpointFile)
	data, err := os.ReadFile(path) //nolint:gosec // a file of our own folder
	if errors.Is(err, os.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, damage.At(path, err)
	}
	c.last, err = decodeCheckpoint(data)
	if err != nil {
		return nil, damage.At(path, err)
	}
	return c, nil
}

func decodeCheckpoint(data []byte) (Checkpoint, error) {
	at := max(len(data)-1, 0)
	for at > 0 && data[at] != ' ' {
		at--
	}
	sum, err := strconv.ParseUint(string(data[at+min(1, len(data)):]), 10, 32)
	if err != nil || uint32(sum) != crc32.Checksum(data[:at], crc32.MakeTable(crc32.Castagnoli)) { //nolint:gosec // parsed as 32 bits
		return Checkpoint{}, errors.New("is not what was written")
	}
	var file checkpointJSON
	if err := json.Unmarshal(data[:at], &file); err != nil {
		return Checkpoint{}, fmt.Errorf("read: %w", err)
	}
	if file.Version != checkpointVersion {
		return Checkpoint{}, fmt.Errorf("has version %d, this release knows %d: run the release that wrote it, or a later one",
			file.Version, checkpointVersion)
	}
	return file.Checkpoint, nil
}

func (c Checkpoint) encode() ([]byte, error) {
	data, err := json.Marshal(checkpointJSON{Version: checkpointVersion, Checkpoint: c})
	if err != nil {
		return nil, fmt.Errorf("encode checkpoint: %w", err)
	}
	sum := crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))
	return strconv.AppendUint(append(data, ' '), uint64(sum), 10), nil
}

// Last is the last checkpoint; its Index is 0 when there is none.
func (c *Checkpoints) Last() Checkpoint {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

func (c *Checkpoints) of(f *FSM) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fsm = f
}

func (c *Checkpoints) save(next Checkpoint) error {
	data, err := next.encode()
	if err != nil {
		return err
	}
	if err := WriteFile(filepath.Join(c.dir, checkpointFile), data); err != nil {
		return fmt.Errorf("save checkpoint: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = next
	if c.fsm != nil {
		// Versions below may go only now that the checkpoint is durable.
		c.fsm.giveUp(next.Index)
	}
	return nil
}

// WriteFile puts a file in the place of another, or of none, such that a power
// cut leaves one or the other.
func WriteFile(path string, data []byte) error {
	temp := path + ".tmp"
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600) //nolint:gosec // a file of our own folder
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return syncPath(filepath.Dir(path))
}

func syncPath(path string) error {
	f, err := os.Open(path) //nolint:gosec // a file of our own folder
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Sync makes everything that is written so far durable. Badger's own Sync
// leaves out tables that wait to be written; a table's file that is gone has
// become another, which Badger has flushed.
func (f *FSM) Sync() error {
	for _, pattern := range []string{"*.mem", "*.vlog"} {
		paths, err := filepath.Glob(filepath.Join(f.o.Dir, pattern))
		if err != nil {
			return fmt.Errorf("list tables: %w", err)
		}
		for _, path := range paths {
			if err := syncPath(path); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("flush %s: %w", path, err)
			}
		}
	}
	if err := syncPath(f.o.Dir); err != nil {
		return fmt.Errorf("flush data folder: %w", err)
	}
	return nil
}

// Snapshot implements raft.FSM.
func (f *FSM) Snapshot() (raft.FSMSnapshot, error) {
	if err := f.Err(); err != nil {
		return nil, err
	}
	if f.meta.Applied > f.seen {
		// raft would file this state under an older index.
		return nil, fmt.Errorf("entries up to %d are applied, raft is at %d", f.meta.Applied, f.seen)
	}
	return &reference{fsm: f, state: State{Applied: f.meta.Applied, Totals: f.meta.Totals}}, nil
}

// reference is a snapshot that is taken by making Badger's files durable.
type reference struct {
	fsm   *FSM
	state State
}

// Persist implements raft.FSMSnapshot.
func (r *reference) Persist(to raft.SnapshotSink) error {
	s, ok := to.(*sink)
	if !ok {
		return fmt.Errorf("snapshot store is a %T", to)
	}
	if err := r.fsm.Sync(); err != nil {
		return errors.Join(err, to.Cancel())
	}
	s.next.State = r.state
	return s.Close()
}

// Release implements raft.FSMSnapshot.
func (*reference) Release() {}

// Create implements raft.SnapshotStore.
func (c *Checkpoints) Create(_ raft.SnapshotVersion, index, term uint64, config raft.Configuration,
	configIndex uint64, _ raft.Transport,
) (raft.SnapshotSink, error) {
	return &sink{to: c, next: Checkpoint{
		Index: index, Term: term, Config: raft.EncodeConfiguration(config), ConfigIndex: configIndex,
	}}, nil
}

// sink takes a checkpoint, or with Write a snapshot of another member.
type sink struct {
	to    *Checkpoints
	next  Checkpoint
	file  *os.File // nil until something is written
	spool *spool
	done  bool
}

func (s *sink) ID() string { return snapshotID(s.next) }

func (s *sink) Write(p []byte) (int, error) {
	if s.file == nil {
		var err error
		s.file, err = os.OpenFile(s.to.spoolPath(s.ID()), os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600)
		if err != nil {
			return 0, fmt.Errorf("spool snapshot: %w", err)
		}
		if s.spool, err = newSpool(s.file, s.to.key); err != nil {
			return 0, err
		}
	}
	return s.spool.Write(p)
}

// Close implements raft.SnapshotSink; raft calls it twice. What was spooled
// becomes a checkpoint when it is installed.
func (s *sink) Close() error {
	if s.done {
		return nil
	}
	s.done = true
	if s.file != nil {
		s.to.mu.Lock()
		s.to.received = s.next
		s.to.mu.Unlock()
		return errors.Join(s.file.Sync(), s.file.Close(), syncPath(s.to.dir))
	}
	return s.to.save(s.next)
}

func (s *sink) Cancel() error {
	if s.done || s.file == nil {
		s.done = true
		return nil
	}
	s.done = true
	return errors.Join(s.file.Close(), os.Remove(s.file.Name()))
}

func snapshotID(c Checkpoint) string { return fmt.Sprintf("%d-%d", c.Term, c.Index) }

func (c Checkpoint) meta() *raft.SnapshotMeta {
	m := &raft.SnapshotMeta{
		Version: raft.SnapshotVersionMax, ID: snapshotID(c), Index: c.Index, Term: c.Term, ConfigurationIndex: c.ConfigIndex,
	}
	if len(c.Config) > 0 {
		m.Configuration = raft.DecodeConfiguration(c.Config)
	}
	return m
}

// List implements raft.SnapshotStore.
func (c *Checkpoints) List() ([]*raft.SnapshotMeta, error) {
	last := c.Last()
	if last.Index == 0 {
		return nil, nil
	}
	return []*raft.SnapshotMeta{last.meta()}, nil
}
