package callback_test

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"testing"

	"sojourn/actors/callback"
)

func TestAnswersMeanWhatLenientClientsSend(t *testing.T) {
	tests := map[string]struct {
		value  any
		text   string
		number int
		flag   bool
		// Kinds of value that the input does not mean.
		noText, noNumber, noFlag bool
	}{
		"text":           {value: "demo", text: "demo", noNumber: true, noFlag: true},
		"empty":          {value: "", text: "", noNumber: true, noFlag: true},
		"null":           {value: nil, text: "", noNumber: true, flag: false},
		"number":         {value: 3.0, text: "3", number: 3, noFlag: true},
		"Go number":      {value: 3, text: "3", number: 3, noFlag: true},
		"number as text": {value: "-3", text: "-3", number: -3, noFlag: true},
		"fraction":       {value: 0.5, text: "0.5", noNumber: true, noFlag: true},
		"too large":      {value: 1e300, text: "1" + zeros(300), noNumber: true, noFlag: true},
		"no number":      {value: math.Inf(1), text: "+Inf", noNumber: true, noFlag: true},
		"true":           {value: true, text: "true", noNumber: true, flag: true},
		"true as text":   {value: "true", text: "true", noNumber: true, flag: true},
		"false as text":  {value: "false", text: "false", noNumber: true, flag: false},
		"one as text":    {value: "1", text: "1", number: 1, flag: true},
		"list":           {value: []any{"a"}, noText: true, noNumber: true, noFlag: true},
		"object":         {value: map[string]any{}, noText: true, noNumber: true, noFlag: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a := callback.Answer{Type: callback.Name, Values: []any{test.value}}
			got, err := a.Text(0)
			check(t, "Text", got, test.text, err, test.noText)
			n, err := a.Int(0)
			check(t, "Int", n, test.number, err, test.noNumber)
			b, err := a.Bool(0)
			check(t, "Bool", b, test.flag, err, test.noFlag)
		})
	}
}

func check[T comparable](t *testing.T, method string, got, want T, err error, refused bool) {
	t.Helper()
	var value *callback.ValueError
	switch {
	case refused && !errors.As(err, &value):
		t.Errorf("%s: %v is not a ValueError", method, err)
	case refused && value.Type != callback.Name:
		t.Errorf("%s: the error is about a %s", method, value.Type)
	case !refused && (err != nil || got != want):
		t.Errorf("%s: got %v, %v, want %v", method, got, err, want)
	}
}

func zeros(n int) string {
	text := make([]byte, n)
	for i := range text {
		text[i] = '0'
	}
	return string(text)
}

func TestIndexStaysInTheList(t *testing.T) {
	for value, good := range map[any]bool{0.0: true, 1: true, "1": true, 2: false, -1: false, 100: false, "x": false} {
		i, err := callback.Answer{Type: callback.Choice, Values: []any{value}}.Index(0, 2)
		if (err == nil) != good || i < 0 || i > 1 {
			t.Errorf("%v: %d, %v", value, i, err)
		}
	}
}

func TestAMissingInputIsTold(t *testing.T) {
	a := callback.Answer{Type: callback.Name, Values: []any{"x"}}
	_, text := a.Text(1)
	_, number := a.Int(1)
	_, index := a.Index(1, 5)
	_, flag := a.Bool(1)
	for _, err := range []error{text, number, index, flag} {
		if !errors.Is(err, callback.ErrInput) {
			t.Errorf("got %v", err)
		}
	}
}

