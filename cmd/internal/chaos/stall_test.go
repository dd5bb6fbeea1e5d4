package chaos

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestStalls: a clock that jumps looks like a process that got no CPU.
func TestStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		jump := func() time.Duration {
			now := time.Since(begun)
			if now > 500*ms {
				now += 80 * ms
			}
			return now
		}
		var s stalls
		s.watch(ctx, jump)
		if len(s) != 1 || s.longest(0, 2*time.Second) != 80*ms {
			t.Errorf("%v, want one of 80 ms", s)
		}
		if s.longest(0, 500*ms) != 0 {
			t.Error("a stall of another time counts")
		}
	})
}
