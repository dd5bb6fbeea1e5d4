package journey

import (
	"maps"
	"math"
	"testing"
	"time"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
)

func TestUserLimits(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"": 0, "0": 0, "-1": 0, "1.5": 0, "ten": 0, "1": time.Minute, "90": 90 * time.Minute, "2147483648": 0,
		"2147483647": math.MaxInt64 / time.Minute * time.Minute,
	} {
		who := identity.Identity{Attributes: map[string][]string{userMaxIdle: {text}}}
		if got := userMinutes(who, userMaxIdle); got != want {
			t.Errorf("%q is %v, want %v", text, got, want)
		}
		if got := userNumber(who, userQuota); got != 0 {
			t.Errorf("another attribute counts: %d", got)
		}
	}
}

func TestPropertiesOfANewSession(t *testing.T) {
	who := identity.Identity{Attributes: map[string][]string{"mail": {"a@example.com", "b@example.com"}, "sn": {"Ay"}, "empty": {""}}}
	mapping := []realm.Mapping{
		{Attribute: "mail", Property: "user.mail"},
		{Attribute: "sn", Property: "by.node"},
		{Attribute: "sn", Property: "removed"},
		{Attribute: "sn", Property: "AMCtxId"},
		{Attribute: "empty", Property: "user.empty"},
		{Attribute: "none", Property: "user.none"},
	}
	got := properties(who, mapping, map[string]string{"by.node": "node", "removed": "", "own": "x"})
	want := map[string]string{"user.mail": "a@example.com", "by.node": "node", "own": "x"}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
