package link

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	refusalEvery = time.Minute
	maxRefusals  = 1024 // peers and reasons remembered; over it, all is forgotten
)

// refusals logs that a peer was turned away, or turned us away, once a minute
// for each peer and reason. Anybody on the network can cause them.
type refusals struct {
	log *slog.Logger

	mu   sync.Mutex
	last map[string]*refusalLine
}

type refusalLine struct {
	at    time.Time
	since int // swallowed since then
}

func newRefusals(log *slog.Logger) *refusals {
	return &refusals{log: log, last: map[string]*refusalLine{}}
}

// warn logs msg unless it was logged for this peer within the last minute.
func (r *refusals) warn(peer, msg string, attrs ...slog.Attr) {
	now := time.Now()
	key := peer + "\x00" + msg
	r.mu.Lock()
	line := r.last[key]
	if line != nil && now.Sub(line.at) < refusalEvery {
		line.since++
		r.mu.Unlock()
		return
	}
	if line == nil {
		if len(r.last) >= maxRefusals {
			clear(r.last)
		}
		line = &refusalLine{}
		r.last[key] = line
	}
	since := line.since
	line.at, line.since = now, 0
	r.mu.Unlock()
	if since > 0 {
		attrs = append(attrs, slog.Int("unlogged", since))
	}
	r.log.LogAttrs(context.Background(), slog.LevelWarn, msg, attrs...)
}
