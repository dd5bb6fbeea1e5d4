package e2e

import (
	"testing"

	"sojourn/actors/callback"
	"sojourn/http/client"
	"sojourn/http/wire"
)

// TestJourneys walks each journey of --dev with the Go client, which tests
// otherwise only see against doubles.
func TestJourneys(t *testing.T) {
	p := newPlace(t)
	m := p.start(t)
	c := m.client(t)
	for _, realm := range []string{"/", "/alpha"} {
		must(t, c.PutSettings(t.Context(), realm, "session", []byte(`{"sessionPropertyWhitelist":["demo.place"]}`)))
	}
	right := client.Credentials(p.seed.User, wire.Password(p.seed.Password))
	wrong := client.Credentials(p.seed.User, "wrong")
	first := func(value any) func(*wire.Step) error {
		return func(s *wire.Step) error {
			for i := range s.Callbacks {
				if len(s.Callbacks[i].Input) > 0 {
					s.Callbacks[i].Input[0].Value = value
					return nil
				}
			}
			return nil
		}
	}
	for _, tt := range []struct {
		name, realm, tree string
		answers           []func(*wire.Step) error
		asks              []callback.Type // the first callback of each step
		status            int             // of the refusal at the end; 0 for a success
		place             string          // the session property that the journey sets
	}{
		{name: "default tree", answers: []func(*wire.Step) error{right}, asks: []callback.Type{"NameCallback"}},
		{name: "name and password", tree: "Login", answers: []func(*wire.Step) error{right}, asks: []callback.Type{"NameCallback"}},
		{name: "wrong password", tree: "Login", answers: []func(*wire.Step) error{wrong}, asks: []callback.Type{"NameCallback"}, status: 401},
		{name: "another realm", realm: "/alpha", tree: "Login", answers: []func(*wire.Step) error{right}, asks: []callback.Type{"NameCallback"}},
		{
			name: "right at the second try", tree: "Retry", answers: []func(*wire.Step) error{wrong, right},
			asks: []callback.Type{"NameCallback", "NameCallback"},
		},
		{
			name: "three times wrong", tree: "Retry", answers: []func(*wire.Step) error{wrong, wrong, wrong}, status: 401,
			asks: []callback.Type{"NameCallback", "NameCallback", "NameCallback"},
		},
		{
			name: "default choice", tree: "Choice", answers: []func(*wire.Step) error{right, first(0)},
			asks: []callback.Type{"NameCallback", "ChoiceCallback"}, place: "dashboard",
		},
		{
			name: "choice and message", tree: "Choice", answers: []func(*wire.Step) error{right, first(1), confirm(0)},
			asks: []callback.Type{"NameCallback", "ChoiceCallback", "TextOutputCallback"}, place: "profile",
		},
		{
			name: "message refused", tree: "Choice", answers: []func(*wire.Step) error{right, first(1), confirm(1)}, status: 401,
			asks: []callback.Type{"NameCallback", "ChoiceCallback", "TextOutputCallback"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			step := 0
			s, err := c.Login(t.Context(), client.Journey{Realm: tt.realm, Tree: tt.tree}, func(s *wire.Step) error {
				if step == len(tt.answers) || s.Callbacks[0].Type != tt.asks[step] {
					t.Fatalf("step %d asks %v", step, s.Callbacks)
				}
				step++
				return tt.answers[step-1](s)
			})
			if step != len(tt.answers) {
				t.Errorf("ended after %d steps, want %d", step, len(tt.answers))
			}
			if tt.status != 0 {
				if !client.IsStatus(err, tt.status) {
					t.Fatalf("got %v, want a refusal of status %d", err, tt.status)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			info, err := c.Info(t.Context(), s.TokenID)
			if err != nil {
				t.Fatal(err)
			}
			realm := tt.realm
			if realm == "" {
				realm = "/"
			}
			if info.Username != p.seed.User || info.Realm != realm || s.Realm != realm {
				t.Errorf("session of %s in %s, answered realm %s", info.Username, info.Realm, s.Realm)
			}
			properties, err := c.SessionProperties(t.Context(), s.TokenID)
			must(t, err)
			if got := property(properties, "demo.place"); got != tt.place {
				t.Errorf("demo.place is %q, want %q (all: %v)", got, tt.place, properties)
			}
			if ended, err := c.Logout(t.Context(), s.TokenID); err != nil || !ended {
				t.Errorf("logout: %v, %v", ended, err)
			}
			if valid(t, c, s.TokenID) {
				t.Error("valid after logout")
			}
		})
	}
}

// confirm answers the ConfirmationCallback of a step.
func confirm(option int) func(*wire.Step) error {
	return func(s *wire.Step) error {
		for i := range s.Callbacks {
			if s.Callbacks[i].Type == "ConfirmationCallback" {
				s.Callbacks[i].Input[0].Value = option
			}
		}
		return nil
	}
}

func property(all wire.Properties, name string) string {
	for _, p := range all {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}
