package cts

import (
	"context"
	"errors"
	"strconv"

	"sojourn/actors/realm"
	"sojourn/cts/command"
	"sojourn/cts/internal/fsm"
)

// Document returns a stored document, or realm.ErrNoDocument.
func (s *Store) Document(_ context.Context, kind realm.DocumentKind, r realm.Name, id string) (found realm.Document, err error) {
	err = s.view(func(v fsm.View) error {
		value, ok, err := v.Get(command.DocumentKey(kind, r, id))
		if err != nil {
			return err
		}
		if !ok {
			return realm.ErrNoDocument
		}
		found, err = command.DecodeDocument(value)
		return err
	})
	return found, err
}

// Documents returns a realm's documents of one kind in the order of their ids.
func (s *Store) Documents(_ context.Context, kind realm.DocumentKind, r realm.Name) (found []realm.Document, err error) {
	err = s.view(func(v fsm.View) error {
		return v.Scan(command.DocumentsPrefix(kind, r), nil, func(_, value []byte) (bool, error) {
			one, err := command.DecodeDocument(value)
			if err == nil {
				found = append(found, one)
			}
			return true, err
		})
	})
	return found, err
}

// checkDocument refuses what would not fit.
func checkDocument(d realm.Document) error {
	if len(d.Body) > realm.MaxDocument {
		return command.TooLarge("a document", len(d.Body), realm.MaxDocument)
	}
	if d.ID == "" {
		return errors.New("a document without an id")
	}
	return errors.Join(
		checkName("a document's id", d.ID),
		checkName("a realm's name", string(d.Realm)),
		checkName("a document's kind", string(d.Kind)))
}

// PutDocument stores a document as a whole and returns it with its new
// revision. The precondition is met by what is stored in that instant, or the
// error is realm.ErrConflict.
func (s *Store) PutDocument(ctx context.Context, d realm.Document, p realm.Precondition) (
	stored realm.Document, created bool, err error,
) {
	if err := checkDocument(d); err != nil {
		return stored, false, err
	}
	unlock, err := s.locks.lock(ctx, command.DocumentKey(d.Kind, d.Realm, d.ID))
	if err != nil {
		return stored, false, err
	}
	term := s.writes.term.Load()
	was, err := s.Document(ctx, d.Kind, d.Realm, d.ID)
	there := err == nil
	switch {
	case err != nil && !errors.Is(err, realm.ErrNoDocument):
	case there && p.IfNoneMatch, p.IfMatch != "" && !matches(p.IfMatch, was, there):
		err = realm.ErrConflict
	default:
		err = nil
	}
	if err != nil {
		unlock()
		return stored, false, err
	}
	d.Rev = s.nextRev(was)
	if _, err := s.do(ctx, command.PutDocument{Document: d}, true, term, unlock); err != nil {
		return stored, false, err
	}
	return d, !there, nil
}

func matches(wanted string, was realm.Document, there bool) bool {
	return there && (wanted == "*" || wanted == was.Rev)
}

// nextRev is a revision that no document of this name has had: the time in
// microseconds, and in any case more than the last one, also when that document
// was deleted since.
func (s *Store) nextRev(was realm.Document) string {
	last, _ := strconv.ParseUint(was.Rev, 10, 64)     // 0 when there is none
	now := uint64(max(0, s.config.Now().UnixMicro())) //nolint:gosec // not negative
	for {
		given := s.revision.Load()
		next := max(last+1, given+1, now)
		if s.revision.CompareAndSwap(given, next) {
			return strconv.FormatUint(next, 10)
		}
	}
}

// DeleteDocument removes a document and returns it: realm.ErrNoDocument when
// there is none, realm.ErrConflict when the precondition is not met.
func (s *Store) DeleteDocument(ctx context.Context, kind realm.DocumentKind, r realm.Name, id string, p realm.Precondition) (
	realm.Document, error,
) {
	unlock, err := s.locks.lock(ctx, command.DocumentKey(kind, r, id))
	if err != nil {
		return realm.Document{}, err
	}
	term := s.writes.term.Load()
	was, err := s.Document(ctx, kind, r, id)
	if err == nil && p.IfMatch != "" && !matches(p.IfMatch, was, true) {
		err = realm.ErrConflict
	}
	if err != nil {
		unlock()
		return realm.Document{}, err
	}
	_, err = s.do(ctx, command.DeleteDocument{Kind: kind, Realm: r, ID: id}, false, term, unlock)
	return was, err
}
