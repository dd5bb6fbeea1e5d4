package actors

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sojourn/actors/callback"
	"sojourn/actors/journey"
	"sojourn/actors/node"
	"sojourn/actors/realm"
	"sojourn/cluster/placement"
	"sojourn/cts/session"
)

// chainNode shows a value, and hashes what it is answered into it, chainSteps
// times: a step that is lost, or made twice with different answers, shows in the
// next value.
type chainNode struct{}

const chainSteps = 5

func chainType() node.Type {
	return node.Type{Name: "ChainNode", Title: "Chain", Pure: true, New: func(node.Config) (node.Node, error) { return chainNode{}, nil }}
}

func (chainNode) Process(c *node.Context) (node.Action, error) {
	value, steps := c.State.Text("chain"), int(c.State.Number("links"))
	if len(c.Answers) > 0 {
		nonce, err := c.Answers[0].Text(0)
		if err != nil {
			return nil, err
		}
		value, steps = link(value, nonce), steps+1
		c.State.PutShared("chain", value)
		c.State.PutShared("links", float64(steps))
		c.State.PutShared(node.KeyUsername, "demo")
	}
	if steps == chainSteps {
		return node.Goto{Outcome: node.Next}, nil
	}
	return node.Ask{Callbacks: []callback.Callback{callback.NewHiddenValue("chain", value)}}, nil
}

func link(value, nonce string) string {
	sum := sha256.Sum256([]byte(value + " " + nonce))
	return hex.EncodeToString(sum[:6])
}

// testTypes are the node types of the program and of these tests.
func testTypes() *node.Registry {
	types := []node.Type{chainType(), mailType()}
	for _, t := range node.Builtin().Types() {
		types = append(types, *t)
	}
	return node.NewRegistry(types...)
}

// chain is one client that goes through a journey of chained values, and what
// it has seen of the current step.
type chain struct {
	c      *testCluster
	random *rand.Rand
	name   string
	ref    journey.Ref
	value  string
	nonce  string // of its last step, which gave token
	token  session.TokenID
}

// run takes a journey to its end. Each request goes to any member; some go to
// two at once, with other answers.
func (x *chain) run(ctx context.Context) error {
	var reply journey.Reply
	err := x.persist(ctx, func(ctx context.Context) (err error) {
		reply, err = x.member().Start(ctx, journey.StartRequest{Realm: realm.Root, Tree: "Chain"})
		return err
	})
	if err != nil {
		return err
	}
	x.ref = reply.Ref
	for step := 1; ; step++ {
		next, nonce, err := x.step(ctx)
		if err != nil {
			return fmt.Errorf("%s, step %d: %w", x.name, step, err)
		}
		if next.Done != nil {
			if !next.Done.Success || step != chainSteps {
				return fmt.Errorf("%s ended at step %d: %+v", x.name, step, next.Done)
			}
			x.nonce, x.token = nonce, next.Token
			return nil
		}
		if want := link(x.value, nonce); shown(next) != want {
			return fmt.Errorf("%s, step %d: the value is %s, want %s", x.name, step, shown(next), want)
		}
		x.ref, x.value = next.Ref, shown(next)
	}
}

// repeats asks again for the end: every member that answers gives the same token.
func (x *chain) repeats(ctx context.Context) error {
	for _, m := range x.c.alive() {
		r := x.attempt(ctx, m, x.nonce)
		if r.err == nil && r.reply.Token != x.token {
			return fmt.Errorf("%s ended twice, with two tokens", x.name)
		}
	}
	return nil
}

func shown(r journey.Reply) string {
	value, _ := r.Ask.Callbacks[0].Output[0].Value.(string)
	return value
}

func (x *chain) member() *testMember {
	alive := x.c.alive()
	return alive[x.random.IntN(len(alive))]
}

// persist repeats what is unavailable.
func (x *chain) persist(ctx context.Context, f func(ctx context.Context) error) error {
	for try := 0; ; try++ {
		limited, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := f(limited)
		cancel()
		if _, away := errors.AsType[*session.UnavailableError](err); !away || try == 100 {
			return err
		}
		time.Sleep(time.Duration(x.random.IntN(100)+1) * time.Millisecond)
	}
}

