package model

import (
	"fmt"
	"testing"

	"sojourn/actors/identity"
)

func TestIdentitiesForgetWhatChanged(t *testing.T) {
	m, key := NewIdentities(10), []byte("demo")
	m.Fill(key, identity.Identity{Name: "demo", LoginCount: 1}, m.Generation())
	if who, ok := m.Get(key); !ok || who.LoginCount != 1 {
		t.Fatalf("filled in, but read %+v %v", who, ok)
	}
	m.Changed(key)
	if _, ok := m.Get(key); ok {
		t.Error("known after a change")
	}
}

// TestIdentitiesRefuseWhatIsOld: a reader that was overtaken by a change must
// not bring the old value back.
func TestIdentitiesRefuseWhatIsOld(t *testing.T) {
	for name, change := range map[string]func(*Identities){
		"changed": func(m *Identities) { m.Changed([]byte("demo")) },
		"cleared": func(m *Identities) { m.Clear() },
	} {
		m := NewIdentities(10)
		generation := m.Generation()
		change(m)
		m.Fill([]byte("demo"), identity.Identity{Name: "old"}, generation)
		if _, ok := m.Get([]byte("demo")); ok {
			t.Errorf("%s: what was read before was filled in", name)
		}
	}
}

func TestIdentitiesAreBounded(t *testing.T) {
	m := NewIdentities(3)
	for i := range 10 {
		m.Fill(fmt.Append(nil, i), identity.Identity{}, m.Generation())
	}
	if len(m.byKey) != 3 {
		t.Errorf("%d identities kept, want 3", len(m.byKey))
	}
}