func TestMatch(t *testing.T) {
	asked := []callback.Callback{
		callback.NewTextOutput(callback.Information, "Hello"),
		callback.NewCreateUsername("Username", "", nil, nil),
	}
	text := callback.Answer{Type: callback.TextOutput}
	name := callback.Answer{Type: callback.CreateUsername, Values: []any{"demo", false}}
	for label, test := range map[string]struct {
		answers []callback.Answer
		want    error
	}{
		"right":        {[]callback.Answer{text, name}, nil},
		"more values":  {[]callback.Answer{text, {Type: callback.CreateUsername, Values: []any{"a", true, 3}}}, nil},
		"none":         {nil, callback.ErrCount},
		"too few":      {[]callback.Answer{text}, callback.ErrCount},
		"too many":     {[]callback.Answer{text, name, name}, callback.ErrCount},
		"wrong order":  {[]callback.Answer{name, text}, callback.ErrType},
		"wrong case":   {[]callback.Answer{{Type: "textOutputCallback"}, name}, callback.ErrType},
		"fewer values": {[]callback.Answer{text, {Type: callback.CreateUsername, Values: []any{"demo"}}}, callback.ErrInput},
	} {
		t.Run(label, func(t *testing.T) {
			if err := callback.Match(asked, test.answers); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
	if err := callback.Match(nil, nil); err != nil {
		t.Errorf("nothing answers nothing: %v", err)
	}
}

// The values on the wire, in the order in which AM sends them (am-contract
// sections 3.1 and 3.2).
func TestCallbacksAsAMSendsThem(t *testing.T) {
	for name, test := range map[string]struct {
		callback callback.Callback
		want     string
	}{
		"name":         {callback.NewName("User Name", "demo"), `prompt="User Name" | ="demo"`},
		"password":     {callback.NewPassword("Password"), `prompt="Password" | =""`},
		"text input":   {callback.NewTextInput("City", "Bern"), `prompt="City" defaultText="Bern" | ="Bern"`},
		"text":         {callback.NewTextOutput(callback.Script, "go()"), `message="go()" messageType="4"`},
		"hidden":       {callback.NewHiddenValue("webAuthnOutcome", ""), `value="" id="webAuthnOutcome" | ="webAuthnOutcome"`},
		"choice":       {callback.NewChoice("How?", []string{"a", "b"}, 1), `prompt="How?" choices=["a","b"] defaultChoice=1 | =1`},
		"confirmation": {callback.NewConfirmation(callback.Warning, []string{"OK"}, 0, 100), `prompt="" messageType=1 options=["OK"] optionType=-1 defaultOption=0 | =100`},
		"polling wait": {callback.NewPollingWait(8000, "Wait"), `waitTime="8000" message="Wait"`},
		"metadata":     {callback.NewMetadata(map[string]any{"stage": "A"}), `data={"stage":"A"}`},
		"new username": {
			callback.NewCreateUsername("Username", "demo", map[string]any{}, nil),
			`policies={} failedPolicies=[] validateOnly=false prompt="Username" | ="demo" validateOnly=false`,
		},
		"new password": {
			callback.NewCreatePassword("Password", map[string]any{}, []string{"{}"}),
			`echoOn=false policies={} failedPolicies=["{}"] validateOnly=false prompt="Password" | ="" validateOnly=false`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := written(t, test.callback); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if test.callback.Interactive() != (len(test.callback.Input) > 0) {
				t.Error("Interactive does not agree with the inputs")
			}
			raw, err := json.Marshal(test.callback)
			if err != nil {
				t.Fatal(err)
			}
			var back callback.Callback
			if err := json.Unmarshal(raw, &back); err != nil || written(t, back) != test.want {
				t.Errorf("%s comes back as %s: %v", raw, written(t, back), err)
			}
		})
	}
}

func written(t *testing.T, c callback.Callback) string {
	t.Helper()
	text := ""
	add := func(e callback.Entry) {
		value, err := json.Marshal(e.Value)
		if err != nil {
			t.Fatal(err)
		}
		if text != "" {
			text += " "
		}
		text += e.Name + "=" + string(value)
	}
	for _, e := range c.Output {
		add(e)
	}
	if c.Interactive() {
		text += " |"
	}
	for _, e := range c.Input {
		add(e)
	}
	return text
}

func TestOut(t *testing.T) {
	c := callback.NewChoice("How?", []string{"a"}, 0)
	if got := c.Out("choices"); !reflect.DeepEqual(got, []string{"a"}) {
		t.Errorf("got %v", got)
	}
	if got := c.Out("missing"); got != nil {
		t.Errorf("got %v", got)
	}
}
