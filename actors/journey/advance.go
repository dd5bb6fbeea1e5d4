package journey

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"sojourn/actors/callback"
	"sojourn/actors/identity"
	"sojourn/actors/node"
	"sojourn/actors/tree"
)

// Bounds on one step. A tree that exceeds them goes round in circles.
const (
	maxHops   = 10_000 // nodes run without asking the client
	maxFrames = 32     // inner trees inside each other
)

// Start begins a journey on a plan. noSession is the client's wish.
func Start(p *Plan, env Env, noSession bool) (State, Step) {
	s := initial(p, env)
	s.NoSession = noSession
	r := newRun(p, s, nil, env)
	return r.finish(r.loop())
}

// StartTransaction begins a journey that is to authorise a transaction. It is
// kept from its start on.
func StartTransaction(p *Plan, env Env, t Transaction) (State, Step) {
	s := initial(p, env)
	s.Transaction, s.NoSession, s.Traced = &t, true, true
	if t.Known {
		s.Values.PutShared(node.KeyUsername, t.User)
	}
	if t.Data != nil {
		s.Values.PutShared(KeyTransactionData, t.Data)
	}
	r := newRun(p, s, nil, env)
	return r.finish(r.loop())
}

func initial(p *Plan, env Env) State {
	s := State{
		Tree:    p.Name,
		Version: p.Version,
		Started: env.Now,
		Frames:  []Frame{{Tree: p.Name, Node: p.main.entry}},
		Request: node.Request{
			Locales:    env.Request.Locales,
			Parameters: env.Request.Parameters,
		},
	}
	s.Values.Shared = node.Values{node.KeyRealm: string(p.Realm)}
	if env.Settings.DefaultAuthLevel != 0 {
		s.Values.Shared[node.KeyAuthLevel] = float64(env.Settings.DefaultAuthLevel)
	}
	return s
}

// Advance moves a journey on by one input and returns its new state and what
// it needs next. An error is one of actors/callback: the answers do not fit
// what was asked, and the journey stays where it was.
func Advance(p *Plan, s State, in Input, env Env) (State, Step, error) {
	r := newRun(p, s, in.Result, env)
	r.s.Frames = slices.Clone(s.Frames)
	switch {
	case in.Resumed:
		if err := r.resume(); err != nil {
			return s, nil, err
		}
	case s.Suspended != nil:
		return s, nil, errIsSuspended
	case in.Result == nil:
		if err := fits(s.Asked.Callbacks, in.Answers); err != nil {
			return s, nil, err
		}
		r.s.answers = in.Answers
		if r.s.answers == nil {
			r.s.answers = []callback.Answer{}
		}
	}
	step, err := r.loop()
	if err != nil && malformed(err) {
		return s, nil, err
	}
	next, step := r.finish(step, err)
	return next, step, nil
}

// fits is callback.Match, but for a redirect: its answer is the return itself,
// and may come without callbacks.
func fits(asked []callback.Callback, answers []callback.Answer) error {
	if len(answers) == 0 && len(asked) == 1 && asked[0].Type == callback.Redirect {
		return nil
	}
	return callback.Match(asked, answers)
}

func malformed(err error) bool {
	var value *callback.ValueError
	return errors.Is(err, callback.ErrCount) || errors.Is(err, callback.ErrType) ||
		errors.Is(err, callback.ErrInput) || errors.As(err, &value)
}

// run is one call of Start or Advance: the state on its way from one step to
// the next.
type run struct {
	plan    *Plan
	env     Env
	s       State
	result  node.Result
	request node.Request
	random  tracing
	context node.Context // given to one node after the other
}

