package actors

import (
	"reflect"
	"testing"

	"sojourn/actors/journey"
	"sojourn/cts/session"
)

// What an answer says is kept of a reply, and the properties that it shows.
func TestEnded(t *testing.T) {
	shown := session.Session{Properties: map[string]string{"a": "1", "b": "2"}}
	for name, tc := range map[string]struct {
		done journey.Done
		want journey.Done
	}{
		"success": {
			journey.Done{Success: true, URL: "/x", Session: shown},
			journey.Done{Success: true, URL: "/x"},
		},
		"no session":  {journey.Done{Success: true, NoSession: true}, journey.Done{Success: true, NoSession: true}},
		"failure":     {journey.Done{Message: "no", URL: "/f"}, journey.Done{Message: "no", URL: "/f"}},
		"locked out":  {journey.Done{Message: "no", Lockout: true}, journey.Done{Message: "no", Lockout: true}},
		"with detail": {journey.Done{Details: map[string]string{"k": "v"}}, journey.Done{Details: map[string]string{"k": "v"}}},
		"with properties": {
			journey.Done{
				Success: true, Session: shown, Details: map[string]string{"k": "v", "n": "old"},
				PropertyDetails: map[string]string{"n": "a", "missing": "c"},
			},
			journey.Done{Success: true, Details: map[string]string{"k": "v", "n": "1"}},
		},
		"with properties alone": {
			journey.Done{Success: true, Session: shown, PropertyDetails: map[string]string{"n": "b"}},
			journey.Done{Success: true, Details: map[string]string{"n": "2"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := endedOf(&stepping{done: &tc.done, token: "token"}).reply("/r")
			want := journey.Reply{Realm: "/r", Token: "token", Done: &tc.want}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("given again: %+v\nwant %+v", *got.Done, *want.Done)
			}
		})
	}
}