type attemptResult struct {
	nonce string
	reply journey.Reply
	err   error
}

// step answers the current step until it is answered. New answers may be too
// late for ones that were sent before and whose fate was not known: one of those
// is found to have been the step then.
func (x *chain) step(ctx context.Context) (journey.Reply, string, error) {
	var tried []string
	for try := range 200 {
		n := 1 + x.random.IntN(10)/7 // some to two members at once
		results := make(chan attemptResult, n)
		for range n {
			nonce := fmt.Sprintf("%s-%d-%x", x.name, try, x.random.Uint64())
			if x.random.IntN(3) == 0 && len(tried) > 0 {
				nonce = tried[x.random.IntN(len(tried))] // the same answers again
			} else {
				tried = append(tried, nonce)
			}
			m := x.member()
			go func() { results <- x.attempt(ctx, m, nonce) }()
		}
		var got *attemptResult
		gone := 0
		for range n {
			r := <-results
			_, away := errors.AsType[*session.UnavailableError](r.err)
			switch {
			case r.err == nil && got != nil && got.nonce != r.nonce && (r.reply.Token == "" || r.reply.Token != got.reply.Token):
				return r.reply, "", fmt.Errorf("answered twice: to %s and to %s", got.nonce, r.nonce)
			case r.err == nil:
				got = &r
			case errors.Is(r.err, journey.ErrGone):
				gone++
			case !away:
				return r.reply, "", r.err
			}
		}
		if got != nil {
			if err := x.neither(ctx, tried, got.nonce); err != nil {
				return got.reply, "", err
			}
			return got.reply, got.nonce, nil
		}
		if gone > 0 { // one of those that were tried was made
			return x.find(ctx, tried)
		}
		time.Sleep(time.Duration(x.random.IntN(50)+1) * time.Millisecond)
	}
	return journey.Reply{}, "", errors.New("never answered")
}

// neither asks again with answers that were not the step: none may be answered.
func (x *chain) neither(ctx context.Context, tried []string, but string) error {
	for _, nonce := range tried {
		if nonce == but {
			continue
		}
		r := x.attempt(ctx, x.member(), nonce)
		if r.err == nil && r.reply.Done == nil {
			return fmt.Errorf("answered twice: to %s and then to %s", but, nonce)
		}
		return nil
	}
	return nil
}

// find asks with all answers that were tried, until one turns out to have been
// the step.
func (x *chain) find(ctx context.Context, tried []string) (journey.Reply, string, error) {
	for range 50 {
		unsure := false
		for _, nonce := range tried {
			r := x.attempt(ctx, x.member(), nonce)
			if r.err == nil {
				return r.reply, nonce, nil
			}
			if !errors.Is(r.err, journey.ErrGone) {
				unsure = true
			}
		}
		if !unsure {
			return journey.Reply{}, "", fmt.Errorf("lost: all of %d answers came too late", len(tried))
		}
		time.Sleep(time.Duration(x.random.IntN(100)+1) * time.Millisecond)
	}
	return journey.Reply{}, "", errors.New("never found")
}

func (x *chain) attempt(ctx context.Context, m *testMember, nonce string) attemptResult {
	limited, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	reply, err := m.Resume(limited, journey.ResumeRequest{Ref: x.ref, Answers: []callback.Answer{say(callback.HiddenValue, nonce)}})
	return attemptResult{nonce, reply, err}
}