func newRun(p *Plan, s State, result node.Result, env Env) *run {
	p = p.Of(s)
	r := &run{plan: p, env: env, s: s, result: result, request: *env.Request}
	r.s.note(result)
	r.request.Parameters = overlaid(s.Request.Parameters, env.Request.Parameters)
	r.random = tracing{env.Rand, &r.s.Traced}
	r.context = node.Context{
		Realm:    p.Realm,
		Settings: env.Settings,
		Now:      env.Now,
		Rand:     &r.random,
		Request:  &r.request,
		State:    &r.s.Values,
		Ending:   &r.s.Ending,
	}
	return r
}

// overlaid are the parameters of the first request below those of the current
// one.
func overlaid(first, current map[string][]string) map[string][]string {
	switch {
	case len(current) == 0:
		return first
	case len(first) == 0:
		return current
	}
	merged := maps.Clone(first)
	maps.Copy(merged, current)
	return merged
}

// finish makes a Step of how the loop ended.
func (r *run) finish(step Step, err error) (State, Step) {
	if err != nil {
		step = r.failed(err)
	}
	switch step := step.(type) {
	case Ask:
		return r.s, r.wait(step)
	case Suspended:
		step.Ask = r.wait(step.Ask)
		r.s.Suspended = &Suspension{step.Until}
		return r.s, step
	case Done:
		next := r.deny(step)
		return r.s, next
	case Do:
	}
	return r.s, step
}

// wait makes the state one that waits for the client, and completes what that is
// asked.
func (r *run) wait(ask Ask) Ask {
	r.s.answers, r.s.partial, r.s.known, r.s.resumed = nil, nil, nil, false
	r.s.settle(r.plan)
	ask.Cookies, r.s.Ending.Cookies = r.s.Ending.Cookies, nil
	r.s.Asked = ask
	r.s.Step++
	return ask
}

// loop runs nodes until one asks, wants an effect, or the tree has ended.
func (r *run) loop() (Step, error) {
	if r.s.closing != nil {
		return r.close(), nil
	}
	for range maxHops {
		frame := r.s.top()
		if ending(frame.Node) {
			if len(r.s.Frames) == 1 {
				r.begin(frame.Node == tree.Success)
				return r.close(), nil
			}
			if err := r.leaveInner(frame.Node == tree.Success); err != nil {
				return nil, err
			}
			continue
		}
		step, err := r.visit(r.plan.programs[frame.Tree].vertices[frame.Node])
		if err != nil && !malformed(err) {
			err = r.escape(err)
		}
		if step != nil || err != nil {
			return step, err
		}
	}
	return nil, fmt.Errorf("tree %s ran %d nodes without asking anything", r.plan.Name, maxHops)
}

// visit runs one vertex; a nil Step means that the journey moved on.
func (r *run) visit(v *vertex) (Step, error) {
	var action node.Action
	var err error
	switch {
	case v == nil:
		return nil, fmt.Errorf("node %s is not part of tree %s", r.s.top().Node, r.s.top().Tree)
	case v.err != nil:
		return nil, &nodeError{v, v.err}
	case v.inner != nil:
		return nil, r.enterInner(v)
	case v.page != nil:
		action, err = r.page(v)
	default:
		action, err = r.process(v, r.s.answers, r.takeResult())
	}
	if err != nil {
		return nil, err
	}
	switch action := action.(type) {
	case node.Goto:
		if r.plan.choices != nil {
			return nil, r.become(string(action.Outcome))
		}
		return nil, r.follow(v, action.Outcome)
	case node.Ask:
		if len(action.Callbacks) == 0 {
			return nil, &nodeError{v, errors.New("asked nothing")}
		}
		return Ask{Callbacks: action.Callbacks, Header: action.Header, Description: action.Description, Stage: action.Stage}, nil
	case node.Do:
		return Do(action), nil
	case node.Suspend:
		if !v.typ.Suspends {
			return nil, &nodeError{v, errSuspends}
		}
		return r.suspend(action), nil
	}
	return nil, &nodeError{v, fmt.Errorf("returned %T", action)}
}

