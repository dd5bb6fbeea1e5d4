package envelope

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"sojourn/actors/callback"
	"sojourn/actors/identity"
	"sojourn/actors/internal/register"
	"sojourn/actors/journey"
	"sojourn/actors/node"
	"sojourn/actors/realm"
	"sojourn/cts/session"
)

// filled is a value of T in which every field has a value of its own; paths
// names them all.
func filled[T any](t *testing.T) (v T, paths []string) {
	t.Helper()
	n := 0
	var fill func(v reflect.Value, path string)
	fill = func(v reflect.Value, path string) {
		n++
		switch at := v.Addr().Interface().(type) {
		case *time.Time:
			*at = time.Unix(int64(1_700_000_000+n), int64(n)).UTC()
			paths = append(paths, path)
			return
		case *error:
			*at = errors.New(path)
			paths = append(paths, path)
			return
		}
		switch v.Kind() {
		case reflect.Struct:
			for i := range v.NumField() {
				fill(v.Field(i), path+"."+v.Type().Field(i).Name)
			}
			return
		case reflect.Pointer:
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), path)
			return
		case reflect.Slice:
			v.Set(reflect.MakeSlice(v.Type(), 2, 2))
			for i := range 2 {
				fill(v.Index(i), fmt.Sprintf("%s[%d]", path, i))
			}
			return
		case reflect.Array:
			for i := range v.Len() {
				v.Index(i).SetUint(uint64(byte(n + i)))
			}
		case reflect.Map:
			v.Set(reflect.MakeMap(v.Type()))
			for i := range 2 {
				item := reflect.New(v.Type().Elem()).Elem()
				fill(item, path+"{}")
				v.SetMapIndex(reflect.ValueOf(fmt.Sprintf("key %d of %s", i, path)), item)
			}
		case reflect.String:
			v.SetString(path)
		case reflect.Bool:
			v.SetBool(true)
		case reflect.Interface:
			v.Set(reflect.ValueOf(path))
		case reflect.Int, reflect.Int64:
			v.SetInt(int64(-n))
		case reflect.Uint8, reflect.Uint32, reflect.Uint64:
			v.SetUint(uint64(n))
		default:
			t.Fatalf("%s: no way to fill a %s", path, v.Type())
		}
		paths = append(paths, path)
	}
	fill(reflect.ValueOf(&v).Elem(), reflect.TypeFor[T]().Name())
	return v, paths
}

// TestEveryFieldCrosses: a message in which every field is set comes back the
// same. A field that is added to a request or reply and forgotten here would
// make members answer differently.
func TestEveryFieldCrosses(t *testing.T) {
	start, paths := filled[Start](t)
	start.Request.Username, start.Request.Password = nil, nil // stay where they arrived
	start.Request.Wanted = nil                                // has become a tree there
	crosses(t, &start)
	resume, more := filled[Resume](t)
	crosses(t, &resume)
	if n := len(paths) + len(more); n < 80 {
		t.Errorf("only %d fields were filled", n)
	}
	advance, _ := filled[Advance](t)
	crosses(t, &advance)
	reply, _ := filled[journey.Reply](t)
	reply.Done.Quota = 0 // counts where the session is made
	got, err := DecodeAnswer(Answer{Reply: reply}.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got.Reply, reply) {
		t.Errorf("a reply came back as\n%#v\nwant\n%#v", got.Reply, reply)
	}
}

