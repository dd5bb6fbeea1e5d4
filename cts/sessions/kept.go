package sessions

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"sojourn/actors/realm"
	"sojourn/cts/session"
	"sojourn/cts/token"
)

// kept remembers in which realms holders may keep sessions. Nobody has a list of
// those, so that all of a user end by a note about the user, which is kept for the
// longest life of any: where there can be none, there is nothing to note, and
// users come and go at no more cost than before.
//
// The store has a token for each such realm, which outlives every session that was
// made under it. A member sees to it before it makes the first one, and then twice
// a day.
type kept struct {
	mu sync.Mutex
	// until is when the token of a realm has to be looked at again.
	until map[realm.Name]time.Time
	// restores counts how often the store's content became another's.
	restores int
}

const (
	keptAgain = 12 * time.Hour
	keptLife  = session.MaxHolderLife + 3*keptAgain
	// maxKept bounds the realms that are remembered; then they are looked up anew.
	maxKept = 10_000
	// keptTries is how often a member puts a token when others put theirs.
	keptTries = 3
)

// keptToken names a realm's token.
func keptToken(r realm.Name) token.ID {
	sum := sha256.Sum256([]byte(r))
	return token.ID(sum[:16])
}

// mayKeep notes that holders keep sessions of a realm, unless that is noted.
func (s *Service) mayKeep(ctx context.Context, r realm.Name) error {
	now := s.config.Now()
	s.kept.mu.Lock()
	noted, restores := now.Before(s.kept.until[r]), s.kept.restores
	s.kept.mu.Unlock()
	if noted {
		return nil
	}
	found, err := s.config.Store.Token(ctx, token.HolderRealm, keptToken(r), 0)
	if err != nil && !errors.Is(err, token.ErrNotFound) {
		return err
	}
	for tries := 0; found.Expires.Before(now.Add(keptLife - keptAgain)); tries++ {
		if tries == keptTries {
			return &session.UnavailableError{Reason: "a realm's note is changed by several members", RetryAfter: time.Second}
		}
		// Who was faster has noted the same, unless its clock is far behind.
		found, _, err = s.config.Store.PutToken(ctx, token.Put{
			Kind: token.HolderRealm, ID: keptToken(r), Seq: found.Seq, Expires: now.Add(keptLife), Body: []byte(r),
		})
		if err != nil {
			return err
		}
	}
	s.kept.mu.Lock()
	defer s.kept.mu.Unlock()
	if restores != s.kept.restores {
		return nil // what was noted may be gone
	}
	if len(s.kept.until) >= maxKept {
		clear(s.kept.until)
	}
	s.kept.until[r] = now.Add(keptAgain)
	return nil
}

// Restored says that the token store has another content than before: what is
// remembered of the former counts no more. It does not block.
func (s *Service) Restored() {
	s.kept.mu.Lock()
	defer s.kept.mu.Unlock()
	s.kept.restores++
	clear(s.kept.until)
}

// mayBeKept reports whether somebody may have a session of a realm that nobody
// else has. Those of another system were made without a note.
func (s *Service) mayBeKept(ctx context.Context, r realm.Name) (bool, error) {
	if s.config.Foreign != nil {
		return true, nil
	}
	_, err := s.config.Store.Token(ctx, token.HolderRealm, keptToken(r), 0)
	if errors.Is(err, token.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
