package cts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"sojourn/cts/token"
)

// chain is what clients know of a token: who won which place in it.
type chain struct {
	mu     sync.Mutex
	bodies map[uint64]string // by seq, of puts that were answered as won
	latest token.Token       // of these, the one with the highest seq
}

func (k *chain) won(t *testing.T, now token.Token) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if body, taken := k.bodies[now.Seq]; taken && body != string(now.Body) {
		t.Errorf("place %d was won by %q and by %q", now.Seq, body, string(now.Body))
	}
	k.bodies[now.Seq] = string(now.Body)
	if now.Seq > k.latest.Seq {
		k.latest = now
	}
}

// Of those who go on from the same token one wins, whatever fails in between; what
// is won is not lost, and read wherever its index is known.
func TestTokensUnderFaults(t *testing.T) {
	const tokens = 3
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			underFaults(t, seed, func(t *testing.T, c *cluster, stop <-chan struct{}) func() {
				var chains [tokens]chain
				for i := range chains {
					chains[i].bodies = map[uint64]string{}
				}
				var clients sync.WaitGroup
				for client := range uint64(6) {
					r := rand.New(rand.NewPCG(seed, client)) //nolint:gosec // a test's
					clients.Go(func() {
						c.each(r, stop, func(m *member, n uint64) {
							i := r.IntN(tokens)
							c.step(t, m, &chains[i], token.ID{byte(i)}, fmt.Sprint(client, ".", n))
						})
					})
				}
				return func() {
					clients.Wait()
					for i := range chains {
						k := &chains[i]
						got, err := c.member("b").Token(t.Context(), token.Journey, token.ID{byte(i)}, k.latest.Index)
						if err != nil || got.Seq < k.latest.Seq || got.Seq == k.latest.Seq && !bytes.Equal(got.Body, k.latest.Body) {
							t.Errorf("token %d is %d %q, %v; won was %d %q", i, got.Seq, string(got.Body), err, k.latest.Seq, string(k.latest.Body))
						}
						if len(k.bodies) < 20 {
							t.Errorf("too little was done: %d places won", len(k.bodies))
						}
					}
				}
			})
		})
	}
}

// step reads a token at a member and replaces it.
func (c *cluster) step(t *testing.T, m *member, k *chain, id token.ID, body string) {
	k.mu.Lock()
	known := k.latest
	k.mu.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	was, err := m.Token(ctx, token.Journey, id, known.Index)
	switch {
	case errors.Is(err, token.ErrNotFound) && known.Seq == 0:
	case err == nil && was.Seq >= known.Seq && was.Index >= known.Index:
	case unavailableReason(err) != "":
		return
	default:
		t.Errorf("%s read %d, %v; won before was %d", m.config.Name, was.Seq, err, known.Seq)
		return
	}
	p := token.Put{Kind: token.Journey, ID: id, Seq: was.Seq, Expires: time.Now().Add(time.Hour), Body: []byte(body)}
	now, won, err := m.PutToken(ctx, p)
	switch {
	case won:
		k.won(t, now)
	case err == nil && now.Seq <= p.Seq:
		t.Errorf("%s refused place %d, and what is there is %d", m.config.Name, p.Seq+1, now.Seq)
	case err != nil && unavailableReason(err) == "":
		t.Errorf("put: %v", err)
	}
}

// A member that is behind never says of a token that there is none, though it is
// asked without an index.
func TestATokenThatIsNotHereYet(t *testing.T) {
	inCluster(t, 3, "abc", func(t *testing.T, c *cluster) {
		c.formed(3)
		name, leader := c.leader()
		for n := range uint64(20) {
			time.Sleep(137 * time.Millisecond) // some find an idle log
			p := aToken(n, time.Now())
			if _, _, err := leader.PutToken(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			for _, other := range c.others(name) {
				if _, err := c.member(other).Token(t.Context(), p.Kind, p.ID, 0); err != nil {
					t.Errorf("token %d at %s: %v", n, other, err)
				}
			}
		}
		asked := time.Now()
		if _, err := c.member(c.others(name)[0]).Token(t.Context(), token.Suspended, token.ID{}, 0); !errors.Is(err, token.ErrNotFound) {
			t.Errorf("of nothing: %v", err)
		}
		if took := time.Since(asked); took > time.Second {
			t.Errorf("certainty took %v", took)
		}
	})
}

// The latest of a token is what was acknowledged last at another member; what
// another read returns may be older.
func TestTheLatestToken(t *testing.T) {
	inCluster(t, 3, "abc", func(t *testing.T, c *cluster) {
		c.formed(3)
		name, leader := c.leader()
		behind := c.member(c.others(name)[0])
		p := aToken(1, time.Now())
		older := 0
		for n := range uint64(20) {
			time.Sleep(137 * time.Millisecond)
			p.Seq = n
			if _, _, err := leader.PutToken(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			if was, err := behind.Token(t.Context(), p.Kind, p.ID, 0); err == nil && was.Seq <= n {
				older++
			}
			if now, err := behind.LatestToken(t.Context(), p.Kind, p.ID); err != nil || now.Seq != n+1 {
				t.Errorf("put %d: latest is %d, %v", n+1, now.Seq, err)
			}
		}
		if older == 0 {
			t.Error("the member was never behind: nothing was shown")
		}
	})
}
