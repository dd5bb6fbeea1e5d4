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
	if err := w.write(answers); err != nil {
		return digest{}, err
	}
	w.hash.Write(w.text.Bytes())
	return digest(w.hash.Sum(w.sum[:0])[:16]), nil
}

// write writes answers as encoding/json does, which members of other releases use
// throughout. What nearly all clients send needs none of its rules.
func (w *digestWork) write(answers []callback.Answer) error {
	if !plain(answers) {
		return json.NewEncoder(&w.text).Encode(answers) //nolint:wrapcheck // as of's own
	}
	text := append(w.text.AvailableBuffer(), '[')
	for i, a := range answers {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(append(append(text, `{"Type":"`...), a.Type...), `","Values":[`...)
		for i, v := range a.Values {
			if i > 0 {
				text = append(text, ',')
			}
			text = append(append(append(text, '"'), v.(string)...), '"') //nolint:forcetypeassert // plain
		}
		text = append(text, "]}"...)
	}
	w.text.Write(append(text, "]\n"...))
	return nil
}

// plain reports whether all values are texts, and all texts of characters that
// stand for themselves in JSON.
func plain(answers []callback.Answer) bool {
	if answers == nil {
		return false
	}
	for _, a := range answers {
		if a.Values == nil || !literal(string(a.Type)) {
			return false
		}
		for _, v := range a.Values {
			if text, ok := v.(string); !ok || !literal(text) {
				return false
			}
		}
	}
	return true
}

// literal reports whether encoding/json writes a text as it is.
func literal(text string) bool {
	for i := range len(text) {
		switch c := text[i]; {
		case c < ' ', c >= 0x7f, c == '"', c == '\\', c == '<', c == '>', c == '&':
			return false
		}
	}
	return true
}