// process calls a node. The node's type decides whether the journey can still
// be replayed from its definition.
func (r *run) process(v *vertex, answers []callback.Answer, result node.Result) (node.Action, error) {
	c := &r.context
	if !v.typ.Pure {
		r.s.Traced = true
	}
	if v.typ.Suspends {
		if err := r.env.NotSuspending; err != nil && !r.s.resumed {
			return nil, err
		}
		r.suspendable(c)
	}
	c.Resumed = r.s.resumed
	c.ID, c.Answers, c.Result = v.id, answers, result
	c.Limit = r.s.limit(r.plan, r.env.Settings)
	action, err := v.node.Process(c)
	if err != nil && !malformed(err) {
		err = &nodeError{v, err}
	}
	return action, err
}

// note remembers the identity that an effect showed.
func (s *State) note(result node.Result) {
	switch result := result.(type) {
	case node.Authenticated:
		if result.Verdict == identity.Match || result.Verdict == identity.Barred {
			s.known = &node.Found{OK: true, Identity: result.Identity, UniversalID: result.UniversalID}
		}
	case node.PasswordChanged:
		if result.Verdict == identity.Match {
			s.known = &node.Found{OK: true, Identity: result.Identity, UniversalID: result.UniversalID}
		}
	case node.Found:
		if result.OK {
			s.known = &result
		}
	}
}

// takeResult hands the effect's result to the one node that wanted it.
func (r *run) takeResult() node.Result {
	result := r.result
	r.result = nil
	return result
}

func (r *run) follow(v *vertex, outcome tree.Outcome) error {
	next, ok := v.next[outcome]
	if !ok {
		return &nodeError{v, fmt.Errorf("outcome %q leads nowhere", outcome)}
	}
	r.s.answers, r.s.partial, r.s.resumed = nil, nil, false
	r.s.top().Node = next
	return nil
}

func (r *run) enterInner(v *vertex) error {
	if len(r.s.Frames) == maxFrames {
		return &nodeError{v, fmt.Errorf("inner trees deeper than %d", maxFrames)}
	}
	r.s.Frames = append(r.s.Frames, Frame{Tree: v.inner.name, Node: r.plan.programs[v.inner.name].entry})
	return nil
}

func (r *run) leaveInner(success bool) error {
	r.s.Frames = r.s.Frames[:len(r.s.Frames)-1]
	frame := r.s.top()
	return r.follow(r.plan.programs[frame.Tree].vertices[frame.Node], node.Truth(success).Outcome)
}

// escape takes an error to the nearest calling node that has an error outcome;
// without one the error stands.
func (r *run) escape(err error) error {
	if r.env.NotSuspending != nil && errors.Is(err, r.env.NotSuspending) {
		return err // it passes
	}
	for i := len(r.s.Frames) - 2; i >= 0; i-- {
		frame := r.s.Frames[i]
		caller := r.plan.programs[frame.Tree].vertices[frame.Node]
		if !caller.inner.errorOutcome {
			continue
		}
		if at, ok := errors.AsType[*nodeError](err); ok {
			r.s.Values.PutShared("errorNode", string(at.v.id))
		}
		r.s.Values.PutShared(node.KeyErrorMessage, err.Error())
		r.s.Frames = r.s.Frames[:i+1]
		return r.follow(caller, node.Failed)
	}
	return err
}

// nodeError says at which node a journey could not go on.
type nodeError struct {
	v   *vertex
	err error
}

func (e *nodeError) Error() string {
	if e.v.typ == nil {
		return fmt.Sprintf("node %s: %v", e.v.id, e.err)
	}
	return fmt.Sprintf("node %s (%s): %v", e.v.id, e.v.typ.Name, e.err)
}

func (e *nodeError) Unwrap() error { return e.err }

// tracing is a random source that notes its use.
type tracing struct {
	io.Reader
	used *bool
}

func (t *tracing) Read(p []byte) (int, error) {
	*t.used = true
	return t.Reader.Read(p)
}
