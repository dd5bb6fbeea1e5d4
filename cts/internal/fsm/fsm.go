package fsm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"sojourn/cts/command"
	"sojourn/cts/internal/damage"
)

const (
	// memTable is the size of Badger's tables in memory. A change may be 15 % of
	// it, and so may all changes of one of Badger's transactions.
	memTable = 8 << 20
	// earlierTable is what it was in earlier releases.
	earlierTable = 16 << 20
	// flushAt is how much of log entries one transaction takes, in bytes: mostly
	// one of Badger's.
	flushAt = 512 << 10
	// maxSpare is for how many changes room is kept for the next transaction.
	maxSpare = 4096
	// The largest change must fit.
	_ = uint(memTable*15/100 - command.MaxCommand)
)

// ErrClosed says that the state machine takes no more entries.
var ErrClosed = errors.New("the store is closed")

// Options of an FSM.
type Options struct {
	// Dir holds Badger's files; it is created when it is not there.
	Dir string
	// Key encrypts them: 32 bytes, or nil for plain files.
	Key []byte
	Log *slog.Logger
	// Checkpoints is where checkpoints of this store are kept.
	Checkpoints *Checkpoints
	// Admit is asked before each transaction of Badger. It waits while nothing may be
	// written and returns false when the store is closing.
	Admit func() bool
	// Observe is told what a transaction has changed, after it is committed and
	// before it counts as applied. It must not block.
	Observe func([]command.Effect)
	// Installing is told when the store is about to be replaced by a snapshot of
	// another member, and when it was. Readers wait meanwhile.
	Installing func(running bool)
	// Failed is told once when an entry cannot be applied; nothing is applied
	// from then on.
	Failed func(error)
}

// FSM is the state machine. raft calls Apply, ApplyBatch, Snapshot and Restore
// from one goroutine; all else may be called concurrently.
type FSM struct {
	o  Options
	db *badger.DB

	meta      Meta     // of the last transaction; only raft's goroutine
	seen      uint64   // last index that raft handed over; only raft's goroutine
	known     known    // only raft's goroutine
	changes   []change // the last transaction's room for them; only raft's goroutine
	committed atomic.Uint64
	applied   progress
	err       atomic.Pointer[error]

	entries, commands, bytes atomic.Uint64 // applied since Open

	side    sync.WaitGroup // what runs beside raft's goroutine
	closing atomic.Bool

	mu     sync.RWMutex // held to read; Close takes it
	closed bool
	pins   sync.Mutex     // guards views
	views  map[uint64]int // open, by index
	saved  sync.Mutex     // guards meta against Meta
}

// Open opens the files. A *damage.Error names what is wrong with them. Nothing
// can be read before Recover.
func Open(o Options) (*FSM, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("create data folder: %w", err)
	}
	if err := checkFiles(o.Dir, o.Key); err != nil {
		return nil, err
	}
	db, err := openBadger(o)
	if err != nil {
		return nil, err
	}
	f := &FSM{o: o, db: db, views: map[uint64]int{}}
	f.applied.changed = make(chan struct{})
	o.Checkpoints.of(f)
	return f, nil
}

func openBadger(o Options) (db *badger.DB, err error) {
	defer damage.Catch(o.Dir, &err)
	size, err := tableSize(o.Dir)
	if err != nil {
		return nil, damage.At(o.Dir, err)
	}
	opts := badger.DefaultOptions(o.Dir).
		WithLogger(badgerLog{o.Log}).
		WithSyncWrites(false). // raft's log is what makes a write durable
		WithCompression(options.None).
		WithBlockCacheSize(0).
		WithMemTableSize(size).
		WithNumMemtables(3).
		WithNumCompactors(2).
		WithValueLogFileSize(16 << 20). // stays empty
		WithNumVersionsToKeep(1).
		WithDetectConflicts(false).
		WithMetricsEnabled(false).
		WithChecksumVerificationMode(options.NoVerification)
	if o.Key != nil {
		opts = opts.WithEncryptionKey(o.Key).WithBlockCacheSize(16 << 20).WithIndexCacheSize(32 << 20)
	}
	db, err = badger.OpenManaged(opts)
	if err != nil {
		return nil, damage.At(o.Dir, fmt.Errorf("open: %w", err))
	}
	return db, nil
}

// Close closes the files, and flushes them. raft must have been shut down.
func (f *FSM) Close() error {
	f.closing.Store(true)
	f.side.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	f.closed = true
	if err := f.db.Close(); err != nil {
		return fmt.Errorf("close data folder: %w", err)
	}
	return nil
}

// Err is why nothing can be applied any more, nil while all is well.
func (f *FSM) Err() error {
	if err := f.err.Load(); err != nil {
		return *err
	}
	return nil
}

func (f *FSM) fail(err error) {
	if f.err.CompareAndSwap(nil, &err) {
		f.o.Log.Error("cannot apply the log: this member stops serving", "err", err)
		f.o.Failed(err)
	}
}

