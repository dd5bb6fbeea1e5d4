package node_test

import (
	"encoding/json"
	"maps"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sojourn/actors/node"
)

// model is State the slow way: every value with the scope it was put into, in
// the order of reading.
type model map[string]map[string]any

const (
	transient = "transient"
	secure    = "secure"
	shared    = "shared"
)

func (m model) remove(key string) {
	for _, scope := range m {
		delete(scope, key)
	}
}

func (m model) put(scope, key string, value any) {
	m.remove(key)
	m[scope][key] = value
}

func (m model) get(key string) any {
	for _, scope := range []string{transient, secure, shared} {
		if v, ok := m[scope][key]; ok {
			return v
		}
	}
	return nil
}

// TestStateIsItsModel plays the same steps on State and model. Copies taken on
// the way stay as they were, also when values below them are changed.
func TestStateIsItsModel(t *testing.T) {
	keys := rapid.SampledFrom([]string{node.KeyUsername, node.KeyPassword, "a", "b"})
	values := rapid.OneOf(
		rapid.Just(any("text")), rapid.Just(any("")), rapid.Just(any(true)), rapid.Just(any(nil)),
		rapid.Map(rapid.IntRange(-3, 3), func(n int) any { return n }),
		rapid.Map(rapid.Float64Range(-2, 2), func(n float64) any { return n }),
	)
	rapid.Check(t, func(rt *rapid.T) {
		var s node.State
		m := model{transient: {}, secure: {}, shared: {}}
		copies := map[*node.State]string{}
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			copied := s
			copies[&copied] = whole(s)
			key, value := keys.Draw(rt, "key"), values.Draw(rt, "value")
			switch rapid.IntRange(0, 3).Draw(rt, "operation") {
			case 0:
				s.PutShared(key, value)
				m.put(shared, key, value)
			case 1:
				s.PutTransient(key, value)
				m.put(transient, key, value)
			case 2:
				s.Remove(key)
				m.remove(key)
			case 3: // a reply to the client
				for k, v := range m[transient] {
					m.put(secure, k, v)
				}
				s.Secure = join(s.Secure, s.Transient)
				s.Transient = nil
			}
			for _, key := range []string{node.KeyUsername, node.KeyPassword, "a", "b"} {
				agrees(rt, &s, m, key)
			}
		}
		for copied, before := range copies {
			if after := whole(*copied); after != before {
				rt.Fatalf("a copy changed from %s to %s", before, after)
			}
		}
	})
}

func agrees(rt *rapid.T, s *node.State, m model, key string) {
	want := m.get(key)
	if n, ok := want.(int); ok {
		want = float64(n)
	}
	if got := s.Get(key); !reflect.DeepEqual(got, want) {
		rt.Fatalf("%s is %v, want %v", key, got, want)
	}
	text, _ := want.(string)
	number, _ := want.(float64)
	if s.Has(key) != (want != nil) || s.Text(key) != text || s.Number(key) != number {
		rt.Fatalf("%s: Has, Text, Number do not agree with %v", key, want)
	}
}

func join(a, b node.Values) node.Values {
	out := maps.Clone(a)
	if out == nil {
		out = node.Values{}
	}
	maps.Copy(out, b)
	return out
}

func whole(s node.State) string {
	raw, err := json.Marshal([]node.Values{s.Shared, s.Secure, s.Transient})
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// TestAttributesAreMerged puts attributes of a managed object, some of them
// nested, in two scopes. What was put last in a scope counts there; the
// transient scope comes before the shared one.
func TestAttributesAreMerged(t *testing.T) {
	names := rapid.SampledFrom([]string{"userName", "mail", "sn"})
	rapid.Check(t, func(rt *rapid.T) {
		var s node.State
		want := map[string]map[string]any{shared: {}, transient: {}}
		for range rapid.IntRange(0, 12).Draw(rt, "steps") {
			name, value := names.Draw(rt, "name"), rapid.StringN(0, 3, 3).Draw(rt, "value")
			before, copied := whole(s), s
			if rapid.Bool().Draw(rt, "transient") {
				s.PutTransientAttribute(name, value)
				want[transient][name] = value
			} else {
				s.PutSharedAttribute(name, value)
				want[shared][name] = value
			}
			if whole(copied) != before {
				rt.Fatal("a copy changed")
			}
		}
		merged := join(want[shared], want[transient])
		if got, _ := s.Get(node.KeyAttributes).(map[string]any); !reflect.DeepEqual(join(nil, got), merged) {
			rt.Fatalf("got %v, want %v", got, merged)
		}
		for name, value := range merged {
			if s.Attribute(name) != value {
				rt.Fatalf("%s is %v, want %v", name, s.Attribute(name), value)
			}
		}
	})
}

func TestNestedAttributes(t *testing.T) {
	var s node.State
	s.PutSharedAttribute("preferences/updates", true)
	s.PutSharedAttribute("preferences/marketing/mail", "no")
	s.PutSharedAttribute("plain", "text")
	for name, want := range map[string]any{
		"preferences/updates": true, "preferences/marketing/mail": "no",
		"preferences/other": nil, "plain/below": nil, "missing": nil, "": nil,
	} {
		if got := s.Attribute(name); got != want {
			t.Errorf("%q is %v, want %v", name, got, want)
		}
	}
	if got := compact(s.Shared); !strings.Contains(got, `"preferences":{"marketing":{"mail":"no"},"updates":true}`) {
		t.Errorf("got %s", got)
	}
}

func TestEndingIsReplacedNotChanged(t *testing.T) {
	e := node.Ending{Properties: map[string]string{"a": "1"}}
	before := e
	e.SetProperty("a", "")
	e.SetProperty("b", "2")
	if want := map[string]string{"a": "1"}; !reflect.DeepEqual(before.Properties, want) {
		t.Errorf("the copy has %v, want %v", before.Properties, want)
	}
	if want := map[string]string{"a": "", "b": "2"}; !reflect.DeepEqual(e.Properties, want) {
		t.Errorf("got %v, want %v", e.Properties, want)
	}
}
