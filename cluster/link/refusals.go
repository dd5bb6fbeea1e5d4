package link

import (
	"sync"
	"time"
)

const (
	refusalEvery = time.Minute
	maxRefusals  = 1024 // peers and reasons remembered; over it, all is forgotten
)

// refusals decides which refusals are logged: one a minute for each peer and
// reason, for anybody on the network can cause them.
type refusals struct {
	mu   sync.Mutex
	last map[string]time.Time
}

func newRefusals() *refusals { return &refusals{last: map[string]time.Time{}} }

// due tells whether to log a refusal, given the peer and the reason.
func (r *refusals) due(what string) bool {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, ok := r.last[what]; ok && now.Sub(at) < refusalEvery {
		return false
	}
	if len(r.last) >= maxRefusals {
		clear(r.last)
	}
	r.last[what] = now
	return true
}
