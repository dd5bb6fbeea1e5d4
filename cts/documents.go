package cts

import (
	"context"
	"errors"
	"strconv"

	"sojourn/actors/realm"
	"sojourn/cts/command"
	"sojourn/cts/internal/fsm"
	"sojourn/cts/internal/peer"
)

// Document returns a stored document, or realm.ErrNoDocument.
func (s *Store) Document(ctx context.Context, kind realm.DocumentKind, r realm.Name, id string) (realm.Document, error) {
	if err := s.readable(ctx); err != nil {
		return realm.Document{}, err
	}
	return s.document(kind, r, id)
}

// document is Document for whoever knows that this member is up to date.
func (s *Store) document(kind realm.DocumentKind, r realm.Name, id string) (found realm.Document, err error) {
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
func (s *Store) Documents(ctx context.Context, kind realm.DocumentKind, r realm.Name) (found []realm.Document, err error) {
	err = s.look(ctx, func(v fsm.View) error {
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
// error is realm.ErrConflict. When it returns without an error, every member
// reads it.
func (s *Store) PutDocument(ctx context.Context, d realm.Document, p realm.Precondition) (
	stored realm.Document, created bool, err error,
) {
	result, err := s.write(ctx, peer.PutDocument{Document: d, Precondition: p})
	if err != nil {
		return stored, false, err
	}
	return *result.Document, !result.Existed, nil
}

// DeleteDocument removes a document and returns it: realm.ErrNoDocument when
// there is none, realm.ErrConflict when the precondition is not met.
func (s *Store) DeleteDocument(ctx context.Context, kind realm.DocumentKind, r realm.Name, id string, p realm.Precondition) (
	realm.Document, error,
) {
	result, err := s.write(ctx, peer.DeleteDocument{Kind: kind, Realm: r, ID: id, Precondition: p})
	if err != nil {
		return realm.Document{}, err
	}
	return *result.Document, nil
}

// putDocument is PutDocument where the leader is.
func (s *Store) putDocument(ctx context.Context, o peer.PutDocument) (peer.Result, error) {
	d := o.Document
	if err := checkDocument(d); err != nil {
		return peer.Result{}, err
	}
	unlock, err := s.locks.lock(ctx, command.DocumentKey(d.Kind, d.Realm, d.ID))
	if err != nil {
		return peer.Result{}, err
	}
	term := s.writes.term.Load()
	was, err := s.document(d.Kind, d.Realm, d.ID)
	there := err == nil
	switch p := o.Precondition; {
	case err != nil && !errors.Is(err, realm.ErrNoDocument):
	case there && p.IfNoneMatch, p.IfMatch != "" && !matches(p.IfMatch, was, there):
		err = realm.ErrConflict
	default:
		err = nil
	}
	if err != nil {
		unlock()
		return peer.Result{}, err
	}
	d.Rev = s.nextRev(was)
	put, err := s.do(ctx, command.PutDocument{Document: d}, true, term, unlock)
	if err == nil {
		err = s.shown(ctx, put.at)
	}
	return peer.Result{Document: &d, Existed: there}, err
}

// deleteDocument is DeleteDocument where the leader is.
func (s *Store) deleteDocument(ctx context.Context, o peer.DeleteDocument) (peer.Result, error) {
	unlock, err := s.locks.lock(ctx, command.DocumentKey(o.Kind, o.Realm, o.ID))
	if err != nil {
		return peer.Result{}, err
	}
	term := s.writes.term.Load()
	was, err := s.document(o.Kind, o.Realm, o.ID)
	if p := o.Precondition; err == nil && p.IfMatch != "" && !matches(p.IfMatch, was, true) {
		err = realm.ErrConflict
	}
	if err != nil {
		unlock()
		return peer.Result{}, err
	}
	gone, err := s.do(ctx, command.DeleteDocument{Kind: o.Kind, Realm: o.Realm, ID: o.ID}, false, term, unlock)
	if err == nil {
		err = s.shown(ctx, gone.at)
	}
	return peer.Result{Document: &was}, err
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
