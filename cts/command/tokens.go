package command

import (
	"bytes"
	"encoding/binary"
	"errors"
	"time"

	"sojourn/cts/internal/octets"
	"sojourn/cts/token"
)

// ErrNoToken: there is no token to replace.
var ErrNoToken = errors.New("no such token")

// PutToken stores a token, if the one that it replaces is still as the writer has
// seen it.
type PutToken struct {
	Put token.Put
	// At is when that was decided: a token that has ended by then is none.
	At time.Time
}

// dueTokens is the first of the kinds of Due entries that are about tokens: one
// for each kind of token, beginning with number 0, which there is not.
const dueTokens DueKind = 64

// maxKind bounds a token.Kind: there must be room for its Due entries.
const maxKind = 127

// TokenKey holds a token.
func TokenKey(k token.Kind, id token.ID) []byte {
	b := make([]byte, 0, 18)
	b = append(b, tagToken, byte(k))
	return append(b, id[:]...)
}

// tokenRecord is the value under TokenKey, with the minute under which the expiry
// index has the token.
type tokenRecord struct {
	token.Token
	minute uint64
}

func (t tokenRecord) record() []byte {
	b := make([]byte, 0, 33+len(t.Body))
	b = append(b, recordVersion)
	b = binary.BigEndian.AppendUint64(b, t.Seq)
	b = binary.BigEndian.AppendUint64(b, t.Index)
	b = appendTime(b, t.Expires)
	b = binary.BigEndian.AppendUint64(b, t.minute)
	return append(b, t.Body...)
}

// due is the entry of the expiry index for a minute.
func (t tokenRecord) due(minute uint64) []byte {
	return dueKey(Due{Minute: minute, Kind: dueTokens + DueKind(t.Kind), ID: t.ID})
}

// DecodeToken reads the value under the TokenKey of a kind and an id. The body is
// a part of value.
func DecodeToken(k token.Kind, id token.ID, value []byte) (token.Token, error) {
	t, err := decodeToken(k, id, value)
	return t.Token, err
}

func decodeToken(k token.Kind, id token.ID, value []byte) (tokenRecord, error) {
	r, err := open("a token", value)
	if err != nil {
		return tokenRecord{}, err
	}
	t := tokenRecord{Token: token.Token{Kind: k, ID: id, Seq: r.Uint64(), Index: r.Uint64(), Expires: r.time()}}
	t.minute = r.Uint64()
	if len(value) > 0 && r.Err() == nil {
		t.Body = r.End()
	}
	if len(t.Body) > token.MaxBody {
		return tokenRecord{}, malformed("a token of %d bytes", len(t.Body))
	}
	return t, r.Err()
}

func (PutToken) op() Op { return OpPutToken }

func (c PutToken) appendPayload(b []byte) ([]byte, error) {
	p := c.Put
	switch {
	case len(p.Body) > token.MaxBody:
		return b, TooLarge("a token", len(p.Body), token.MaxBody)
	case p.Kind == 0 || p.Kind > maxKind:
		return b, malformed("a token of kind %d", p.Kind)
	case p.Expires.IsZero():
		return b, malformed("a token without an end")
	}
	b = appendTime(b, c.At)
	b = append(b, byte(p.Kind))
	b = append(b, p.ID[:]...)
	b = binary.BigEndian.AppendUint64(b, p.Seq)
	b = appendTime(b, p.Expires)
	return octets.AppendText(b, p.Body), nil
}

func (r *reader) putToken() Command {
	c := PutToken{At: r.time()}
	c.Put.Kind, c.Put.ID = token.Kind(r.Byte()), r.ID()
	c.Put.Seq, c.Put.Expires = r.Uint64(), r.time()
	if body := r.Bytes(); len(body) > 0 {
		c.Put.Body = append(c.Put.Body, body...)
	}
	switch {
	case r.Err() != nil:
	case len(c.Put.Body) > token.MaxBody:
		r.Fail("a token of %d bytes", len(c.Put.Body))
	case c.Put.Kind == 0 || c.Put.Kind > maxKind:
		r.Fail("a token of kind %d", c.Put.Kind)
	case c.Put.Expires.IsZero():
		r.Fail("a token without an end")
	}
	return c
}

func (c PutToken) apply(a *applier) Result {
	p := c.Put
	key := TokenKey(p.Kind, p.ID)
	old, there := a.Get(key)
	var was tokenRecord
	if there {
		var err error
		if was, err = decodeToken(p.Kind, p.ID, old); a.check(err) {
			return Result{}
		}
	}
	if there && c.At.Before(was.Expires) {
		switch {
		case was.Seq == p.Seq && p.Seq > 0:
		case was.Seq == p.Seq+1 && was.Expires.Equal(p.Expires) && bytes.Equal(was.Body, p.Body):
			return Result{Token: &was.Token, Won: true} // asked for again
		default:
			return Result{Token: &was.Token}
		}
	} else if p.Seq > 0 {
		return Result{Err: ErrNoToken}
	}
	now := tokenRecord{
		Token:  token.Token{Kind: p.Kind, ID: p.ID, Seq: p.Seq + 1, Index: a.index, Expires: p.Expires, Body: p.Body},
		minute: until(p.Expires, c.At),
	}
	switch {
	case !there:
		a.Insert(now.due(now.minute), []byte{present})
		a.Insert(key, now.record())
	case was.minute <= now.minute:
		// The entry that there is comes early, and is then filed anew: that costs
		// less than to move it with each write.
		now.minute = was.minute
		a.Replace(key, old, now.record())
	default:
		a.Remove(was.due(was.minute), []byte{present})
		a.Insert(now.due(now.minute), []byte{present})
		a.Replace(key, old, now.record())
	}
	return Result{Token: &now.Token, Won: true}
}

func (a *applier) expireToken(d Due, now time.Time) {
	kind := token.Kind(d.Kind - dueTokens)
	key := TokenKey(kind, d.ID)
	value, ok := a.Get(key)
	if !ok {
		return
	}
	was, err := decodeToken(kind, d.ID, value)
	if a.check(err) || was.minute != d.Minute {
		return
	}
	if now.Before(was.Expires) {
		later := was
		later.minute = until(was.Expires, now)
		if later.minute == d.Minute {
			return
		}
		a.Replace(key, value, later.record())
		a.Insert(was.due(later.minute), []byte{present})
	} else {
		a.Remove(key, value)
	}
	a.Remove(dueKey(d), []byte{present})
}
