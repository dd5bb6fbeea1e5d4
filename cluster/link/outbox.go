package link

import (
	"slices"
	"sync"
	"time"
)

const (
	batchSize = 64 << 10        // a writer fills its buffer up to here
	keepBatch = 1 << 20         // a larger buffer is not kept
	writeSize = 256 << 10       // a write is cut into these
	stall     = 5 * time.Second // one of them that takes longer breaks the connection
)

// outbox holds the frames that wait to be written to one connection. Any
// goroutine puts or flushes, one runs. A frame is encoded under the lock: once it
// is taken or dropped its body is not looked at any more.
type outbox struct {
	w     deadlineWriter
	slow  time.Duration
	wrote func(tally)   // told of each write, done or failed
	wake  chan struct{} // one place: there is something to write
	done  chan struct{} // closed by close

	mu      sync.Mutex
	frames  []frame
	first   int // frames before it are written
	closed  bool
	writing bool   // somebody writes
	buf     []byte // of who writes
}

// deadlineWriter is the part of a net.Conn that a writer needs.
type deadlineWriter interface {
	Write(b []byte) (int, error)
	SetWriteDeadline(t time.Time) error
}

func newOutbox(w deadlineWriter, slow time.Duration, wrote func(tally)) *outbox {
	return &outbox{w: w, slow: slow, wrote: wrote, wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// put queues a frame, which a closed outbox will not send.
func (o *outbox) put(f frame) {
	if o.queue(f) {
		o.rouse()
	}
}

// queue is put, but somebody has yet to rouse or to flush; false: the outbox is
// closed and the frame will not be sent.
func (o *outbox) queue(f frame) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return false
	}
	o.frames = append(o.frames, f)
	return true
}

// flush writes what waits, up to a batch, if nobody else is writing: that is one
// goroutine less to wake. It waits until the peer's buffers have room. A failed
// write is the end of the connection, and the caller's to act upon.
func (o *outbox) flush() error {
	more, err := o.write()
	if more {
		o.rouse()
	}
	return err
}

// rouse has the one that runs write what waits.
func (o *outbox) rouse() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// drop takes back the frame with this id; false: it is gone already.
func (o *outbox) drop(id uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := o.first; i < len(o.frames); i++ {
		if o.frames[i].id == id {
			copy(o.frames[i:], o.frames[i+1:])
			o.frames[len(o.frames)-1] = frame{}
			o.frames = o.frames[:len(o.frames)-1]
			return true
		}
	}
	return false
}

// waiting counts the frames not yet taken.
func (o *outbox) waiting() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.frames) - o.first
}

// close ends the outbox and returns the frames that were never taken.
func (o *outbox) close() []frame {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil
	}
	o.closed = true
	close(o.done)
	left := o.frames[o.first:]
	o.frames, o.first = nil, 0
	return left
}

// tally counts what a server owes among some frames: answers and errors.
type tally struct{ answers, bytes int }

func (t *tally) add(f frame) {
	if f.kind == frameAnswer || f.kind == frameError {
		t.answers++
		t.bytes += len(f.body)
	}
}

func tallyOf(frames []frame) (t tally) {
	for _, f := range frames {
		t.add(f)
	}
	return t
}

// take encodes what waits into b, up to a batch. mu is held.
func (o *outbox) take(b []byte) (batch []byte, t tally) {
	for o.first < len(o.frames) && len(b) < batchSize {
		t.add(o.frames[o.first])
		b = o.frames[o.first].append(b)
		o.frames[o.first] = frame{}
		o.first++
	}
	if o.first > len(o.frames)/2 { // also when all are gone
		n := copy(o.frames, o.frames[o.first:])
		clear(o.frames[n:])
		o.frames, o.first = o.frames[:n], 0
	}
	return b, t
}

// write writes a batch of what waits, unless somebody else is writing. It
// reports whether there is more to write for the one that runs.
func (o *outbox) write() (more bool, err error) {
	o.mu.Lock()
	if o.writing || o.closed || o.first == len(o.frames) {
		o.mu.Unlock()
		return false, nil
	}
	o.writing = true
	batch, t := o.take(o.buf[:0])
	o.mu.Unlock()
	err = writeAll(o.w, batch, o.slow)
	o.wrote(t)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.writing = false
	if cap(batch) <= keepBatch {
		o.buf = batch
	}
	return o.first < len(o.frames), err
}

// run writes until the outbox is closed or a write fails.
func (o *outbox) run() error {
	for {
		select {
		case <-o.wake:
		case <-o.done:
			return nil
		}
		for more := true; more; {
			var err error
			if more, err = o.write(); err != nil {
				return err
			}
		}
	}
}

func writeAll(w deadlineWriter, b []byte, slow time.Duration) error {
	for piece := range slices.Chunk(b, writeSize) {
		if err := w.SetWriteDeadline(time.Now().Add(stall * slow)); err != nil {
			return err
		}
		if _, err := w.Write(piece); err != nil {
			return err
		}
	}
	return nil
}
