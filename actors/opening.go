package actors

import (
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"sojourn/actors/journey"
)

// plan is a tree's plan with what is remembered of how it opens. A start that
// meets only pure nodes gives the same first question to every request in the
// same languages, so it is worked out once: most requests to a login server
// are such starts, and the first answer to each replays it. States are never
// changed in place, so one may be given to many.
type plan struct {
	*journey.Plan

	// pinned says that the store has the plan's definitions; pinning is held by
	// whoever sees to it (archive.go).
	pinned  atomic.Bool
	pinning chan struct{}

	mu       sync.RWMutex
	openings map[string]opening

	levels sync.Map // the level that a journey starts with -> reached
}

// reached is what is known of the levels that a plan reaches.
type reached struct {
	level int
	ok    bool
}

// maxLevel is journey.Plan.MaxLevel, worked out once: a realm has one level to
// start with at a time.
func (p *plan) maxLevel(start int) (int, bool) {
	if known, ok := p.levels.Load(start); ok {
		return known.(reached).level, known.(reached).ok
	}
	var r reached
	r.level, r.ok = p.MaxLevel(start)
	p.levels.Store(start, r)
	return r.level, r.ok
}

func newPlan(p *journey.Plan) *plan {
	return &plan{Plan: p, pinning: make(chan struct{}, 1), openings: map[string]opening{}}
}

type opening struct {
	state journey.State
	ask   journey.Ask
}

// maxOpenings bounds the language lists that a plan remembers; others are
// worked out each time.
const maxOpenings = 64

// open begins a journey as a request wants it.
func (p *plan) open(env journey.Env, r *journey.StartRequest) (journey.State, journey.Step) {
	if r.Transaction != nil {
		return journey.StartTransaction(p.Plan, env, *r.Transaction)
	}
	return p.start(env, r.NoSession)
}

// start is journey.Start, from memory where that is possible.
func (p *plan) start(env journey.Env, noSession bool) (journey.State, journey.Step) {
	if len(env.Request.Parameters) > 0 {
		return journey.Start(p.Plan, env, noSession)
	}
	key := openingKey(env)
	p.mu.RLock()
	known, ok := p.openings[key]
	p.mu.RUnlock()
	if ok {
		known.state.Started, known.state.NoSession = env.Now, noSession
		return known.state, known.ask
	}
	state, step := journey.Start(p.Plan, env, noSession)
	if ask, asks := step.(journey.Ask); asks && !state.Traced {
		p.remember(key, opening{state, ask})
	}
	return state, step
}

// openingKey names what an opening depends on beside the plan.
func openingKey(env journey.Env) string {
	level := env.Settings.DefaultAuthLevel
	if level == 0 && len(env.Request.Locales) == 1 {
		return env.Request.Locales[0]
	}
	return strconv.Itoa(level) + "\x00" + strings.Join(env.Request.Locales, "\x00")
}

func (p *plan) remember(key string, known opening) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.openings) < maxOpenings {
		p.openings[key] = known
	}
}
