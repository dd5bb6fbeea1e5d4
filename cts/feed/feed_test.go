package feed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"sojourn/cts/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func ended(index uint64, id byte) session.Event {
	return session.Event{Kind: session.EventEnded, Index: index, Session: session.Session{ID: session.ID{id}}}
}

// soon is what a listener hears without waiting.
func soon(t *testing.T, l *Listener) (heard []string) {
	t.Helper()
	for {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		c, err := l.Next(ctx)
		switch {
		case errors.Is(err, context.Canceled):
			return heard
		case err != nil:
			heard = append(heard, err.Error())
			if errors.Is(err, ErrClosed) {
				return heard
			}
		default:
			heard = append(heard, fmt.Sprint(c.Place, "=", c.Session.ID[0]))
		}
	}
}

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: heard %q, want %q", what, got, want)
	}
}

func TestListen(t *testing.T) {
	f := New(4)
	f.Publish(ended(1, 1))
	l := f.Listen()
	same(t, "nothing new", soon(t, l))
	f.Publish(ended(2, 2))
	f.Publish(ended(2, 3))
	same(t, "two of one entry", soon(t, l), "2.0=2", "2.1=3")
	for i := range byte(6) {
		f.Publish(ended(uint64(3+i), i))
	}
	same(t, "one that was too slow", soon(t, l), ErrMissed.Error(), "5.0=2", "6.0=3", "7.0=4", "8.0=5")
	f.Missed()
	f.Publish(ended(20, 9))
	same(t, "after a state was taken over", soon(t, l), ErrMissed.Error(), "20.0=9")
	f.Publish(ended(21, 1))
	f.Close()
	f.Publish(ended(22, 1))
	same(t, "to the end", soon(t, l), "21.0=1", ErrClosed.Error())
	f.Close()
	f.Missed()
	same(t, "after the end", soon(t, l), ErrClosed.Error())
}

func TestResume(t *testing.T) {
	one, two := New(8), New(3)
	tell := func(e session.Event) {
		one.Publish(e)
		two.Publish(e)
	}
	if l, err := one.Resume(Place{5, 0}); !errors.Is(err, ErrMissed) || l == nil {
		t.Errorf("resumed where nothing is known: %v", err)
	}
	for i := range byte(5) {
		tell(ended(uint64(10+i/2), i)) // 10.0 10.1 11.0 11.1 12.0
	}
	for _, tt := range []struct {
		after  Place
		at     *Feed
		missed bool
		want   []string
	}{
		{Place{10, 1}, one, false, []string{"11.0=2", "11.1=3", "12.0=4"}},
		{Place{11, 1}, two, false, []string{"12.0=4"}},
		{Place{12, 0}, two, false, nil},
		{Place{99, 0}, two, true, nil}, // of another log, or this member is behind
		{Place{12, 9}, two, false, nil},
		{Place{10, 1}, two, true, nil},
		{Place{9, 9}, one, true, nil},
	} {
		l, err := tt.at.Resume(tt.after)
		if errors.Is(err, ErrMissed) != tt.missed {
			t.Errorf("resumed after %v: %v, want missed %t", tt.after, err, tt.missed)
		}
		same(t, fmt.Sprint("after ", tt.after), soon(t, l), tt.want...)
	}
	ahead, err := two.Resume(Place{13, 0})
	if !errors.Is(err, ErrMissed) {
		t.Errorf("resumed ahead of the log: %v", err)
	}
	tell(ended(13, 7))
	tell(ended(14, 8))
	same(t, "one that is ahead", soon(t, ahead), "13.0=7", "14.0=8")
	two.Missed()
	if _, err := two.Resume(Place{14, 0}); !errors.Is(err, ErrMissed) {
		t.Errorf("resumed before what this member missed: %v", err)
	}
}

// Next wakes up for a change, for the end of its context and for the end of all.
func TestNextWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := New(2)
		ctx, cancel := context.WithCancelCause(t.Context())
		var group sync.WaitGroup
		results := make([]error, 3)
		for i := range results {
			group.Go(func() {
				l := f.Listen()
				if i == 0 {
					_, results[0] = l.Next(t.Context())
					return
				}
				for results[i] == nil {
					if i == 1 {
						_, results[1] = l.Next(ctx)
					} else {
						_, results[2] = l.Next(t.Context())
					}
				}
			})
		}
		synctest.Wait()
		f.Publish(ended(1, 1))
		synctest.Wait()
		cause := errors.New("the client left")
		cancel(cause)
		time.Sleep(time.Second)
		f.Close()
		group.Wait()
		if results[0] != nil || !errors.Is(results[1], cause) || !errors.Is(results[2], ErrClosed) {
			t.Errorf("the waits ended with %v", results)
		}
	})
}

func TestPlaces(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := Place{rapid.Uint64().Draw(rt, "index"), rapid.Uint32().Draw(rt, "nth")}
		if got, ok := ParsePlace(p.String()); !ok || got != p {
			rt.Fatalf("%v is read as %v, %t", p, got, ok)
		}
	})
	for _, text := range []string{"", ".", "1", "1.", ".1", "1.1.1", "-1.0", "01.0", "1.00", "18446744073709551616.0", "1.4294967296", "1.0\n", "+1.0"} {
		if p, ok := ParsePlace(text); ok {
			t.Errorf("%q is read as %v", text, p)
		}
	}
}

// Whatever is told, missed and resumed: a listener hears all changes from its
// place on in their order, or is told that it missed some.
func TestAgainstTheModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := New(rapid.IntRange(1, 4).Draw(rt, "kept"))
		var all []Change // what a ring without bounds would have
		index := uint64(1)
		l := f.Listen()
		heard, whole := 0, true // how far the listener is in all
		rt.Repeat(map[string]func(*rapid.T){
			"tell": func(rt *rapid.T) {
				index += rapid.Uint64Range(0, 2).Draw(rt, "further")
				e := ended(index, byte(len(all)))
				place := Place{Index: index}
				if n := len(all); n > 0 && all[n-1].Index == index {
					place.Nth = all[n-1].Place.Nth + 1
				}
				f.Publish(e)
				all = append(all, Change{e, place})
			},
			"hear": func(rt *rapid.T) {
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				c, err := l.Next(ctx)
				switch {
				case errors.Is(err, ErrMissed):
					whole = false
				case err != nil:
					if heard != len(all) {
						rt.Fatalf("nothing is heard of %d changes after %d", len(all), heard)
					}
				default:
					for !whole && all[heard].Place != c.Place {
						heard++
					}
					if all[heard].Place != c.Place || all[heard].Session.ID != c.Session.ID {
						rt.Fatalf("heard %v, want %v", c.Place, all[heard].Place)
					}
					heard, whole = heard+1, true
				}
			},
			"resume": func(*rapid.T) {
				if heard == 0 {
					return
				}
				var err error
				if l, err = f.Resume(all[heard-1].Place); err != nil {
					heard = len(all)
				}
			},
		})
	})
}
