package wire_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"sojourn/actors/callback"
	"sojourn/http/wire"
)

func TestDecodeContinuation(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       wire.Continuation
	}{
		{"no body", "", wire.Continuation{Empty: true}},
		{"white space", " \r\n", wire.Continuation{Empty: true}},
		{"empty object", " { } ", wire.Continuation{Empty: true}},
		{"authId alone", `{"authId":"a.b.c"}`, wire.Continuation{AuthID: "a.b.c"}},
		{"null counts as absent", `{"authId":null,"callbacks":null}`, wire.Continuation{}},
		{
			"what the old SDK sends: the answer, status and ok, any order",
			`{"callbacks":[{"input":[{"value":"bob","name":"IDToken1"}],"_id":0,"output":[{"name":"prompt","value":"User"}],"type":"NameCallback"}],` +
				`"stage":"x","status":200,"ok":true,"authId":"a.b.c"}`,
			wire.Continuation{AuthID: "a.b.c", Answers: []callback.Answer{{Type: callback.Name, Values: []any{"bob"}}}},
		},
		{
			"values of every kind, by position",
			`{"authId":"a","callbacks":[{"type":"X","input":[{"value":1},{"value":true},{"value":null},{},{"value":[1,{"a":"b"}]},{"value":"\ud83d\ude00\n"}]}]}`,
			wire.Continuation{AuthID: "a", Answers: []callback.Answer{{
				Type:   "X",
				Values: []any{1.0, true, nil, nil, []any{1.0, map[string]any{"a": "b"}}, "😀\n"},
			}}},
		},
		{
			"no input", `{"authId":"a","callbacks":[{"type":"TextOutputCallback"},{"type":"X","input":null}]}`,
			wire.Continuation{AuthID: "a", Answers: []callback.Answer{{Type: callback.TextOutput}, {Type: "X"}}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := wire.DecodeContinuation([]byte(c.body))
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %#v, %v\nwant %#v", got, err, c.want)
			}
		})
	}
}

func TestDecodeContinuationRefuses(t *testing.T) {
	deep := strings.Repeat("[", wire.MaxDepth) + strings.Repeat("]", wire.MaxDepth)
	for _, c := range []struct{ name, body, problem string }{
		{"no JSON", `hello`, "expected an object"},
		{"a list", `[]`, "expected an object"},
		{"cut off", `{"authId":"a"`, "expected a comma"},
		{"text after the end", `{"authId":"a"}x`, "text after the end"},
		{"two objects", `{}{}`, "text after the end"},
		{"a zero byte after the end", "{}\x00", "text after the end"},
		{"a byte order mark", "\xef\xbb\xbf{}", "expected an object"},
		{"duplicate authId", `{"authId":"a","authId":"b"}`, "a key stands twice"},
		{"duplicate by escape", `{"authId":"a","auth\u0049d":"b"}`, "a key stands twice"},
		{"duplicate deep in what is ignored", `{"x":[{"y":{"a":1,"a":1}}]}`, "a key stands twice"},
		{"duplicate in a callback", `{"callbacks":[{"type":"A","type":"B"}]}`, "a key stands twice"},
		{"duplicate in a value", `{"callbacks":[{"input":[{"value":{"k":1,"k":2}}]}]}`, "a key stands twice"},
		{"authId is a number", `{"authId":1}`, "expected a string"},
		{"callbacks is an object", `{"callbacks":{}}`, "expected a list"},
		{"a callback is a string", `{"callbacks":["x"]}`, "expected an object"},
		{"type is null", `{"callbacks":[{"type":null}]}`, "expected a string"},
		{"input is a string", `{"callbacks":[{"input":"x"}]}`, "expected a list"},
		{"an input is a number", `{"callbacks":[{"input":[1]}]}`, "expected an object"},
		{"trailing comma", `{"a":1,}`, "expected a key"},
		{"single quotes", `{'a':1}`, "expected a key"},
		{"a comment", `{/**/"a":1}`, "expected a key"},
		{"bad UTF-8", "{\"authId\":\"\xff\"}", "not UTF-8"},
		{"bad UTF-8 in a key", "{\"\xc0\x80\":1}", "not UTF-8"},
		{"half a surrogate pair", `{"a":"\ud800"}`, "half a surrogate pair"},
		{"surrogates in the wrong order", `{"a":"\udc00\ud800"}`, "half a surrogate pair"},
		{"a line feed in a string", "{\"a\":\"\n\"}", "a control character"},
		{"unknown escape", `{"a":"\x"}`, "an unknown escape"},
		{"leading zero", `{"a":01}`, "expected a value"},
		{"plus sign", `{"a":+1}`, "expected a value"},
		{"NaN", `{"a":NaN}`, "expected a value"},
		{"a word that goes on", `{"a":nullx}`, "expected a value"},
		{"hexadecimal", `{"a":0x1}`, "expected a value"},
		{"no digit after the dot", `{"a":1.}`, "expected a digit"},
		{"number out of range", `{"a":1e999}`, "out of range"},
		{"number too long", `{"a":` + strings.Repeat("1", 65) + `}`, "a number is too long"},
		{"too deep", `{"a":` + deep + `}`, "nested too deep"},
		{"too many values", `{"a":[` + strings.Repeat("1,", wire.MaxValues) + `1]}`, "too many values"},
		{"too many callbacks", `{"callbacks":[` + strings.Repeat(`{},`, wire.MaxCallbacks) + `{}]}`, "too many callbacks"},
		{"too many inputs", `{"callbacks":[{"input":[` + strings.Repeat(`{},`, wire.MaxEntries) + `{}]}]}`, "too many inputs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := wire.DecodeContinuation([]byte(c.body))
			var syntax *wire.SyntaxError
			if !errors.As(err, &syntax) || !strings.Contains(syntax.Problem, c.problem) {
				t.Errorf("got %#v, %v; want %q", got, err, c.problem)
			}
		})
	}
	t.Run("too many keys", func(t *testing.T) {
		var b strings.Builder
		for i := range wire.MaxKeys + 1 {
			b.WriteString(`,"k` + strings.Repeat("x", i) + `":1`)
		}
		if _, err := wire.DecodeContinuation([]byte("{" + b.String()[1:] + "}")); err == nil {
			t.Error("taken")
		}
	})
	t.Run("as deep as allowed", func(t *testing.T) {
		body := `{"a":` + deep[1:len(deep)-1] + `}`
		if _, err := wire.DecodeContinuation([]byte(body)); err != nil {
			t.Error(err)
		}
	})
}

