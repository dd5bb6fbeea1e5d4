package actors

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sojourn/actors/realm"
	"sojourn/cts/session"
	"sojourn/cts/token"
)

// where is a store of journeys that tests of behaviour run over.
type where struct {
	name  string
	store realm.JourneyStore
	// setting is authenticationSessionsStateManagement.
	setting string
}

func inMemory() where   { return where{"in memory", realm.InMemory, "In-Memory"} }
func inStore() where    { return where{"in the store", realm.CTS, "CTS"} }
func withClient() where { return where{"with its client", realm.JWT, "JWT"} }

// overStores runs a test once for each store that journeys may wait in: what a
// client sees does not depend on it.
func overStores(t *testing.T, test func(t *testing.T, in where)) {
	t.Helper()
	for _, in := range []where{inMemory(), inStore(), withClient()} {
		t.Run(in.name, func(t *testing.T) { test(t, in) })
	}
}

// bubbles is overStores with each test in a bubble of its own.
func bubbles(t *testing.T, test func(t *testing.T, in where)) {
	t.Helper()
	overStores(t, func(t *testing.T, in where) {
		synctest.Test(t, func(t *testing.T) { test(t, in) })
	})
}

// member is newMember with its journeys there.
func (in where) member(t testing.TB, now func() time.Time) *testMember {
	t.Helper()
	m := newMember(t, now)
	in.choose(m)
	return m
}

// cluster is newCluster with its journeys there.
func (in where) cluster(t testing.TB, n int) *testCluster {
	t.Helper()
	c := newCluster(t, n)
	in.choose(c.members[0])
	return c
}

func (in where) choose(m *testMember) {
	m.docs.put(realm.KindSettings, realm.DocumentAuthentication,
		fmt.Sprintf(`{"trees":{"authenticationSessionsStateManagement":%q}}`, in.setting))
	m.catalog.Invalidate(realm.KindSettings, realm.Root)
}

// memoryTokens is a replicated store's tokens: a history that all members share,
// of which each may be behind.
type memoryTokens struct {
	mu      sync.Mutex
	now     func() time.Time
	index   uint64
	history map[tokenKey][]token.Token
	puts    int
	weather func() storeFault // of each call; nil is good
}

type tokenKey struct {
	kind token.Kind
	id   token.ID
}

// storeFault is what becomes of one call.
type storeFault struct {
	// before and after the work the call is lost: it is told as unavailable.
	before, after bool
	twice         bool          // it is done twice
	delay         time.Duration // before and after the work
	// behind is how many writes of the cluster a read may not know of.
	behind uint64
}

func newTokens(now func() time.Time) *memoryTokens {
	return &memoryTokens{now: now, history: map[tokenKey][]token.Token{}}
}

var errStoreAway = &session.UnavailableError{Reason: "no leader", RetryAfter: time.Second, Unknown: true}

func (m *memoryTokens) fault() storeFault {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.weather == nil {
		return storeFault{}
	}
	return m.weather()
}

func (m *memoryTokens) inject(weather func() storeFault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.weather = weather
}

// random injects seeded faults: with probability p a call is lost, or done twice.
func (m *memoryTokens) random(seed uint64, p float64, delay time.Duration) {
	random := rand.New(rand.NewPCG(seed, 5)) //nolint:gosec // a seed decides
	m.inject(func() storeFault {
		f := storeFault{delay: time.Duration(random.Int64N(int64(delay))), behind: random.Uint64N(4)}
		if random.Float64() < p {
			switch random.IntN(3) {
			case 0:
				f.before = true
			case 1:
				f.after = true
			default:
				f.twice = true
			}
		}
		return f
	})
}

func pass(ctx context.Context, d time.Duration) error {
	if d > 0 {
		rest(ctx, d)
	}
	return ctx.Err()
}

// at is the token as of an index.
func (m *memoryTokens) at(k tokenKey, index uint64) token.Token {
	var found token.Token
	for _, t := range m.history[k] {
		if t.Index <= index {
			found = t
		}
	}
	if !m.now().Before(found.Expires) {
		return token.Token{}
	}
	return found
}

func (m *memoryTokens) Token(ctx context.Context, kind token.Kind, id token.ID, index uint64) (token.Token, error) {
	f := m.fault()
	if pass(ctx, f.delay) != nil || f.before || f.after {
		return token.Token{}, errStoreAway
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.at(tokenKey{kind, id}, max(index, m.index-min(m.index, f.behind)))
	if t.Seq == 0 && index == 0 {
		t = m.at(tokenKey{kind, id}, m.index)
	}
	if t.Seq == 0 {
		return t, token.ErrNotFound
	}
	t.Body = bytes.Clone(t.Body)
	return t, nil
}

// LatestToken is never behind.
func (m *memoryTokens) LatestToken(ctx context.Context, kind token.Kind, id token.ID) (token.Token, error) {
	m.mu.Lock()
	latest := m.index
	m.mu.Unlock()
	return m.Token(ctx, kind, id, latest)
}

func (m *memoryTokens) PutToken(ctx context.Context, p token.Put) (now token.Token, won bool, err error) {
	f := m.fault()
	if pass(ctx, f.delay) != nil || f.before {
		return token.Token{}, false, &session.UnavailableError{Reason: "no leader", RetryAfter: time.Second}
	}
	for range 1 + bit(f.twice) {
		now, won = m.put(p)
	}
	if now.Seq == 0 {
		return now, false, token.ErrNotFound
	}
	if pass(ctx, f.delay) != nil || f.after {
		return token.Token{}, false, errStoreAway
	}
	return now, won, nil
}

func (m *memoryTokens) put(p token.Put) (token.Token, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := tokenKey{p.Kind, p.ID}
	now := m.at(k, m.index)
	switch {
	case now.Seq == p.Seq:
		m.puts++
		m.index++
		now = token.Token{Kind: p.Kind, ID: p.ID, Seq: p.Seq + 1, Index: m.index, Expires: p.Expires, Body: bytes.Clone(p.Body)}
		m.history[k] = append(m.history[k], now)
		return now, true
	case now.Seq == p.Seq+1 && bytes.Equal(now.Body, p.Body):
		return now, true
	}
	return now, false
}

// live counts the tokens of a kind that have not expired.
func (m *memoryTokens) live(kind token.Kind) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for k := range m.history {
		if k.kind == kind && m.at(k, m.index).Seq > 0 {
			n++
		}
	}
	return n
}
