package session

import (
	"slices"
	"testing"
)

func TestWebhooks(t *testing.T) {
	var all string
	for _, name := range []string{"one", "two words", "", "a|b", "one", "öne"} {
		all = AddWebhook(all, name)
	}
	if all != "one|two words|öne|" {
		t.Errorf("the value is %q", all)
	}
	s := Session{Properties: map[string]string{PropertyWebhooks: all}}
	if got := s.Webhooks(); !slices.Equal(got, []string{"one", "two words", "öne"}) {
		t.Errorf("the webhooks are %q", got)
	}
	if got := (Session{}).Webhooks(); len(got) > 0 {
		t.Errorf("a session without any has %q", got)
	}
	if !Protected(PropertyWebhooks) {
		t.Error("a client may set the webhooks of its session")
	}
}
