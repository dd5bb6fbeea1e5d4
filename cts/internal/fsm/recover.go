package fsm

import (
	"errors"
	"fmt"
	"math"

	"github.com/dgraph-io/badger/v4"

	"sojourn/cts/command"
	"sojourn/cts/internal/damage"
)

// Recover makes the store readable at the state that log entries are to be
// applied to from here on.
//
// With trust (the last process closed the store, or the kernel that took its
// writes still runs) that is the newest state, if all of it is there. Else, or
// if not, it is the last checkpoint, and the entries after it are applied
// again: a power cut may have lost some of what was written since, in any
// order. A checkpoint that is not all there is a *damage.Error.
//
// It reads the whole store: about a second for a million sessions.
func (f *FSM) Recover(trust bool) (err error) {
	defer damage.Catch(f.o.Dir, &err)
	from := f.o.Checkpoints.Last()
	f.giveUp(from.Index)
	if trust {
		newest, err := f.newest()
		if err == nil && newest.Applied < from.State.Applied {
			err = fmt.Errorf("%v is older than the checkpoint at %v", newest, from.State)
		}
		if err == nil {
			err = f.verify(newest.Applied, newest)
		}
		if err == nil {
			f.adopt(newest)
			return nil
		}
		if _, ok := errors.AsType[*command.VersionError](err); ok {
			return damage.At(f.o.Dir, err)
		}
		f.o.Log.Warn("the newest state is not whole: going back to the last checkpoint", "err", err)
	}
	found, err := f.metaAt(from.Index)
	if err != nil {
		return damage.At(f.o.Dir, err)
	}
	if found.Applied != from.State.Applied || found.Totals != from.State.Totals {
		return damage.At(f.o.Dir, fmt.Errorf("the checkpoint was taken at %v, the store has %v", from.State, found))
	}
	if err := f.verify(from.Index, found); err != nil {
		return damage.At(f.o.Dir, err)
	}
	f.adopt(found)
	return nil
}

func (f *FSM) adopt(m Meta) {
	f.saved.Lock()
	f.meta = m
	f.saved.Unlock()
	f.committed.Store(m.Applied)
	f.applied.publish(m.Applied)
}

// Newest is the highest log index that anything in the store was written for:
// the log must reach as far, or has lost entries.
func (f *FSM) Newest() (index uint64, err error) {
	defer damage.Catch(f.o.Dir, &err)
	m, err := f.newest()
	return m.Applied, damage.At(f.o.Dir, err)
}

func (f *FSM) newest() (Meta, error) { return f.metaAt(math.MaxUint64) }

func (f *FSM) metaAt(index uint64) (Meta, error) {
	txn := f.db.NewTransactionAt(index, false)
	defer txn.Discard()
	return readMeta(txn)
}

// verify reads all there is at an index and compares it with what should be.
func (f *FSM) verify(index uint64, want Meta) error {
	txn := f.db.NewTransactionAt(index, false)
	defer txn.Discard()
	got, err := totals(txn)
	if err != nil {
		return fmt.Errorf("check: %w", err)
	}
	if got != want.Totals {
		return fmt.Errorf("check failed: %d keys with sum %016x are there, and there should be %v",
			got.Count, got.Sum, want)
	}
	return nil
}

func totals(txn *badger.Txn) (command.Totals, error) {
	var t command.Totals
	err := scan(txn, nil, nil, true, func(key, value []byte) (bool, error) {
		if !command.Own(key) {
			Add(&t, key, value)
		}
		return true, nil
	})
	return t, err
}