// Meta is what the last transaction wrote.
func (f *FSM) Meta() Meta {
	f.saved.Lock()
	defer f.saved.Unlock()
	return f.meta
}

// Applied is the index of the last log entry that is applied and observed.
func (f *FSM) Applied() uint64 { return f.applied.index.Load() }

// Wait returns when the entry of an index is applied, or with ctx's error.
func (f *FSM) Wait(ctx context.Context, index uint64) error { return f.applied.wait(ctx, index) }

// Work is how much was applied since Open.
type Work struct{ Entries, Commands, Bytes uint64 }

// Work tells how much was applied since Open.
func (f *FSM) Work() Work {
	return Work{Entries: f.entries.Load(), Commands: f.commands.Load(), Bytes: f.bytes.Load()}
}

// Size is how much the files take, in bytes, as of the last minute.
func (f *FSM) Size() int64 {
	tables, values := f.db.Size()
	return tables + values
}

// progress is a number that grows, and can be waited for.
type progress struct {
	index   atomic.Uint64
	waiting atomic.Int64
	mu      sync.Mutex
	changed chan struct{}
}

func (p *progress) publish(index uint64) {
	p.index.Store(index)
	if p.waiting.Load() == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *progress) wait(ctx context.Context, index uint64) error {
	p.waiting.Add(1)
	defer p.waiting.Add(-1)
	for {
		p.mu.Lock()
		changed := p.changed
		p.mu.Unlock()
		if p.index.Load() >= index {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// View is the store at one log index.
type View struct {
	txn *badger.Txn
	// Index is that log index; Meta what was written with it.
	Index uint64
}

// View calls fn with the store as the last transaction left it. What fn is
// given is valid only until it returns.
func (f *FSM) View(fn func(v View) error) error {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.closed {
		return ErrClosed
	}
	index := f.pin()
	defer f.unpin(index)
	txn := f.db.NewTransactionAt(index, false)
	defer txn.Discard()
	return fn(View{txn: txn, Index: index})
}

// pin keeps what can be read now from being given up.
func (f *FSM) pin() (index uint64) {
	f.pins.Lock()
	defer f.pins.Unlock()
	index = f.committed.Load()
	f.views[index]++
	return index
}

func (f *FSM) unpin(index uint64) {
	f.pins.Lock()
	defer f.pins.Unlock()
	if f.views[index]--; f.views[index] == 0 {
		delete(f.views, index)
	}
}

// giveUp lets versions go that nobody can ask for any more: neither a recovery
// from the checkpoint nor a view that is still open.
func (f *FSM) giveUp(checkpoint uint64) {
	f.pins.Lock()
	defer f.pins.Unlock()
	for index := range f.views {
		checkpoint = min(checkpoint, index)
	}
	f.db.SetDiscardTs(checkpoint)
}

// Get returns a copy of a key's value.
func (v View) Get(key []byte) (value []byte, ok bool, err error) {
	item, err := v.txn.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, false, nil
	}
	if err == nil {
		value, err = item.ValueCopy(nil)
	}
	if err != nil {
		return nil, false, fmt.Errorf("read: %w", err)
	}
	return value, true, nil
}

// Scan calls visit for the keys with a prefix, beginning with prefix+from, in
// order, until it says false or fails.
func (v View) Scan(prefix, from []byte, visit func(key, value []byte) (bool, error)) error {
	return scan(v.txn, prefix, from, true, visit)
}

// Keys is Scan without values.
func (v View) Keys(prefix, from []byte, visit func(key []byte) (bool, error)) error {
	return scan(v.txn, prefix, from, false, func(key, _ []byte) (bool, error) { return visit(key) })
}

// Meta is what the state machine wrote about itself.
func (v View) Meta() (Meta, error) { return readMeta(v.txn) }

func readMeta(txn *badger.Txn) (Meta, error) {
	item, err := txn.Get(command.MetaKey())
	if errors.Is(err, badger.ErrKeyNotFound) {
		return Meta{}, nil
	}
	if err != nil {
		return Meta{}, fmt.Errorf("read the store's own record: %w", err)
	}
	value, err := item.ValueCopy(nil)
	if err != nil {
		return Meta{}, fmt.Errorf("read the store's own record: %w", err)
	}
	return decodeMeta(value)
}

// badgerLog hands Badger's log lines to slog.
type badgerLog struct{ log *slog.Logger }

func (l badgerLog) Errorf(format string, args ...any) {
	l.log.Error("badger", "says", strings.TrimSpace(fmt.Sprintf(format, args...)))
}

func (l badgerLog) Warningf(format string, args ...any) {
	l.log.Warn("badger", "says", strings.TrimSpace(fmt.Sprintf(format, args...)))
}

func (l badgerLog) Infof(string, ...any)  {}
func (l badgerLog) Debugf(string, ...any) {}