// TestRecordsCross: what replicas say to each other comes back the same.
func TestRecordsCross(t *testing.T) {
	epoch := register.Epoch{Counter: 7, Member: "0123456789abcdef0123456789abcdef"}
	for _, m := range []Message{
		&Promise{ID: journey.ID{1}, Epoch: epoch, Expires: 1_700_000_000},
		&Accept{Copies: []Copy{}},
		&Accept{Copies: []Copy{{journey.ID{1}, []byte("record")}, {journey.ID{2}, []byte{}}, {journey.ID{3}, nil}}},
		&Survey{},
		&Survey{Leaving: "0123456789abcdef0123456789abcdef"},
	} {
		raw, err := Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Decode(raw); err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%v came back as %#v, %v", m, got, err)
		}
	}
	for _, a := range []Answer{
		{Promised: &Promised{OK: true, Epoch: epoch, Record: []byte("record")}},
		{Promised: &Promised{Epoch: register.Epoch{Counter: 1, Member: "one"}}},
		{Promised: &Promised{Over: true}},
		{Accepted: []Accepted{}},
		{Accepted: []Accepted{{OK: true}, {Epoch: epoch}, {Over: true}, {Full: true}}},
		{Record: []byte("record")},
		{Surveyed: &Surveyed{}},
		{Surveyed: &Surveyed{Waiting: 250_000, Outstanding: 3, Naming: 2}},
	} {
		if got, err := DecodeAnswer(a.Encode()); err != nil || !reflect.DeepEqual(got, a) {
			t.Errorf("%+v came back as %+v, %v", a.Promised, got.Promised, err)
		}
	}
	for name, raw := range map[string][]byte{
		"more copies than bytes": {Version, kindAccept, 9, 1},
		"too many copies":        append([]byte{Version, kindAccept, 0x81, 0x80, 0x01}, make([]byte, 20000)...),
		"a long name":            append([]byte{Version, kindSurvey, maxMember + 1}, make([]byte, maxMember+1)...),
		"no epoch":               append([]byte{Version, kindPromise}, make([]byte, 16)...),
	} {
		if m, err := Decode(raw); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v, %v", name, m, err)
		}
	}
	for name, raw := range map[string][]byte{
		"unknown flag":          {Version, kindPromised, 8, 0, 0, 0},
		"more answers than fit": {Version, kindAccepted, 9, 1},
	} {
		if a, err := DecodeAnswer(raw); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v, %v", name, a.Accepted, err)
		}
	}
}

// TestNothingIsSomething: nil and empty are told apart, as nodes do.
func TestNothingIsSomething(t *testing.T) {
	crosses(t, &Start{})
	crosses(t, &Resume{})
	crosses(t, &Resume{Request: journey.ResumeRequest{
		Ref:     journey.Ref{Trace: []byte{}},
		Answers: []callback.Answer{{Values: []any{}}, {}},
		Request: node.Request{Locales: []string{}, Parameters: map[string][]string{"a": nil, "b": {}}, Session: map[string]string{}},
		Session: &session.Session{},
	}})
	for _, reply := range []journey.Reply{{}, {Ask: &journey.Ask{}}, {Done: &journey.Done{Details: map[string]string{}}}} {
		if got, err := DecodeAnswer(Answer{Reply: reply}.Encode()); err != nil || !reflect.DeepEqual(got.Reply, reply) {
			t.Errorf("%#v came back as %#v, %v", reply, got.Reply, err)
		}
	}
}

func crosses(t *testing.T, m Message) {
	t.Helper()
	raw, err := Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, m) {
		t.Errorf("came back as\n%+v\nwant\n%+v", reflect.ValueOf(got).Elem().Field(2), reflect.ValueOf(m).Elem().Field(2))
	}
}

// TestValues: the types of values stay what they are, so that a client reads
// the same from every member.
func TestValues(t *testing.T) {
	all := []any{
		nil, true, false, "", "text", 0.5, -1.0, 7, -7,
		[]any{},
		[]any(nil),
		[]any{1, []any{"deep"}},
		[]string{"a", "b"},
		[]string(nil),
		map[string]any{},
		map[string]any(nil),
		map[string]any{"a": map[string]any{"b": nil}},
	}
	m := &Resume{Request: journey.ResumeRequest{Answers: []callback.Answer{{Type: callback.Name, Values: all}}}}
	crosses(t, m)
	other := &Resume{Request: journey.ResumeRequest{Answers: []callback.Answer{{Values: []any{map[string]int{"n": 3}}}}}}
	raw, err := Encode(other)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(raw)
	if want := any(map[string]any{"n": 3.0}); err != nil || !reflect.DeepEqual(got.(*Resume).Request.Answers[0].Values[0], want) {
		t.Errorf("an unknown type came back as %v, %v, want %v", got, err, want)
	}
}

