package journey_test

import (
	"fmt"
	"testing"

	"sojourn/actors/identity"
	"sojourn/actors/journey"
	"sojourn/actors/node"
)

// Every mixture of the four places that say where a journey leads: the highest
// that says something wins (am-contract section 5.6).
func TestURLPrecedence(t *testing.T) {
	for _, success := range []bool{true, false} {
		for mixture := range 16 {
			var want string
			said := func(place int, url string) string {
				if mixture&(1<<place) == 0 {
					return ""
				}
				if want == "" {
					want = url
				}
				return url
			}
			sources := urlSources{
				parameter: said(0, "/from-goto"), node: said(1, "/from-node"),
				profile: said(2, "/from-profile"), realm: said(3, "/from-realm"),
			}
			if success && want == "" {
				want = "/am/console"
			}
			t.Run(fmt.Sprintf("success=%v/%+v", success, sources), func(t *testing.T) {
				if done := endOf(t, success, sources); done.Success != success || done.URL != want {
					t.Errorf("success %v at %q, want %q", done.Success, done.URL, want)
				}
			})
		}
	}
}

type urlSources struct{ parameter, node, profile, realm string }

// endOf runs a tree that ends at once, in a realm with a lockout: its count of
// failures is where a failed journey sees the user.
func endOf(t *testing.T, success bool, from urlSources) journey.Done {
	t.Helper()
	p := newPlayer()
	p.settings.Lockout.Enabled = true
	kind, key, end := "SetSuccessUrlNode", "successUrl", "success"
	parameter, attribute := "goto", "iplanet-am-user-success-url"
	p.settings.SuccessURL = from.realm
	if !success {
		kind, key, end = "SetFailureUrlNode", "failureUrl", "failure"
		parameter, attribute = "gotoOnFail", "iplanet-am-user-failure-url"
		p.settings.FailureURL = from.realm
	}
	must := func(line string) {
		t.Helper()
		if _, err := p.do(line); err != nil {
			t.Fatal(err)
		}
	}
	must("tree Main")
	if from.node != "" {
		must("node url " + kind + " outcome>user")
		must(fmt.Sprintf(`config url {%q: %q}`, key, from.node))
	}
	must("node user AnonymousUserNode outcome>" + end)
	plan, err := journey.Compile(p.set, "Main", node.Builtin())
	if err != nil {
		t.Fatal(err)
	}
	if from.parameter != "" {
		p.request.Parameters = map[string][]string{parameter: {from.parameter}}
	}
	who := identity.Identity{Realm: "/alpha", Name: "anonymous", Attributes: map[string][]string{}}
	if from.profile != "" {
		who.Attributes[attribute] = []string{from.profile}
	}
	state, step := journey.Start(plan, p.env(), false)
	for range 4 {
		if done, ok := step.(journey.Done); ok {
			return done
		}
		in := journey.Input{Result: node.Found{OK: true, Identity: who}}
		if state, step, err = journey.Advance(plan, state, in, p.env()); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("the journey does not end")
	return journey.Done{}
}