// What a client decodes is what the server encoded, and the request that it
// makes of it by filling the inputs in is read as those answers.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		step := wire.Step{
			AuthID:      wire.SignedAuthID(text().Draw(t, "authId")),
			Callbacks:   rapid.SliceOfN(callbacks(), 1, 5).Draw(t, "callbacks"),
			Stage:       text().Draw(t, "stage"),
			Header:      text().Draw(t, "header"),
			Description: text().Draw(t, "description"),
		}
		body := wire.AppendStep(nil, step)
		if !json.Valid(body) {
			t.Fatalf("not JSON: %s", body)
		}
		reply, err := wire.DecodeReply(body)
		if err != nil || reply.Step == nil || !reflect.DeepEqual(*reply.Step, step) {
			t.Fatalf("got %#v, %v\nwant %#v", reply.Step, err, step)
		}
		in, err := wire.DecodeContinuation(body)
		if err != nil || in.AuthID != step.AuthID || len(in.Answers) != len(step.Callbacks) {
			t.Fatalf("got %#v, %v", in, err)
		}
		for i, c := range step.Callbacks {
			var values []any
			for _, e := range c.Input {
				values = append(values, e.Value)
			}
			if a := in.Answers[i]; a.Type != c.Type || !reflect.DeepEqual(a.Values, values) {
				t.Fatalf("answer %d: got %#v, want %#v", i, a, c)
			}
		}
	})
}

func TestRoundTripOfEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		detail := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) callback.Entry {
			return callback.Entry{Name: "d" + text().Draw(t, "name"), Value: values(2).Draw(t, "value")}
		}), 0, 4, func(e callback.Entry) string { return e.Name }).Draw(t, "detail")
		success := wire.Success{
			TokenID:    wire.TokenID(text().Draw(t, "tokenId")),
			SuccessURL: text().Draw(t, "url"),
			Realm:      text().Draw(t, "realm"),
		}
		if success.NoSession = rapid.Bool().Draw(t, "noSession"); success.NoSession {
			success.TokenID = ""
		}
		if len(detail) > 0 && detail[0].Name != "detail" {
			success.Details = detail[:1]
			if detail[0].Name == "description" {
				success.Details = nil
			}
		}
		reply, err := wire.DecodeReply(wire.AppendSuccess(nil, success))
		if err != nil || reply.Success == nil || !reflect.DeepEqual(*reply.Success, success) {
			t.Fatalf("got %#v, %v\nwant %#v", reply.Success, err, success)
		}
		failure := wire.Failure{
			Code: rapid.IntRange(400, 599).Draw(t, "code"), Reason: text().Draw(t, "reason"),
			Message: text().Draw(t, "message"), Detail: detail,
		}
		reply, err = wire.DecodeReply(wire.AppendFailure(nil, failure))
		if err != nil || reply.Failure == nil || !reflect.DeepEqual(*reply.Failure, failure) {
			t.Fatalf("got %#v, %v\nwant %#v", reply.Failure, err, failure)
		}
	})
}