func TestTooDeepOrTooLarge(t *testing.T) {
	var deep any
	for range maxDepth + 1 {
		deep = []any{deep}
	}
	if _, err := Encode(&Resume{Request: journey.ResumeRequest{Answers: []callback.Answer{{Values: []any{deep}}}}}); !errors.Is(err, ErrSize) {
		t.Errorf("deep value: %v", err)
	}
	huge := strings.Repeat("x", MaxSize)
	if _, err := Encode(&Resume{Request: journey.ResumeRequest{Answers: []callback.Answer{{Values: []any{huge}}}}}); !errors.Is(err, ErrSize) {
		t.Errorf("huge value: %v", err)
	}
	a, err := DecodeAnswer(Answer{Reply: journey.Reply{Ask: &journey.Ask{Header: huge}}}.Encode())
	if err != nil || a.Err == nil || a.Err.Error() != ErrSize.Error() {
		t.Errorf("huge reply: %v, %v", a.Err, err)
	}
	if _, err := Decode(make([]byte, MaxSize+1)); !errors.Is(err, ErrSize) {
		t.Errorf("huge message: %v", err)
	}
	nested := append(append([]byte{Version, kindResume}, make([]byte, 17)...), bytes.Repeat([]byte{valueList, 2}, 1<<20)...)
	if _, err := Decode(nested); !errors.Is(err, ErrMalformed) {
		t.Errorf("nested bytes: %v", err)
	}
}

// TestErrorsCross: every error of package journey's list is itself again at the
// member that asked, with its text and data; what is added to it stays.
func TestErrorsCross(t *testing.T) {
	for name, err := range map[string]error{
		"ErrGone":        journey.ErrGone,
		"ErrNoTree":      journey.ErrNoTree,
		"ErrNoRealm":     journey.ErrNoRealm,
		"ErrOtherUser":   journey.ErrOtherUser,
		"ErrCount":       callback.ErrCount,
		"ErrType":        callback.ErrType,
		"ErrInput":       callback.ErrInput,
		"ErrUnavailable": identity.ErrUnavailable,
		"ErrOverloaded":  identity.ErrOverloaded,
		"ErrNotHere":     ErrNotHere,
		"ErrCutOff":      ErrCutOff,
	} {
		t.Run(name, func(t *testing.T) {
			if got := crossing(t, err); !errors.Is(got, err) || got.Error() != err.Error() {
				t.Errorf("came back as %v", got)
			}
			more := fmt.Errorf("%w: tree %q is disabled", err, "Login")
			if got := crossing(t, more); !errors.Is(got, err) || got.Error() != more.Error() {
				t.Errorf("%v came back as %v", more, got)
			}
			for _, s := range sentinels() {
				if got := crossing(t, err); !errors.Is(err, s.is) && errors.Is(got, s.is) {
					t.Errorf("became %v as well", s.is)
				}
			}
		})
	}
	t.Run("ValueError", func(t *testing.T) {
		want := callback.ValueError{Type: callback.Choice, Detail: "the input is not one of the options"}
		var got *callback.ValueError
		if err := crossing(t, fmt.Errorf("step: %w", &want)); !errors.As(err, &got) || *got != want || err.Error() != "step: "+want.Error() {
			t.Errorf("came back as %v", err)
		}
	})
	t.Run("UnavailableError", func(t *testing.T) {
		want := session.UnavailableError{Reason: "disk full", RetryAfter: 2500 * time.Millisecond, Unknown: true}
		var got *session.UnavailableError
		if err := crossing(t, fmt.Errorf("create: %w", &want)); !errors.As(err, &got) || *got != want || err.Error() != "create: "+want.Error() {
			t.Errorf("came back as %v", err)
		}
	})
	t.Run("RefusedError", func(t *testing.T) {
		var got *RefusedError
		if err := crossing(t, &RefusedError{Reason: "stopping"}); !errors.As(err, &got) || got.Reason != "stopping" {
			t.Errorf("came back as %v", err)
		}
	})
	t.Run("FencedError", func(t *testing.T) {
		want := FencedError{Epoch: register.Epoch{Counter: 3, Member: "b"}}
		var got *FencedError
		if err := crossing(t, fmt.Errorf("write: %w", &want)); !errors.As(err, &got) || *got != want || err.Error() != "write: "+want.Error() {
			t.Errorf("came back as %v", err)
		}
	})
	t.Run("any other", func(t *testing.T) {
		err := crossing(t, errors.New("a step of tree Login panicked"))
		if err.Error() != "a step of tree Login panicked" {
			t.Errorf("came back as %v", err)
		}
		if got := crossing(t, errors.New(strings.Repeat("é", maxText))); len(got.Error()) > maxText {
			t.Errorf("a text of %d bytes crossed", len(got.Error()))
		}
	})
}

