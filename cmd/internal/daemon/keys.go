package daemon

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"sojourn/actors/realm"
	"sojourn/cmd/internal/secret"
	"sojourn/cts/clientside"
	"sojourn/cts/keyring"
	"sojourn/cts/session"
	"sojourn/http/wire"
)

const (
	// keyPatience is how long a request waits for keys to be read again after a
	// change, and keyPause for how long those before are used when that failed.
	keyPatience = time.Second
	keyPause    = time.Second
)

// keys are the keys that this member works with. They are a copy of what the
// store's documents say, read again by whoever needs a key after a change: the
// store tells of a change before the write of it returns anywhere, so a member
// that answers never misses a generation that another uses already.
type keys struct {
	documents documents
	// reached is nil when this member is not cut off from the others.
	reached func(context.Context) error
	secret  secret.Secret
	now     func() time.Time
	random  io.Reader
	log     *slog.Logger

	changes atomic.Uint64 // counts the calls of changed
	current atomic.Pointer[keyEdition]
	failed  atomic.Int64  // when reading failed last, Unix nanoseconds
	reading chan struct{} // held by the one who reads
	tokens  codec
}

// keyEdition is the keys of one time.
type keyEdition struct {
	rings   map[keyring.Purpose]keyring.Ring
	changes uint64    // before they were read
	until   time.Time // when a generation ends; zero for never

	authIDs *wire.AuthIDKeys
	marks   session.Keys
	tokens  *clientside.Keys
}

// newKeys makes keys of the first generation, which is all there is until the
// store says otherwise.
func newKeys(d documents, reached func(context.Context) error, s secret.Secret, log *slog.Logger) (*keys, error) {
	k := &keys{documents: d, reached: reached, secret: s, now: time.Now, random: rand.Reader, log: log, reading: make(chan struct{}, 1)}
	k.changes.Store(1) // nothing has been read
	first, err := k.edition(nil, 0)
	if err != nil {
		return nil, err
	}
	k.current.Store(first)
	k.tokens = codec{clientside.New(k.Tokens, k.random), k}
	return k, nil
}

// changed says that documents of keys may have changed. It does not block.
func (k *keys) changed() { k.changes.Add(1) }

// AuthIDs are the keys that authIds are signed with; the same pointer means the
// same keys.
func (k *keys) AuthIDs() *wire.AuthIDKeys { return k.fresh().authIDs }

// Tokens are the keys of client-side tokens; the same pointer means the same
// keys.
func (k *keys) Tokens() *clientside.Keys { return k.fresh().tokens }

// Marks are the keys of the tokens of stored sessions.
func (k *keys) Marks() session.Keys { return k.fresh().marks }

// Current is nil when this member has all keys that others may have used. It
// waits for that as a read does; the error is a *session.UnavailableError.
func (k *keys) Current(ctx context.Context) error {
	if err := k.reached(ctx); err != nil {
		return err
	}
	return k.renew(ctx)
}

// edition makes the keys of rings ready; purposes without a ring have the first.
func (k *keys) edition(rings map[keyring.Purpose]keyring.Ring, changes uint64) (*keyEdition, error) {
	now := k.now()
	e := &keyEdition{rings: map[keyring.Purpose]keyring.Ring{}, changes: changes}
	var tokens []clientside.Key
	for _, p := range keyring.Purposes() {
		ring, there := rings[p]
		if !there {
			ring = keyring.First()
		}
		e.rings[p] = ring
		if next := ring.Changes(now); !next.IsZero() && (e.until.IsZero() || next.Before(e.until)) {
			e.until = next
		}
		switch p {
		case keyring.AuthID:
			s := ring.Secrets(p, k.derive, now)
			e.authIDs = &wire.AuthIDKeys{Active: s.Active, Older: s.Others}
		case keyring.TokenMark:
			s := ring.Secrets(p, k.derive, now)
			e.marks = session.Keys{Secret: k.secret.Derive(secret.TokenSecret), Mark: s.Active, Accepted: s.Others}
		default:
			more, err := ring.ClientSide(p, k.derive, now)
			if err != nil {
				return nil, fmt.Errorf("the keys for %s: %w", p, err)
			}
			tokens = append(tokens, more...)
		}
	}
	var err error
	e.tokens, err = clientside.NewKeys(tokens)
	return e, err
}

func (k *keys) derive(label string, size int) []byte { return k.secret.Expand(label, size) }

// fresh are the keys of now. When they cannot be read, those before are
// returned: what a newer key has made is then not recognised, and whoever finds
// that asks whether this member is cut off.
func (k *keys) fresh() *keyEdition {
	e := k.current.Load()
	if k.valid(e) {
		return e
	}
	if since := k.now().UnixNano() - k.failed.Load(); since >= 0 && since < int64(keyPause) {
		return e
	}
	ctx, cancel := context.WithTimeout(context.Background(), keyPatience)
	defer cancel()
	if err := k.renew(ctx); err != nil {
		k.failed.Store(k.now().UnixNano())
		k.log.Info("the keys cannot be read, those before are used", "err", err)
	}
	return k.current.Load()
}

// codec seals and opens client-side tokens. What has a newer key than any here is
// said to have one only while this member cannot learn of others: once it knows
// that it has them all, the text is a forgery, or of before a backup was restored.
type codec struct {
	*clientside.Codec
	keys *keys
}

// Open is Codec.Open.
func (c codec) Open(p clientside.Purpose, text string) (clientside.Content, error) {
	content, err := c.Codec.Open(p, text)
	newer := &clientside.NewerKeyError{}
	if !errors.As(err, &newer) {
		return content, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), keyPatience)
	defer cancel()
	if c.keys.Current(ctx) != nil {
		return clientside.Content{}, err
	}
	if content, err = c.Codec.Open(p, text); errors.As(err, &newer) {
		err = clientside.ErrToken
	}
	return content, err
}

// valid reports whether nothing has changed since an edition was made.
func (k *keys) valid(e *keyEdition) bool {
	return e.changes == k.changes.Load() && (e.until.IsZero() || k.now().Before(e.until))
}

// renew reads the rings again if they may have changed.
func (k *keys) renew(ctx context.Context) error {
	if k.valid(k.current.Load()) {
		return nil
	}
	select { // the store may keep a reader waiting
	case k.reading <- struct{}{}:
		defer func() { <-k.reading }()
	case <-ctx.Done():
		return &session.UnavailableError{Reason: "the keys are being read", RetryAfter: keyPause}
	}
	e := k.current.Load()
	changes := k.changes.Load() // before reading: a change during it makes it stale
	rings := e.rings
	if e.changes != changes {
		var err error
		if rings, err = k.read(ctx); err != nil {
			return err
		}
	} else if k.valid(e) {
		return nil
	}
	next, err := k.edition(rings, changes)
	if err != nil {
		return err
	}
	k.current.Store(next)
	return nil
}

// read returns the rings that are stored.
func (k *keys) read(ctx context.Context) (map[keyring.Purpose]keyring.Ring, error) {
	stored, err := k.documents.Documents(ctx, realm.KindKeys, realm.Root)
	if err != nil {
		return nil, fmt.Errorf("read the keys: %w", err)
	}
	rings := map[keyring.Purpose]keyring.Ring{}
	for _, d := range stored {
		if rings[keyring.Purpose(d.ID)], err = keyring.Decode(d.Body); err != nil {
			return nil, fmt.Errorf("the keys for %s: %w", d.ID, err)
		}
	}
	return rings, nil
}
