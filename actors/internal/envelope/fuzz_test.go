package envelope

import (
	"bytes"
	"testing"

	"sojourn/actors/callback"
	"sojourn/actors/journey"
	"sojourn/actors/node"
	"sojourn/cts/session"
)

func FuzzDecode(f *testing.F) {
	for _, m := range []Message{&Start{}, &Advance{}, &Promise{}, &Accept{Copies: []Copy{{Record: []byte("r")}}}, &Survey{}, &Resume{Request: journey.ResumeRequest{
		Ref:     journey.Ref{Trace: []byte("x")},
		Answers: []callback.Answer{{Type: callback.Name, Values: []any{"demo", 1.5, 3, nil, []any{true}, []string{"a"}, map[string]any{"b": false}}}},
		Session: &session.Session{},
	}}} {
		raw, err := Encode(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := Decode(raw)
		if err != nil {
			return
		}
		again, err := Encode(m)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		same, err := Decode(again)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if twice, err := Encode(same); err != nil || !bytes.Equal(twice, again) {
			t.Fatalf("two encodings: %x and %x, %v", again, twice, err)
		}
	})
}

func FuzzDecodeAnswer(f *testing.F) {
	for _, a := range []Answer{
		{Reply: journey.Reply{Ask: &journey.Ask{Callbacks: []callback.Callback{callback.NewChoice("?", []string{"a", "b"}, 1)}}}},
		{Reply: journey.Reply{Done: &journey.Done{Success: true, Session: session.Session{Properties: map[string]string{"a": "b"}}}}},
		{Err: &session.UnavailableError{Reason: "x"}},
		{Err: &callback.ValueError{Type: callback.Choice, Detail: "x"}},
		{Err: journey.ErrGone},
		{Err: &FencedError{}},
		{Promised: &Promised{OK: true, Record: []byte("r")}},
		{Record: []byte("r")},
		{Accepted: []Accepted{{OK: true}, {Over: true}}},
		{Surveyed: &Surveyed{Waiting: 1}},
	} {
		f.Add(a.Encode())
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, err := DecodeAnswer(raw)
		if err != nil {
			return
		}
		if a.Err == nil && a.Promised == nil && a.Accepted == nil && a.Surveyed == nil && a.Reply.Ref.Step == 0 && len(raw) < 10 {
			t.Fatalf("a reply of %d bytes", len(raw))
		}
		again := a.Encode()
		same, err := DecodeAnswer(again)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if twice := same.Encode(); !bytes.Equal(twice, again) {
			t.Fatalf("two encodings: %x and %x", again, twice)
		}
	})
}

func BenchmarkResume(b *testing.B) {
	m := &Resume{Request: journey.ResumeRequest{
		Ref:     journey.Ref{Realm: "/", Trace: make([]byte, 24)},
		Answers: []callback.Answer{{Type: callback.Name, Values: []any{"demo"}}, {Type: callback.Password, Values: []any{"secret"}}},
		Request: node.Request{Locales: []string{"en"}, ClientIP: "127.0.0.1", Headers: map[string][]string{
			"Accept": {"*/*"}, "Content-Type": {"application/json"}, "User-Agent": {"x"}, "Accept-Api-Version": {"resource=2.1"},
		}},
	}}
	b.ReportAllocs()
	for b.Loop() {
		raw, err := Encode(m)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := Decode(raw); err != nil {
			b.Fatal(err)
		}
	}
}
