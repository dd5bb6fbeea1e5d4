package node_test

import (
	"io"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"time"

	"sojourn/actors/callback"
	"sojourn/actors/node"
)

// obeys checks what is true of every node, on the call that comes next: it
// changes no map in place, it leaves by outcomes that it declares, it reads no
// key that it does not declare, it is pure when its type says so, and answers
// that make no sense do no harm.
func (p *player) obeys(result node.Result) {
	p.changesNothingInPlace(result)
	p.declaresItsOutcomes(result)
	p.declaresItsInputs(result)
	if p.typ.Pure && result == nil && p.answers == nil {
		p.isPure()
	}
	if p.answers != nil && result == nil {
		p.bearsNonsense()
	}
}

// call runs the node without letting the player notice.
func (p *player) call(c *node.Context) (node.Action, error) {
	c.Rand = rand.NewChaCha8([32]byte{2})
	return p.node.Process(c)
}

func (p *player) changesNothingInPlace(result node.Result) {
	before := compact([]any{p.state, p.state.Transient, p.ending, p.request, p.answers})
	_, _ = p.call(p.context(result))
	if after := compact([]any{p.state, p.state.Transient, p.ending, p.request, p.answers}); after != before {
		p.t.Errorf("%s changed in place\n%s\nto\n%s", p.typ.Name, before, after)
	}
}

func (p *player) declaresItsOutcomes(result node.Result) {
	action, _ := p.call(p.context(result))
	if left, ok := action.(node.Goto); ok && !slices.Contains(p.typ.OutcomesOf(p.config), left.Outcome) {
		p.t.Errorf("%s left by %q, which is none of %v", p.typ.Name, left.Outcome, p.typ.OutcomesOf(p.config))
	}
}

// declaresItsInputs calls the node with other values, and with none, under all
// keys that it does not declare. It must do the same.
func (p *player) declaresItsInputs(result node.Result) {
	asIs := p.context(result)
	want, wantErr := p.call(asIs)
	inputs := p.typ.InputsOf(p.config)
	if slices.Contains(inputs, "*") {
		return
	}
	for _, poison := range []any{nil, "poison", 7.0, map[string]any{"userName": "poison", "password": "poison"}} {
		c := p.context(result)
		for _, scope := range []*node.Values{&c.State.Shared, &c.State.Transient, &c.State.Secure} {
			*scope = poisoned(*scope, inputs, poison)
		}
		before := *c.State
		got, err := p.call(c)
		if !reflect.DeepEqual(got, want) || text(err) != text(wantErr) {
			p.t.Errorf("%s declares %v and read something else:\n%+v %v\nwas\n%+v %v", p.typ.Name, inputs, got, err, want, wantErr)
		}
		if got, want := written(before, *c.State), written(p.state, *asIs.State); !reflect.DeepEqual(got, want) {
			p.t.Errorf("%s declares %v and wrote %v, with other values elsewhere %v", p.typ.Name, inputs, want, got)
		}
	}
}

// written is what a call put into the state. Attributes of managed objects are
// left out: a new one is put beside the others, whatever they are.
func written(before, after node.State) node.Values {
	out := node.Values{}
	scopes := [][2]node.Values{{before.Shared, after.Shared}, {before.Transient, after.Transient}}
	for _, scope := range scopes {
		for key, value := range scope[1] {
			if key != node.KeyAttributes && !reflect.DeepEqual(scope[0][key], value) {
				out[key] = value
			}
		}
	}
	return out
}

// poisoned is scope with only the declared keys as they were; the others are
// gone, or have another value.
func poisoned(scope node.Values, declared []string, poison any) node.Values {
	out := node.Values{}
	known := []string{
		node.KeyRealm, node.KeyUsername, node.KeyPassword, node.KeyUniversalID, node.KeyAuthLevel,
		node.KeyTargetLevel, node.KeySuccessURL, node.KeyOTP, node.KeyOTPTime, node.KeyAttributes, node.KeyObjectID,
	}
	for key := range scope {
		known = append(known, key)
	}
	for _, key := range known {
		value, ok := scope[key]
		switch {
		case slices.Contains(declared, key):
			if ok {
				out[key] = value
			}
		case poison != nil:
			out[key] = poison
		}
	}
	return out
}

// isPure makes a first call in another world: other time, other request, and a
// random source that must not be touched.
func (p *player) isPure() {
	here := p.context(nil)
	want, wantErr := p.call(here)
	if _, effect := want.(node.Do); effect {
		p.t.Errorf("%s is pure and wants %+v first", p.typ.Name, want)
	}
	c := p.context(nil)
	c.Now = c.Now.Add(12345 * time.Hour)
	c.Rand = untouchable{}
	c.Request.Headers = map[string][]string{"X-Openam-Username": {"poison"}, "Referer": {"poison"}}
	c.Request.Session = map[string]string{"UserToken": "poison"}
	c.Request.ClientIP = "192.0.2.1"
	got, err := p.node.Process(c)
	if !reflect.DeepEqual(got, want) || text(err) != text(wantErr) {
		p.t.Errorf("%s is not pure: %+v %v, in another world %+v %v", p.typ.Name, want, wantErr, got, err)
	}
	left := func(c *node.Context) string { return compact([]any{c.State, c.State.Transient, c.Ending}) }
	if there, here := left(c), left(here); there != here {
		p.t.Errorf("%s is not pure: it leaves\n%s, in another world\n%s", p.typ.Name, here, there)
	}
}

type untouchable struct{}

func (untouchable) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

// bearsNonsense spoils each input in turn. The node may take the value for
// what it means, or refuse it as malformed; it must not fail in another way.
func (p *player) bearsNonsense() {
	good := p.answers
	defer func() { p.answers = good }()
	try := func(answers []callback.Answer) {
		p.answers = answers
		if _, err := p.call(p.context(nil)); err != nil && !malformed(err) {
			p.t.Errorf("%s took %v for %v", p.typ.Name, answers, err)
		}
	}
	for i, answer := range good {
		for j := range answer.Values {
			for _, value := range []any{nil, true, -1.0, 1e300, 0.5, "x", strings.Repeat("y", 5000), []any{1.0}, map[string]any{}} {
				spoiled := slices.Clone(good)
				spoiled[i].Values = slices.Clone(answer.Values)
				spoiled[i].Values[j] = value
				try(spoiled)
			}
		}
		fewer := slices.Clone(good)
		fewer[i].Values = nil
		try(fewer)
		try(good[:i+1])
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
