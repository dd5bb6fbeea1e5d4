package actors

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"sojourn/actors/internal/register"
	"sojourn/actors/node"
	"sojourn/cluster/placement"
)

func TestTraceRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := trace{tree: rapid.String().Draw(t, "tree"), noSession: rapid.Bool().Draw(t, "noSession")}
		copy(in.version[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "version"))
		if rapid.Bool().Draw(t, "request") {
			in.request = node.Request{
				Locales:    []string{"de"},
				Parameters: map[string][]string{"goto": {rapid.StringMatching(`[ -~]{0,40}`).Draw(t, "goto")}},
			}
		}
		for i := range rapid.IntRange(0, 5).Draw(t, "members") {
			in.set = append(in.set, placement.MemberID(fmt.Sprintf("%032x", i)))
		}
		raw, err := in.encode()
		if err != nil {
			t.Fatal(err)
		}
		out, err := decodeTrace(raw, nil)
		if len(raw) <= maxTrace && (err != nil || !reflect.DeepEqual(in, out)) {
			t.Fatalf("%+v became %+v, %v", in, out, err)
		}
	})
}

func FuzzDecodeTrace(f *testing.F) {
	seed, err := trace{tree: "Login", set: register.Set{"one"}, request: node.Request{Locales: []string{"en"}}}.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, raw []byte) {
		decoded, err := decodeTrace(raw, nil)
		if err != nil {
			return
		}
		again, err := decoded.encode()
		if err != nil {
			t.Fatal(err)
		}
		twice, err := decodeTrace(again, nil)
		if err != nil || !reflect.DeepEqual(decoded, twice) {
			t.Fatalf("%+v became %+v, %v", decoded, twice, err)
		}
		if bytes.Contains(again, []byte("headers")) {
			t.Fatal("a trace holds headers")
		}
	})
}
