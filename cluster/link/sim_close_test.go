package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"sojourn/cluster/simnet"
)

// A connection can be lost while requests wait to be written; those go once more.
func TestUnwrittenRequestsGoOnceMore(t *testing.T) {
	c := newCaller("x", &stream{raw: discarded(t)}, 1, func() {})
	errs := make(chan error)
	for range 2 {
		go func() {
			_, err := c.call(t.Context(), 1, make([]byte, inlineBytes)) // too much to be written by the caller
			errs <- err
		}()
	}
	for c.out.waiting() < 2 {
		<-c.out.wake
	}
	_, _ = c.out.take(make([]byte, batchSize-1)) // the first of them only
	c.fail(os.ErrClosed)
	lost, unwritten := 0, 0
	for range 2 {
		err := <-errs
		if _, ok := errors.AsType[*LostError](err); ok {
			lost++
		}
		if errors.Is(err, errUnwritten) {
			wantDown(t, err)
			unwritten++
		}
	}
	if lost != 1 || unwritten != 1 {
		t.Errorf("%d lost, %d unwritten, want one each", lost, unwritten)
	}
}

func discarded(t *testing.T) net.Conn {
	t.Helper()
	a, b := net.Pipe()
	t.Cleanup(func() { _ = a.Close(); _ = b.Close() })
	return a
}

func TestCloseLetsAnswersGo(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *simnet.Network, a, b *member) {
		b.Handle(3, func(context.Context, string, []byte) ([]byte, error) {
			time.Sleep(200 * time.Millisecond)
			return []byte("done"), nil
		})
		if _, err := a.Call(t.Context(), address, 1, nil); err != nil {
			t.Fatal(err)
		}
		closed := make(chan error)
		time.AfterFunc(50*time.Millisecond, func() { closed <- b.Close() })
		late := make(chan error, 1)
		time.AfterFunc(100*time.Millisecond, func() {
			_, err := a.Call(t.Context(), address, 1, nil)
			late <- err
		})
		if got, err := a.Call(t.Context(), address, 3, nil); err != nil || string(got) != "done" {
			t.Errorf("request that ran when the peer stopped: %q, %v", got, err)
		}
		err := <-late
		wantDown(t, err)
		if !errors.Is(err, ErrClosing) {
			t.Errorf("request to a stopping peer: %v", err)
		}
		if err := <-closed; err != nil {
			t.Error(err)
		}
	})
}

func TestCloseDoesNotWaitForAnswersForEver(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *simnet.Network, a, b *member) {
		errs := make(chan error)
		go func() {
			_, err := a.Call(t.Context(), address, 2, nil)
			errs <- err
		}()
		time.Sleep(time.Second)
		began := time.Now()
		go func() { _ = b.Close() }()
		wantLost(t, <-errs)
		if took := time.Since(began); took != drainTimeout+latency {
			t.Errorf("the caller heard of it after %v", took)
		}
	})
}

// thin is a connection that carries a mebibyte in a second.
type thin struct{ net.Conn }

func (c thin) Write(b []byte) (n int, err error) {
	for len(b) > 0 && err == nil {
		k := min(len(b), 16<<10)
		time.Sleep(time.Duration(k) * time.Second >> 20)
		k, err = c.Conn.Write(b[:k])
		n += k
		b = b[k:]
	}
	return n, err
}

// A ping waits behind a long request; that must not look like silence.
func TestLongRequestsOnAThinLine(t *testing.T) {
	inBubble(t, func(t *testing.T, n *simnet.Network, a, _ *member) {
		a.c.Dial = func(ctx context.Context, addr string) (net.Conn, error) {
			conn, err := n.Host("a").Dial(ctx, addr)
			return thin{conn}, err
		}
		errs := make(chan error)
		for range 3 {
			go func() {
				got, err := a.Call(t.Context(), address, 1, make([]byte, MaxBody-2))
				if err == nil && len(got) != MaxBody {
					err = fmt.Errorf("answer of %d bytes", len(got))
				}
				errs <- err
			}()
		}
		began := time.Now()
		for range 3 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(began); took < 12*time.Second {
			t.Errorf("the line was not thin: %v", took)
		}
	})
}
