package fsm

import (
	"errors"
	"fmt"

	"github.com/hashicorp/raft"

	"sojourn/cts/command"
)

// Results is the response to a log entry: one result for each of its commands,
// or why there is none.
type Results struct {
	Each []command.Result
	Err  error
}

// Apply implements raft.FSM.
func (f *FSM) Apply(l *raft.Log) any { return f.ApplyBatch([]*raft.Log{l})[0] }

// StoreConfiguration implements raft.ConfigurationStore; ApplyBatch stores
// configurations as they come by.
func (f *FSM) StoreConfiguration(uint64, raft.Configuration) {}

// ApplyBatch implements raft.BatchingFSM. The response to a command's entry is
// a Results; entries that were applied before a restart have none.
func (f *FSM) ApplyBatch(logs []*raft.Log) []any {
	responses := make([]any, len(logs))
	b := batch{f: f, next: f.meta}
	done := 0 // logs before this are committed, or need not be
	err := f.Err()
	for i, l := range logs {
		if err != nil {
			break
		}
		f.seen = l.Index
		if l.Index <= f.meta.Applied {
			done = i + 1
			continue
		}
		var e command.Entry
		if l.Type == raft.LogCommand {
			if e, err = command.DecodeEntry(l.Data); err != nil {
				err = fmt.Errorf("entry %d: %w", l.Index, err)
				break
			}
		}
		alone := wipes(e)
		if b.size > flushAt || b.tx.outgrown() || alone {
			if err = b.commit(); err != nil {
				break
			}
			done = i
		}
		if responses[i], err = b.apply(l, e); err != nil {
			err = fmt.Errorf("entry %d: %w", l.Index, err)
			break
		}
		if alone {
			if err = b.commit(); err == nil {
				done = i + 1
			}
		}
	}
	if err == nil {
		if err = b.commit(); err == nil {
			return responses
		}
	}
	b.drop()
	if errors.Is(err, ErrClosed) {
		f.err.CompareAndSwap(nil, &err) // what comes next must not be applied without this
	} else {
		f.fail(err)
	}
	for i := done; i < len(logs); i++ {
		responses[i] = Results{Err: err}
	}
	return responses
}

// wipes reports whether an entry empties the store. It must have a transaction
// of its own, since it reads the store behind it.
func wipes(e command.Entry) bool {
	for _, c := range e.Commands {
		if len(c) > 0 && command.Op(c[0]) == command.OpWipe {
			return true
		}
	}
	return false
}

// batch is the transaction in which log entries are being applied.
type batch struct {
	f       *FSM
	tx      *tx
	next    Meta
	effects []command.Effect

	size              int // of the entries, in bytes
	entries, commands uint64
}

func (b *batch) begin() error {
	if b.tx != nil {
		return nil
	}
	if !b.f.o.Admit() {
		return ErrClosed
	}
	at := b.f.meta.Applied
	b.f.known.begin(at, b.f.readKnown)
	b.tx = &tx{db: b.f.db, txn: b.f.db.NewTransactionAt(at, true), at: at, totals: &b.next.Totals, known: &b.f.known, admit: b.f.o.Admit, changes: b.f.changes[:0]}
	return nil
}

func (b *batch) apply(l *raft.Log, e command.Entry) (any, error) {
	if err := b.begin(); err != nil {
		return nil, err
	}
	b.tx.index = l.Index
	b.size += len(l.Data)
	b.entries++
	b.commands += uint64(len(e.Commands))
	b.next.Applied, b.next.Term = l.Index, l.Term
	switch l.Type {
	case raft.LogConfiguration:
		b.next.ConfigIndex, b.next.Config = l.Index, append([]byte(nil), l.Data...)
		return nil, nil
	case raft.LogCommand:
		return b.run(l, e)
	default:
		return nil, nil
	}
}

func (b *batch) run(l *raft.Log, e command.Entry) (any, error) {
	results := make([]command.Result, len(e.Commands))
	for i, data := range e.Commands {
		if e.Term != l.Term {
			results[i].Err = command.ErrStale
			continue
		}
		c, err := command.Decode(data)
		if err != nil {
			return nil, err
		}
		results[i], err = command.Apply(b.tx, l.Index, c, func(e command.Effect) { b.effects = append(b.effects, e) })
		if err = errors.Join(err, b.tx.err); err != nil {
			return nil, err
		}
	}
	return Results{Each: results}, nil
}

// commit ends the transaction and publishes what it did.
func (b *batch) commit() error {
	if b.tx == nil {
		return nil
	}
	b.tx.set(command.MetaKey(), b.next.encode())
	if b.tx.err != nil {
		return b.tx.err
	}
	if err := b.tx.commit(b.next.Applied); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	f := b.f
	if f.changes = nil; cap(b.tx.changes) <= maxSpare {
		clear(b.tx.changes)
		f.changes = b.tx.changes
	}
	f.known.at = b.next.Applied
	f.saved.Lock()
	f.meta = b.next
	f.saved.Unlock()
	f.committed.Store(b.next.Applied)
	if len(b.effects) > 0 {
		f.o.Observe(b.effects)
	}
	f.applied.publish(b.next.Applied)
	f.entries.Add(b.entries)
	f.commands.Add(b.commands)
	f.bytes.Add(uint64(b.size)) //nolint:gosec // a length
	b.entries, b.commands = 0, 0
	b.tx, b.effects, b.size = nil, nil, 0
	return nil
}

func (b *batch) drop() {
	if b.tx != nil {
		b.tx.txn.Discard()
	}
}