func text() *rapid.Generator[string] {
	return rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", `"\`, "\u2028\x00\t", "prompt", "😀"})).
		Filter(utf8.ValidString)
}

func values(depth int) *rapid.Generator[any] {
	kinds := []*rapid.Generator[any]{
		rapid.Just[any](nil), text().AsAny(), rapid.Bool().AsAny(),
		rapid.Float64Range(-1e300, 1e300).AsAny(), rapid.Map(rapid.IntRange(-1<<40, 1<<40), func(i int) any { return float64(i) }),
	}
	if depth > 0 {
		kinds = append(kinds,
			rapid.Map(rapid.SliceOfN(values(depth-1), 0, 3), func(l []any) any { return append([]any{}, l...) }),
			rapid.Map(rapid.MapOfN(text(), values(depth-1), 0, 3), func(m map[string]any) any { return m }),
		)
	}
	return rapid.OneOf(kinds...)
}

func callbacks() *rapid.Generator[callback.Callback] {
	entries := func(least int) *rapid.Generator[[]callback.Entry] {
		return rapid.Map(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) callback.Entry {
			return callback.Entry{Name: text().Draw(t, "name"), Value: values(2).Draw(t, "value")}
		}), least, 3), func(e []callback.Entry) []callback.Entry {
			if len(e) == 0 {
				return nil
			}
			return e
		})
	}
	return rapid.Custom(func(t *rapid.T) callback.Callback {
		c := callback.Callback{
			Type:   callback.Type(text().Draw(t, "type")),
			Output: entries(0).Draw(t, "output"),
			Input:  entries(0).Draw(t, "input"),
		}
		if rapid.Bool().Draw(t, "numbered") {
			c.Numbered, c.ID = true, rapid.IntRange(0, 1000).Draw(t, "id")
		}
		return c
	})
}

// What DecodeContinuation takes, encoding/json takes too, and both mean the
// same.
func FuzzDecodeContinuation(f *testing.F) {
	f.Add([]byte(`{"authId":"a.b.c","callbacks":[{"type":"NameCallback","input":[{"name":"IDToken1","value":"b\u00e9"}]}],"ok":true}`))
	f.Add([]byte(`{"callbacks":[{"input":[{"value":[1e3,-0.5,{"\ud83d\ude00":null}]}]}]}`))
	f.Add([]byte(` {} `))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := wire.DecodeContinuation(body)
		if err != nil || got.Empty {
			return
		}
		var twin struct {
			AuthID    string `json:"authId"`
			Callbacks []struct {
				Type  string `json:"type"`
				Input []struct {
					Value any `json:"value"`
				} `json:"input"`
			} `json:"callbacks"`
		}
		var exact map[string]json.RawMessage
		if err := json.Unmarshal(body, &exact); err != nil {
			t.Fatalf("encoding/json refuses %q: %v", body, err)
		}
		for name := range exact {
			// encoding/json folds case where the protocol does not.
			if strings.EqualFold(name, "authId") && name != "authId" || strings.EqualFold(name, "callbacks") && name != "callbacks" {
				return
			}
		}
		if json.Unmarshal(body, &twin) != nil {
			return // a folded key deeper down
		}
		if string(got.AuthID) != twin.AuthID || len(got.Answers) != len(twin.Callbacks) {
			t.Fatalf("%q: got %#v, encoding/json has %#v", body, got, twin)
		}
	})
}

// What DecodeReply takes and AppendStep writes again means the same.
func FuzzDecodeReply(f *testing.F) {
	f.Add([]byte(`{"authId":"a","callbacks":[{"type":"NameCallback","output":[{"name":"prompt","value":"x"}],"input":[{"name":"IDToken1","value":""}],"_id":0}],"stage":"s"}`))
	f.Add([]byte(`{"tokenId":"t","successUrl":"/","realm":"/","extra":{"a":[1]}}`))
	f.Add([]byte(`{"code":401,"reason":"Unauthorized","message":"m","detail":{"failureUrl":""}}`))
	f.Add([]byte(`{"errorMessage":"m"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		reply, err := wire.DecodeReply(body)
		if err != nil || reply.Step == nil {
			return
		}
		again, err := wire.DecodeReply(wire.AppendStep(nil, *reply.Step))
		if err != nil || again.Step == nil || len(again.Step.Callbacks) != len(reply.Step.Callbacks) {
			t.Fatalf("%q became %#v, %v", body, again, err)
		}
		if !reflect.DeepEqual(*again.Step, *reply.Step) {
			t.Fatalf("%q: %#v became %#v", body, *reply.Step, *again.Step)
		}
	})
}

// Value agrees with encoding/json on everything that it takes.
func FuzzValue(f *testing.F) {
	f.Add([]byte(`{"a":[1,-2.5e3,"x\u0041\/",true,false,null,{}]}`))
	f.Add([]byte(`"\ud83d\ude00"`))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := wire.Value(text)
		if err != nil {
			return
		}
		var want any
		if err := json.Unmarshal(text, &want); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: got %#v, encoding/json %#v, %v", text, got, want, err)
		}
		again, err := wire.Value(wire.AppendValue(nil, got))
		if err != nil || !reflect.DeepEqual(again, got) {
			t.Fatalf("%q: %#v became %#v, %v", text, got, again, err)
		}
	})
}