// weather makes the network bad in ways that a seed decides, and good again.
func (c *testCluster) weather(ctx context.Context, random *rand.Rand, crashes bool) {
	for turn := 0; ctx.Err() == nil && turn < 12; turn++ {
		ids := c.ids()
		victim := ids[random.IntN(len(ids))]
		p, kinds := random.Float64()*0.3, []faultKind{refused, loseRequest, loseAnswer, twice, frozen}
		kind := random.IntN(6)
		var mu sync.Mutex
		dice := rand.New(rand.NewPCG(random.Uint64(), 7)) //nolint:gosec // a seed decides
		c.net.inject(func(from, to placement.MemberID) fault {
			mu.Lock()
			defer mu.Unlock()
			f := fault{delay: time.Duration(dice.Int64N(int64(8 * time.Millisecond)))}
			cut := kind == 0 && (from == victim || to == victim) || kind == 1 && to == victim || kind == 2 && from == victim
			switch {
			case cut && kind != 1:
				f.kind = refused
			case cut:
				f.kind = frozen
			case dice.Float64() < p:
				f.kind = kinds[dice.IntN(len(kinds))]
			}
			return f
		})
		if crashes && turn == 4 {
			c.kill(victim)
		}
		if kind == 3 && !crashes { // a smaller view for a while; a journey begun by it has fewer replicas
			c.sees(random.IntN(len(c.members)), ids[0], ids[len(ids)-1])
		}
		rest(ctx, time.Duration(random.Int64N(int64(700*time.Millisecond))))
		c.see(c.ids()...)
	}
	c.net.inject(nil)
}

// TestChains: whatever becomes of messages, and of one member, no step is lost
// and none is answered twice.
func TestChains(t *testing.T) { overStores(t, testChains) }

func testChains(t *testing.T, in where) {
	t.Helper()
	seeds := uint64(150)
	if testing.Short() {
		seeds = 30
	}
	for seed := range seeds {
		if t.Failed() {
			break
		}
		if in != inMemory() && seed > seeds/3 {
			break
		}
		chains(t, seed, func(c *testCluster) {
			in.choose(c.members[0])
			c.tokens.random(seed, 0.3, 8*time.Millisecond)
		})
	}
}

// TestChainsOfHolders: the same of journeys whose sessions their holders keep. Each
// time such a session is made its token is another, so that two ends of a journey
// show.
func TestChainsOfHolders(t *testing.T) {
	seeds := uint64(60)
	if testing.Short() {
		seeds = 15
	}
	for seed := range seeds {
		if t.Failed() {
			break
		}
		chains(t, seed, func(c *testCluster) {
			c.docs.put(realm.KindSettings, "authentication", `{"general":{"statelessSessionsEnabled":true}}`)
			c.sessions.held.Store(true)
		})
	}
}

func chains(t *testing.T, seed uint64, change func(c *testCluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		defer c.close()
		c.members[0].publishTree(testTree{"Chain", []testNode{{"chX", "ChainNode", "", "outcome>ok"}}})
		if change != nil {
			change(c)
		}
		random := rand.New(rand.NewPCG(seed, 3)) //nolint:gosec // a seed decides
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var weather sync.WaitGroup
		weather.Go(func() { c.weather(ctx, rand.New(rand.NewPCG(seed, 4)), random.IntN(2) == 0) }) //nolint:gosec // a seed decides
		const journeys = 4
		results := make(chan error, journeys)
		all := make([]*chain, journeys)
		for i := range journeys {
			x := &chain{c: c, random: rand.New(rand.NewPCG(seed, uint64(100+i))), name: fmt.Sprintf("journey %d", i)} //nolint:gosec // a seed decides
			all[i] = x
			go func() { results <- x.run(ctx) }()
		}
		for range journeys {
			if err := <-results; err != nil {
				t.Errorf("seed %d: %v", seed, err)
			}
		}
		cancel()
		weather.Wait()
		for _, x := range all {
			if err := x.repeats(t.Context()); err != nil {
				t.Errorf("seed %d: %v", seed, err)
			}
		}
		if (c.sessions.made.Load() > 0) != c.sessions.held.Load() {
			t.Errorf("seed %d: %d client-side sessions", seed, c.sessions.made.Load())
		}
		if n := len(c.sessions.byJourney); n > journeys {
			t.Errorf("seed %d: %d sessions of %d journeys", seed, n, journeys)
		}
	})
}
