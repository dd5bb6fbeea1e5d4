package cts

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"

	"sojourn/cts/command"
	"sojourn/cts/internal/fsm"
	"sojourn/cts/internal/seal"
	"sojourn/cts/internal/stream"
)

const restoreIncomplete = "restore incomplete: run restore again"

// ErrBackup says that a file is not a whole backup that this store can read:
// cut short, changed, or under another key. The error's text says which.
var ErrBackup = stream.ErrFormat

func (s *Store) backupBox() (*seal.Box, error) {
	if s.config.BackupKey == nil {
		return nil, nil //nolint:nilnil // no key, no box
	}
	return seal.New(s.config.BackupKey, "backup")
}

// Backup writes everything that is stored, as of one instant, while the store
// goes on. It is encrypted when a backup key is configured.
func (s *Store) Backup(ctx context.Context, w io.Writer) error {
	box, err := s.backupBox()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)() //nolint:contextcheck // ctx is the caller's; Close ends it as well
	err = s.look(ctx, func(v fsm.View) error {
		meta, err := v.Meta()
		if err != nil {
			return err
		}
		return v.Stream(ctxWriter{ctx, w}, stream.Header{Index: meta.Applied, Term: meta.Term}, false, box)
	})
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return nil
}

// ctxWriter fails when its context ends.
type ctxWriter struct {
	ctx context.Context //nolint:containedctx // lives as long as one backup
	w   io.Writer
}

func (w ctxWriter) Write(p []byte) (int, error) {
	if err := context.Cause(w.ctx); err != nil {
		return 0, err
	}
	return w.w.Write(p)
}

// Restore replaces everything that is stored by what a backup holds. The file is
// read and checked as a whole first; a file that is not whole is ErrBackup and
// changes nothing. Then the store is unavailable until it is done, on all
// members. If that is interrupted it stays so until a restore succeeds. Only the
// member that leads restores; the error of any other says where that is.
func (s *Store) Restore(ctx context.Context, r io.Reader) error {
	if !s.restore.TryLock() {
		return fmt.Errorf("restore: %w", unavailable("another one is running"))
	}
	defer s.restore.Unlock()
	if err := s.restoreFrom(ctx, r); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	return nil
}

func (s *Store) restoreFrom(ctx context.Context, r io.Reader) error {
	if _, leader := s.leader(); leader != "" {
		return unavailable("this member does not lead: restore at the one that does, whose address in the cluster is %s", leader)
	}
	if err := errors.Join(s.gate.only(restoring), s.room(true)); err != nil {
		return err
	}
	box, err := s.backupBox()
	if err != nil {
		return err
	}
	spool, err := os.OpenFile(s.spoolPath(), os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	defer func() {
		_ = spool.Close()
		_ = os.Remove(spool.Name())
	}()
	if _, err := io.Copy(roomWriter{ctxWriter{ctx, spool}, s}, r); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	if err := checkBackup(spool, box); err != nil {
		return err
	}
	return s.replay(ctx, spool, box)
}

// roomWriter fails when the disk fills.
type roomWriter struct {
	ctxWriter
	store *Store
}

func (w roomWriter) Write(p []byte) (int, error) {
	w.store.guard.Look()
	if err := w.store.room(true); err != nil {
		return 0, err
	}
	return w.ctxWriter.Write(p)
}

// checkBackup reads a backup to its end.
func checkBackup(file io.ReadSeeker, box *seal.Box) error {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("check: %w", err)
	}
	var got command.Totals
	_, want, err := stream.Read(file, box, func(_ stream.Header, pairs []command.Pair) error {
		for _, p := range pairs {
			if err := command.CheckPair(p); err != nil {
				return fmt.Errorf("%w: %w", ErrBackup, err)
			}
			fsm.Add(&got, p.Key, p.Value)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("%w: its keys do not add up", ErrBackup)
	}
	return nil
}

// replay sends a checked backup through the log.
func (s *Store) replay(ctx context.Context, file io.ReadSeeker, box *seal.Box) error {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	term := s.writes.term.Load()
	if _, err := s.restoreStep(ctx, command.Wipe{Restore: id}, term); err != nil {
		return err
	}
	_, totals, err := stream.Read(file, box, func(_ stream.Header, pairs []command.Pair) error {
		_, err := s.restoreStep(ctx, command.RestoreChunk{Restore: id, Pairs: pairs}, term)
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", restoreIncomplete, err)
	}
	end, err := s.restoreStep(ctx, command.RestoreDone{Restore: id, Totals: totals}, term)
	if err != nil {
		return err
	}
	return s.shown(ctx, end.at)
}

// restoreStep is do for a store that is being restored.
func (s *Store) restoreStep(ctx context.Context, c command.Command, term uint64) (done, error) {
	data, err := command.Append(nil, c)
	if err == nil {
		err = errors.Join(s.gate.only(restoring), s.room(true))
	}
	if err == nil && term == 0 {
		err = elsewhere("no leader")
	}
	if err != nil {
		return done{}, err
	}
	step, err := s.writes.wait(ctx, s.writes.propose(data, term, nil))
	if err == nil {
		err = step.Err
	}
	return step, err
}
