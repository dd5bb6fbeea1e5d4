package node_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"sojourn/actors/callback"
	"sojourn/actors/identity"
	"sojourn/actors/node"
	"sojourn/actors/tree"
)

// BenchmarkProcess is one call of each node that a login runs.
func BenchmarkProcess(b *testing.B) {
	who := identity.Identity{Realm: "/alpha", Name: "demo", Retries: map[string]int{"n1": 1}}
	collected := node.State{
		Shared:    node.Values{node.KeyRealm: "/alpha", node.KeyUsername: "demo"},
		Transient: node.Values{node.KeyPassword: "secret"},
	}
	answer := func(t callback.Type, values ...any) []callback.Answer {
		return []callback.Answer{{Type: t, Values: values}}
	}
	for _, bench := range []struct {
		name, typ string
		state     node.State
		answers   []callback.Answer
		result    node.Result
	}{
		{name: "username asks", typ: "UsernameCollectorNode"},
		{name: "username answered", typ: "UsernameCollectorNode", answers: answer(callback.Name, "demo")},
		{name: "password answered", typ: "PasswordCollectorNode", answers: answer(callback.Password, "secret")},
		{name: "platform username answered", typ: "ValidatedUsernameNode", answers: answer(callback.Name, "demo")},
		{name: "platform password answered", typ: "ValidatedPasswordNode", answers: answer(callback.Password, "secret")},
		{name: "data store asks", typ: "DataStoreDecisionNode", state: collected},
		{
			name: "data store answered", typ: "DataStoreDecisionNode", state: collected,
			result: node.Authenticated{Verdict: identity.Match, Identity: who, UniversalID: "id=demo"},
		},
		{name: "retry limit asks", typ: "RetryLimitDecisionNode", state: collected},
		{name: "retry limit answered", typ: "RetryLimitDecisionNode", state: collected, result: node.Found{OK: true, Identity: who}},
		{name: "one-time password", typ: "OneTimePasswordGeneratorNode"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			typ, _ := node.Builtin().Type(bench.typ)
			c, err := typ.Configure(tree.Config{ID: "n1", Type: bench.typ})
			if err != nil {
				b.Fatal(err)
			}
			n, err := typ.New(c)
			if err != nil {
				b.Fatal(err)
			}
			request := node.Request{Locales: []string{"en"}}
			random := rand.NewChaCha8([32]byte{})
			now := time.Now()
			b.ReportAllocs()
			for b.Loop() {
				state, ending := bench.state, node.Ending{}
				if _, err := n.Process(&node.Context{
					ID: "n1", Realm: "/alpha", Now: now, Rand: random, Request: &request,
					State: &state, Ending: &ending, Answers: bench.answers, Result: bench.result,
				}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
