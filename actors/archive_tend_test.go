package actors

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sojourn/actors/realm"
)

// A version that was replaced stays until the last journey on it has ended; one
// that is current again stays.
func TestVersionsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMember(t, time.Now)
		defer m.Close()
		publish := func(message string) string {
			m.docs.publishMessage("Say", message)
			m.catalog.Invalidate(realm.KindNode, realm.Root)
			p, err := m.catalog.plan(t.Context(), realm.Root, "Say")
			if err != nil {
				t.Fatal(err)
			}
			return p.Version.String()
		}
		tend := func(after time.Duration) map[string]archived {
			time.Sleep(after)
			if err := m.catalog.tendAll(t.Context()); err != nil {
				t.Fatal(err)
			}
			return m.docs.versions(t, "Say")
		}
		one := publish("one")
		if kept := tend(time.Hour); !kept[one].Until.IsZero() {
			t.Fatalf("the current version is to go: %+v", kept[one])
		}
		two := publish("two")
		kept := tend(0)
		if want := 5*time.Minute + lingering; kept[one].Until.Sub(kept[one].Replaced) != want || !kept[two].Until.IsZero() {
			t.Fatalf("replaced for %v, want %v; current %+v", kept[one].Until.Sub(kept[one].Replaced), want, kept[two])
		}
		if kept := tend(5 * time.Minute); len(kept) != 2 {
			t.Fatalf("gone while a journey may be on it: %d", len(kept))
		}
		publish("one") // back again
		tend(0)
		if kept := tend(time.Hour); len(kept) != 1 || !kept[one].Until.IsZero() {
			t.Fatalf("after a roll-back: %d kept, %+v", len(kept), kept[one])
		}
		m.docs.remove(realm.KindTree, "Say")
		m.catalog.Invalidate(realm.KindTree, realm.Root)
		tend(0)
		if kept := tend(time.Hour); len(kept) != 0 {
			t.Fatalf("of a deleted tree %d are kept", len(kept))
		}
	})
}

// The longest journey counts: by the realm, the tree, and the nodes.
func TestVersionsStayAsLongAsJourneys(t *testing.T) {
	const waitID = "00000000-0000-4000-8000-00000000000a"
	tests := []struct {
		name, tree, limit string
		want              time.Duration
	}{
		{"realm", "", `{"operation":"SET","value":1}`, 5 * time.Minute},
		{"tree", `"treeTimeout":30,`, `{"operation":"SET","value":1}`, 30 * time.Minute},
		{"node", `"treeTimeout":30,`, `{"operation":"SET","value":40}`, 40 * time.Minute},
		{"node adds", `"treeTimeout":30,`, `{"operation":"MODIFY","value":40}`, 70 * time.Minute},
		{"node takes", "", `{"operation":"MODIFY","value":-4}`, 5 * time.Minute},
		{"for ever", "", `{"operation":"SET","value":2147483647}`, 366 * 24 * time.Hour},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMember(t, time.Now)
			m.docs.put(realm.KindNode, waitID, `{"_type":{"_id":"UpdateJourneyTimeoutNode"},`+tt.limit[1:])
			m.docs.put(realm.KindTree, "Long", fmt.Sprintf(`{%s"entryNodeId":%q,"nodes":{
				%q:{"nodeType":"UpdateJourneyTimeoutNode","connections":{"outcome":%q}},
				%q:{"nodeType":"MessageNode","connections":{"true":%q,"false":%q}}}}`, tt.tree, waitID, waitID, msgID, msgID, ok, bad))
			m.catalog.Invalidate(realm.KindTree, realm.Root)
			if _, err := m.catalog.plan(t.Context(), realm.Root, "Long"); err != nil {
				t.Fatal(err)
			}
			m.docs.remove(realm.KindTree, "Long")
			m.catalog.Invalidate(realm.KindTree, realm.Root)
			if err := m.catalog.tendAll(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, a := range m.docs.versions(t, "Long") {
				if got := a.Until.Sub(a.Replaced) - lingering; got != tt.want {
					t.Errorf("kept for %v, want %v", got, tt.want)
				}
			}
		})
	}
}

// Publishing in a loop is bounded, and the version that was current for long is
// the last to go.
func TestVersionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMember(t, time.Now)
		defer m.Close()
		ctx, stop := context.WithCancel(t.Context())
		var tending sync.WaitGroup
		tending.Go(func() { m.catalog.Tend(ctx) })
		m.docs.publishMessage("Say", "for long")
		m.catalog.Invalidate(realm.KindNode, realm.Root)
		before := m.start(t, "Say")
		time.Sleep(2 * time.Minute)
		const padding = 20 << 10
		most := 0
		for i := range 2 * maxVersions {
			m.docs.publishMessage("Say", strconv.Itoa(i)+strings.Repeat("x", padding))
			m.catalog.Invalidate(realm.KindNode, realm.Root)
			m.start(t, "Say")
			time.Sleep(100 * time.Millisecond)
			if all, _ := m.docs.Documents(t.Context(), realm.KindVersion, realm.Root); len(all) > most {
				most = len(all)
			}
		}
		time.Sleep(2 * time.Second)
		stop()
		tending.Wait()
		if kept := len(m.docs.versions(t, "Say")); kept > maxVersions+grownBy || most > maxVersions+2*grownBy {
			t.Errorf("%d versions are kept, %d were at one time; the limit is %d", kept, most, maxVersions)
		}
		m.Close()
		m.open(t, time.Now, func(*Config) {})
		defer m.Close()
		if done, err := m.answer(t, before.Ref, "yes"); err != nil || done.Done == nil {
			t.Errorf("a journey on the version that was current for long: %v", err)
		}
	})
}
