package actors

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"time"

	"sojourn/actors/journey"
	"sojourn/actors/node"
	"sojourn/actors/realm"
	"sojourn/actors/transaction"
	"sojourn/cts/session"
	"sojourn/cts/token"
)

// Transactions are what users authorise by journeys, kept in the replicated
// store: any member begins, continues and ends them. It is safe for concurrent
// use.
type Transactions struct {
	stored Stored
	rand   io.Reader
	now    func() time.Time
}

// NewTransactions keeps transactions in a store. rand gives unpredictable bytes.
func NewTransactions(s Stored, rand io.Reader, now func() time.Time) *Transactions {
	return &Transactions{s, rand, now}
}

// Initiate notes what somebody wants authorised and returns the id by which its
// user does so, within transaction.Life. The request has been checked.
func (t *Transactions) Initiate(ctx context.Context, r realm.Name, q transaction.Request) (transaction.ID, error) {
	id, err := transaction.NewID(t.rand)
	if err != nil {
		return id, err
	}
	body, err := transaction.New(r, q).Encode()
	if err != nil {
		return id, err
	}
	put := token.Put{Kind: token.Transaction, ID: id.Key(), Expires: t.now().Add(transaction.Life), Body: body}
	_, won, err := t.stored.PutToken(ctx, put)
	if err == nil && !won {
		err = errors.New("an id of a transaction was drawn twice")
	}
	return id, err
}

// Transaction returns a realm's transaction as it is, whoever has changed it last,
// transaction.ErrUnknown when there is none.
func (t *Transactions) Transaction(ctx context.Context, r realm.Name, id transaction.ID) (transaction.Transaction, error) {
	_, found, err := transactionOf(t.stored.LatestToken(ctx, token.Transaction, id.Key()))
	if err == nil && found.Realm != r {
		err = transaction.ErrUnknown
	}
	return found, err
}

// Begin says which journey authorises a transaction for somebody with a session,
// nil for none, and notes that one is in progress. The error is one of package
// transaction, or a *session.UnavailableError.
func (t *Transactions) Begin(ctx context.Context, r realm.Name, id transaction.ID, x *session.Session) (tree string, _ journey.Transaction, err error) {
	key := id.Key()
	var begun transaction.Transaction
	err = t.change(ctx, key, func(was transaction.Transaction) (_ transaction.Transaction, changed bool, err error) {
		begun, err = was.Begin(r, x)
		return begun, begun.State != was.State, err
	})
	if err != nil {
		return "", journey.Transaction{}, err
	}
	j := journey.Transaction{Key: key, User: begun.User(x)}
	if x != nil {
		j.Known, j.Session = true, x.ID
	}
	if begun.Request.Data != nil {
		if err := json.Unmarshal(begun.Request.Data, &j.Data); err != nil {
			return "", journey.Transaction{}, err
		}
	}
	return begun.Request.Tree, j, nil
}

// settle notes what came of a journey. The first of several journeys decides, and
// one that is run again finds what it has decided.
func (t *Transactions) settle(ctx context.Context, once Once, s node.Settle) (node.Result, error) {
	if t == nil {
		return node.Settled{}, nil
	}
	once.N = 0
	by := once.mark("settle")
	var ok bool
	err := t.change(ctx, s.Transaction, func(was transaction.Transaction) (transaction.Transaction, bool, error) {
		var now transaction.Transaction
		now, ok = was.Settle(s.Approved, s.Properties, hex.EncodeToString(by[:]))
		return now, ok && now.State != was.State, nil
	})
	if errors.Is(err, transaction.ErrUnknown) {
		return node.Settled{}, nil
	}
	return node.Settled{OK: ok}, err
}

// changeTries is how often a change is made again that somebody else was faster
// with.
const changeTries = 10

// change replaces a transaction by what f makes of it.
func (t *Transactions) change(ctx context.Context, key token.ID, f func(transaction.Transaction) (_ transaction.Transaction, changed bool, err error)) error {
	for range changeTries {
		stored, was, err := t.read(ctx, key)
		if err != nil {
			return err
		}
		now, changed, err := f(was)
		if err != nil || !changed {
			return err
		}
		body, err := now.Encode()
		if err != nil {
			return err
		}
		_, won, err := t.stored.PutToken(ctx, token.Put{Kind: token.Transaction, ID: key, Seq: stored.Seq, Expires: stored.Expires, Body: body})
		switch {
		case errors.Is(err, token.ErrNotFound):
			return transaction.ErrUnknown
		case err != nil || won:
			return err
		}
	}
	return &session.UnavailableError{Reason: "a transaction is changed by several members", RetryAfter: time.Second}
}

// read may return an earlier transaction than the latest, which a change of it will
// tell.
func (t *Transactions) read(ctx context.Context, key token.ID) (token.Token, transaction.Transaction, error) {
	return transactionOf(t.stored.Token(ctx, token.Transaction, key, 0))
}

func transactionOf(stored token.Token, err error) (token.Token, transaction.Transaction, error) {
	if errors.Is(err, token.ErrNotFound) {
		return stored, transaction.Transaction{}, transaction.ErrUnknown
	}
	if err != nil {
		return stored, transaction.Transaction{}, err
	}
	found, err := transaction.Decode(stored.Body)
	return stored, found, err
}

// mayApprove reports whether an effect may be run for the session that the
// request carries: a transaction that was begun in somebody's session is
// authorised in it, or not at all.
func (s *stepping) mayApprove(e node.Effect) bool {
	settle, ok := e.(node.Settle)
	t := s.state.Transaction
	if !ok || !settle.Approved || t == nil || !t.Known {
		return true
	}
	return s.caller != nil && s.caller.ID == t.Session
}
