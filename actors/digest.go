package actors

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"hash"
	"sync"

	"sojourn/actors/callback"
)

// digest tells whether two requests gave the same answers. It is keyed, so
// that a record holds nothing that a password could be guessed against.
type digest [16]byte

// digester makes digests under one key. What it works with is kept for the
// next one, and empty of answers by then.
type digester struct{ works sync.Pool }

type digestWork struct {
	hash hash.Hash
	text bytes.Buffer
	sum  [sha256.Size]byte
}

func newDigester(key []byte) *digester {
	return &digester{works: sync.Pool{New: func() any { return &digestWork{hash: hmac.New(sha256.New, key)} }}}
}

// sum is the digest of an encoded state. Its first byte is one that no answers
// begin with.
func (d *digester) sum(state []byte) digest {
	w, _ := d.works.Get().(*digestWork)
	defer d.works.Put(w)
	defer w.hash.Reset()
	w.hash.Write(state)
	return digest(w.hash.Sum(w.sum[:0])[:16])
}

// of is the digest of answers.
func (d *digester) of(answers []callback.Answer) (digest, error) {
	w, _ := d.works.Get().(*digestWork)
	defer d.works.Put(w)
	defer func() {
		clear(w.text.Bytes())
		w.text.Reset()
		w.hash.Reset()
	}()
	if err := json.NewEncoder(&w.text).Encode(answers); err != nil {
		return digest{}, err
	}
	w.hash.Write(w.text.Bytes())
	return digest(w.hash.Sum(w.sum[:0])[:16]), nil
}
