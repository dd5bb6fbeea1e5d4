package actors

import (
	"errors"
	"sync"
	"time"

	"sojourn/cts/session"
	"sojourn/cts/token"
)

// ledger bounds the journeys that this member has begun to keep in the store, by
// counting those whose tokens have not expired. Ended ones count as well: they
// are still there, if only as a few bytes.
type ledger struct {
	most int64

	mu    sync.Mutex
	all   int64
	until map[int64]int64 // how many expire, by the second of Unix time
}

func newLedger(most int64) *ledger { return &ledger{most: most, until: map[int64]int64{}} }

// add counts one more; false when there are as many as there may be.
func (l *ledger) add(expires time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all >= l.most {
		return false
	}
	l.all++
	l.until[expires.Unix()]++
	return true
}

// remove takes back what add counted.
func (l *ledger) remove(expires time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if second := expires.Unix(); l.until[second] > 0 {
		l.until[second]--
		l.all--
	}
}

// settle takes back what was counted of a token that is not there by this call. If
// it may be there, it counts.
func (l *ledger) settle(p token.Put, won bool, err error) {
	away, ok := errors.AsType[*session.UnavailableError](err)
	undone := err == nil || ok && !away.Unknown || errors.Is(err, token.ErrNotFound)
	if p.Seq == 0 && !won && undone {
		l.remove(p.Expires)
	}
}

// sweep uncounts what has expired.
func (l *ledger) sweep(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for second, n := range l.until {
		if second <= now.Unix() {
			l.all -= n
			delete(l.until, second)
		}
	}
}

func (l *ledger) count() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all
}
