package actors

import "time"

const (
	// ballastSize is how much the garbage collector is told to be in use, in
	// bytes, while passwords are hashed.
	ballastSize = 64 << 20
	// ballastTime is how long it stays after the last hash, at most twice that.
	ballastTime = 30 * time.Second
)

// ballast is memory that nobody touches, so that it takes none of the machine's.
// A hash leaves 19 MiB of garbage, as much as a small member has in use, and so
// brought a cycle of the collector with it, which has nothing to do with hashes:
// it looks through everything else. What is held here lets three times as much
// garbage gather first, and no more. It is let go when hashing ends, so that a
// member where nobody logs in is as small as it was.
//
// Hashing's lock guards it.
type ballast struct {
	held  []byte
	timer *time.Timer
	done  uint64 // hashes when the timer was set
}

// load takes the ballast in, unless it is there.
func (h *Hashing) load() {
	if h.ballast.held != nil || h.closed {
		return
	}
	h.ballast.held = make([]byte, ballastSize)
	h.ballast.done = h.counts.Done
	h.ballast.timer = time.AfterFunc(ballastTime, h.unload)
}

// unload lets the ballast go if no hash was computed for a while.
func (h *Hashing) unload() {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch b := &h.ballast; {
	case b.held == nil:
	case h.counts.Busy > 0 || b.done != h.counts.Done:
		b.done = h.counts.Done
		b.timer.Reset(ballastTime)
	default:
		h.drop()
	}
}

func (h *Hashing) drop() {
	if h.ballast.timer != nil {
		h.ballast.timer.Stop()
	}
	h.ballast = ballast{}
}