func crossing(t *testing.T, err error) error {
	t.Helper()
	a, fault := DecodeAnswer(Answer{Err: err}.Encode())
	if fault != nil {
		t.Fatal(fault)
	}
	return a.Err
}

func TestDecodeRefuses(t *testing.T) {
	good, err := Encode(&Resume{})
	if err != nil {
		t.Fatal(err)
	}
	answer := Answer{}.Encode()
	var version *VersionError
	for name, raw := range map[string][]byte{
		"nothing":       {},
		"version alone": {Version},
		"unknown kind":  {Version, 99},
		"an answer":     answer,
		"cut":           good[:len(good)-1],
		"more":          append(bytes.Clone(good), 0),
	} {
		if m, err := Decode(raw); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v, %v", name, m, err)
		}
	}
	if _, err := DecodeAnswer(good); !errors.Is(err, ErrMalformed) {
		t.Errorf("a message as answer: %v", err)
	}
	if _, err := Decode([]byte{2, kindResume}); !errors.As(err, &version) || version.Version != 2 {
		t.Errorf("version 2: %v", err)
	}
	if _, err := DecodeAnswer([]byte{0, kindReply}); !errors.As(err, &version) {
		t.Errorf("version 0: %v", err)
	}
}

// TestGolden holds the formats as other versions of this program know them.
func TestGolden(t *testing.T) {
	at := time.Unix(1_700_000_000, 5).UTC()
	id := journey.ID{0: 0xaa, 15: 0xbb}
	request := node.Request{Locales: []string{"de"}, Headers: map[string][]string{"Referer": {"x"}}, ClientIP: "::1"}
	encoded := func(m Message) []byte {
		raw, err := Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	for name, tc := range map[string]struct {
		raw  []byte
		want string
	}{
		"start": {
			encoded(&Start{ID: id, Request: journey.StartRequest{Realm: "/", Tree: "Login", Request: request, ForceAuth: true}}),
			"0101 aa0000000000000000000000000000bb 012f 054c6f67696e 00 00 02026465 00 02075265666572657202 0178 033a3a31 00 00 00 01",
		},
		"resume": {
			encoded(&Resume{Digest: [16]byte{1}, Find: true, Request: journey.ResumeRequest{
				Ref:     journey.Ref{Journey: id, Step: 2, Realm: "/", Started: at, Expires: at},
				Answers: []callback.Answer{{Type: callback.Name, Values: []any{"demo", 1.0, 2, nil, true}}},
			}}),
			"0102 01000000000000000000000000000000 01 aa0000000000000000000000000000bb 02 012f 00 00 80c49fd50c05 80c49fd50c05 00" +
				" 02 0c4e616d6543616c6c6261636b 06 030464656d6f 043ff0000000000000 0504 00 02 00 00 00 00 00 00",
		},
		"ask": {
			Answer{Reply: journey.Reply{Realm: "/", Ask: &journey.Ask{Stage: "s", Callbacks: []callback.Callback{callback.NewName("User", "")}}}}.Encode(),
			"0103 00000000000000000000000000000000 00 00 00 00 ffdb8ff9ce0300 ffdb8ff9ce0300 00 01 02 0c4e616d6543616c6c6261636b" +
				" 02 0670726f6d7074 030455736572 02 00 0300 00 00 00 00 0173 00 012f 00 00",
		},
		"advance": {
			encoded(&Advance{Digest: [16]byte{1}, Asker: "b", Request: journey.ResumeRequest{Ref: journey.Ref{Journey: id, Step: 2, Realm: "/", Started: at, Expires: at}}}),
			"0105 01000000000000000000000000000000 0162 aa0000000000000000000000000000bb 02 012f 00 00 80c49fd50c05 80c49fd50c05 00" +
				" 00 00 00 00 00 00 00",
		},
		"advance of a journey that its client carries": {
			encoded(&Advance{Digest: [16]byte{1}, Asker: "b", Request: journey.ResumeRequest{Ref: journey.Ref{
				Journey: id, Step: 2, Realm: "/", Started: at, Expires: at,
				Store: realm.JWT, Index: 3, State: journey.Carried("s"), Allowlist: [16]byte{15: 9},
			}}}),
			"0305 01000000000000000000000000000000 0162 aa0000000000000000000000000000bb 02 012f 00 00 80c49fd50c05 80c49fd50c05 00" +
				" 02 03 0273 00000000000000000000000000000009 00 00 00 00 00 00 00",
		},
		"promise": {
			encoded(&Promise{ID: id, Epoch: register.Epoch{Counter: 2, Member: "000102030405060708090a0b0c0d0e0f"}, Expires: 1_700_000_000}),
			"0106 aa0000000000000000000000000000bb 02 01 000102030405060708090a0b0c0d0e0f 80c49fd50c",
		},
		"accept": {
			encoded(&Accept{Copies: []Copy{{id, []byte("r")}}}),
			"0107 01 aa0000000000000000000000000000bb 02 72",
		},
		"promised": {
			Answer{Promised: &Promised{OK: true, Epoch: register.Epoch{Counter: 2, Member: "b"}, Record: []byte("r")}}.Encode(),
			"0108 01 02 03 62 02 72",
		},
		"accepted": {
			Answer{Accepted: []Accepted{{OK: true}, {Epoch: register.Epoch{Counter: 2, Member: "b"}}}}.Encode(),
			"0109 02 01 00 02 03 62",
		},
		"survey":   {encoded(&Survey{Leaving: "b"}), "010a 01 62"},
		"surveyed": {Answer{Surveyed: &Surveyed{Waiting: 70, Outstanding: 4, Naming: 1}}.Encode(), "010b 8c01 08 02"},
		"carried": {
			Answer{Record: []byte("r")}.Encode(),
			"010c 02 72 00000000000000000000000000000000 00 00 00 00 ffdb8ff9ce0300 ffdb8ff9ce0300 00 00 00 00 00 00",
		},
		"gone":        {Answer{Err: journey.ErrGone}.Encode(), "0104 03 15 53657373696f6e206861732074696d6564206f7574"},
		"unavailable": {Answer{Err: &session.UnavailableError{Reason: "x", RetryAfter: 1}}.Encode(), "0104 0b 0e 756e617661696c61626c653a2078 0178 02 00"},
	} {
		if got := hex.EncodeToString(tc.raw); got != strings.ReplaceAll(tc.want, " ", "") {
			t.Errorf("%s is\n%s, want\n%s", name, got, strings.ReplaceAll(tc.want, " ", ""))
		}
	}
}

// TestMessagesRedact: no way of printing shows what a client sent.
func TestMessagesRedact(t *testing.T) {
	const secret = "pass word"
	resume := &Resume{Request: journey.ResumeRequest{Answers: []callback.Answer{{Type: callback.Password, Values: []any{secret}}}}}
	start := &Start{Request: journey.StartRequest{Request: node.Request{Headers: map[string][]string{"X-Openam-Password": {secret}}}}}
	answer := Answer{Reply: journey.Reply{Ask: &journey.Ask{Callbacks: []callback.Callback{callback.NewHiddenValue("x", secret)}}}}
	advance, accept := &Advance{Request: resume.Request}, &Accept{Copies: []Copy{{Record: []byte(secret)}}}
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	for _, v := range []any{resume, start, advance, accept, answer, &answer} {
		fmt.Fprintf(&out, "%v %+v %#v %s\n", v, v, v, v)
		log.Info("said", "message", v)
	}
	if strings.Contains(out.String(), secret) || !strings.Contains(out.String(), redacted) {
		t.Errorf("printed: %s", out.String())
	}
}
