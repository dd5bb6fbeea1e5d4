package wire_test

import (
	"testing"

	"sojourn/actors/callback"
	"sojourn/http/wire"
)

// The step of am-contract section 1.5, without its white space.
func TestStepIsAMsByteForByte(t *testing.T) {
	name, password := callback.NewName("User Name", ""), callback.NewPassword("Password")
	name.Numbered, password.Numbered, password.ID = true, true, 1
	got := string(wire.AppendStep(nil, wire.Step{
		AuthID:      "eyJ0.eyJv.c2ln",
		Callbacks:   []callback.Callback{name, password},
		Stage:       "UsernamePassword",
		Header:      "Sign in",
		Description: "Enter your credentials",
	}))
	want := `{"authId":"eyJ0.eyJv.c2ln","callbacks":[` +
		`{"type":"NameCallback","output":[{"name":"prompt","value":"User Name"}],"input":[{"name":"IDToken1","value":""}],"_id":0},` +
		`{"type":"PasswordCallback","output":[{"name":"prompt","value":"Password"}],"input":[{"name":"IDToken2","value":""}],"_id":1}],` +
		`"stage":"UsernamePassword","header":"Sign in","description":"Enter your credentials"}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Every callback that this server makes, as am-contract sections 3.1 and 3.2
// show it, at the position that its case gives.
func TestCallbackEncodings(t *testing.T) {
	policies := map[string]any{"policyRequirements": []any{"REQUIRED"}, "name": "mail", "fallbackPolicies": nil}
	failed := []string{`{"policyRequirement":"REQUIRED"}`}
	for _, c := range []struct {
		name     string
		callback callback.Callback
		want     string
	}{
		{
			"name with a default", callback.NewName("User Name", "bjensen"),
			`{"type":"NameCallback","output":[{"name":"prompt","value":"User Name"}],"input":[{"name":"IDToken1","value":"bjensen"}]}`,
		},
		{
			"password", callback.NewPassword("Password"),
			`{"type":"PasswordCallback","output":[{"name":"prompt","value":"Password"}],"input":[{"name":"IDToken1","value":""}]}`,
		},
		{
			"text input", callback.NewTextInput("Mail", "a@b"),
			`{"type":"TextInputCallback","output":[{"name":"prompt","value":"Mail"},{"name":"defaultText","value":"a@b"}],"input":[{"name":"IDToken1","value":"a@b"}]}`,
		},
		{
			"text output has no input and a string for its kind", callback.NewTextOutput(callback.Warning, "Careful"),
			`{"type":"TextOutputCallback","output":[{"name":"message","value":"Careful"},{"name":"messageType","value":"1"}]}`,
		},
		{
			"script", callback.NewTextOutput(callback.Script, "if (a < b && c) {\n}"),
			`{"type":"TextOutputCallback","output":[{"name":"message","value":"if (a < b && c) {\n}"},{"name":"messageType","value":"4"}]}`,
		},
		{
			"hidden value starts as its id", callback.NewHiddenValue("webAuthnOutcome", ""),
			`{"type":"HiddenValueCallback","output":[{"name":"value","value":""},{"name":"id","value":"webAuthnOutcome"}],"input":[{"name":"IDToken1","value":"webAuthnOutcome"}]}`,
		},
		{
			"choice", callback.NewChoice("Which?", []string{"a", "b"}, 1),
			`{"type":"ChoiceCallback","output":[{"name":"prompt","value":"Which?"},{"name":"choices","value":["a","b"]},{"name":"defaultChoice","value":1}],"input":[{"name":"IDToken1","value":1}]}`,
		},
		{
			"confirmation has numbers", callback.NewConfirmation(callback.Information, []string{"Yes", "No"}, 1, 0),
			`{"type":"ConfirmationCallback","output":[{"name":"prompt","value":""},{"name":"messageType","value":0},{"name":"options","value":["Yes","No"]},{"name":"optionType","value":-1},{"name":"defaultOption","value":1}],"input":[{"name":"IDToken1","value":0}]}`,
		},
		{
			"polling wait has a string", callback.NewPollingWait(8000, "Wait"),
			`{"type":"PollingWaitCallback","output":[{"name":"waitTime","value":"8000"},{"name":"message","value":"Wait"}]}`,
		},
		{
			"metadata", callback.NewMetadata(map[string]any{"stage": "UsernamePassword", "n": 1.5}),
			`{"type":"MetadataCallback","output":[{"name":"data","value":{"n":1.5,"stage":"UsernamePassword"}}]}`,
		},
		{
			"create username", callback.NewCreateUsername("User Name", "", policies, failed),
			`{"type":"ValidatedCreateUsernameCallback","output":[{"name":"policies","value":{"fallbackPolicies":null,"name":"mail","policyRequirements":["REQUIRED"]}},{"name":"failedPolicies","value":["{\"policyRequirement\":\"REQUIRED\"}"]},{"name":"validateOnly","value":false},{"name":"prompt","value":"User Name"}],"input":[{"name":"IDToken1","value":""},{"name":"IDToken1validateOnly","value":false}]}`,
		},
		{
			"create password", callback.NewCreatePassword("Password", map[string]any{}, nil),
			`{"type":"ValidatedCreatePasswordCallback","output":[{"name":"echoOn","value":false},{"name":"policies","value":{}},{"name":"failedPolicies","value":[]},{"name":"validateOnly","value":false},{"name":"prompt","value":"Password"}],"input":[{"name":"IDToken1","value":""},{"name":"IDToken1validateOnly","value":false}]}`,
		},
		{
			"redirect",
			callback.Callback{Type: callback.Redirect, Output: []callback.Entry{
				{Name: "redirectUrl", Value: "https://idp.example/a?b=c&d"},
				{Name: "redirectMethod", Value: "GET"},
				{Name: "trackingCookie", Value: true},
			}},
			`{"type":"RedirectCallback","output":[{"name":"redirectUrl","value":"https://idp.example/a?b=c&d"},{"name":"redirectMethod","value":"GET"},{"name":"trackingCookie","value":true}]}`,
		},
		{
			"attribute input with null",
			callback.Callback{
				Type:   callback.NumberAttribute,
				Output: []callback.Entry{{Name: "name", Value: "age"}, {Name: "value", Value: nil}},
				Input:  []callback.Entry{{Name: "", Value: nil}, {Name: "validateOnly", Value: false}},
			},
			`{"type":"NumberAttributeInputCallback","output":[{"name":"name","value":"age"},{"name":"value","value":null}],"input":[{"name":"IDToken1","value":null},{"name":"IDToken1validateOnly","value":false}]}`,
		},
		{
			"suspended",
			callback.Callback{Type: callback.SuspendedText, Output: []callback.Entry{
				{Name: "message", Value: "Mail sent"}, {Name: "messageType", Value: "0"},
			}},
			`{"type":"SuspendedTextOutputCallback","output":[{"name":"message","value":"Mail sent"},{"name":"messageType","value":"0"}]}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := string(wire.AppendStep(nil, wire.Step{AuthID: "a", Callbacks: []callback.Callback{c.callback}}))
			if want := `{"authId":"a","callbacks":[` + c.want + `]}`; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// Inputs are numbered by the position of their callback, output-only ones
// counted.
func TestInputsAreNumberedByPosition(t *testing.T) {
	got := string(wire.AppendStep(nil, wire.Step{AuthID: "a", Callbacks: []callback.Callback{
		callback.NewTextOutput(callback.Information, "Hello"), callback.NewPassword("P"),
	}}))
	want := `{"authId":"a","callbacks":[{"type":"TextOutputCallback","output":[{"name":"message","value":"Hello"},{"name":"messageType","value":"0"}]},` +
		`{"type":"PasswordCallback","output":[{"name":"prompt","value":"P"}],"input":[{"name":"IDToken2","value":""}]}]}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestSuccessIsAMsByteForByte(t *testing.T) {
	for _, c := range []struct {
		name string
		in   wire.Success
		want string
	}{
		{
			"a session",
			wire.Success{TokenID: "Zk3.*AAJ*", SuccessURL: "/am/console", Realm: "/"},
			`{"tokenId":"Zk3.*AAJ*","successUrl":"/am/console","realm":"/"}`,
		},
		{
			"no session",
			wire.Success{NoSession: true, SuccessURL: "/am/console", Realm: "/"},
			`{"successUrl":"/am/console","realm":"/"}`,
		},
		{
			"hidden",
			wire.Success{SuccessURL: "/am/console", Realm: "/alpha"},
			`{"tokenId":"","successUrl":"/am/console","realm":"/alpha"}`,
		},
		{
			"details, of which none replaces a member",
			wire.Success{
				TokenID: "t", SuccessURL: "/", Realm: "/",
				Details: []callback.Entry{
					{Name: "level", Value: wire.JSONOrText(" 5 ")},
					{Name: "tokenId", Value: "stolen"},
					{Name: "authId", Value: "x"},
					{Name: "list", Value: wire.JSONOrText(`[1,"a"]`)},
					{Name: "text", Value: wire.JSONOrText(`{"a":1,"a":2}`)},
					{Name: "level", Value: "again"},
				},
			},
			`{"tokenId":"t","successUrl":"/","realm":"/","level":5,"list":[1,"a"],"text":"{\"a\":1,\"a\":2}"}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := string(wire.AppendSuccess(nil, c.in)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestFailureIsAMsByteForByte(t *testing.T) {
	plain := wire.Failure{Code: 401, Reason: "Unauthorized", Message: "Login failure"}
	gone := wire.Failure{
		Code: 401, Reason: "Unauthorized", Message: "Session has timed out",
		Detail: []callback.Entry{{Name: "errorCode", Value: "110"}},
	}
	url := wire.Failure{
		Code: 401, Reason: "Unauthorized", Message: `Say "no"` + "\x00\u2028\xff",
		Detail: []callback.Entry{{Name: "failureUrl", Value: "https://app.example/failed"}},
	}
	for _, c := range []struct {
		name     string
		in       wire.Failure
		want, v1 string
	}{
		{
			"plain", plain,
			`{"code":401,"reason":"Unauthorized","message":"Login failure"}`,
			`{"errorMessage":"Login failure"}`,
		},
		{
			"with a code", gone,
			`{"code":401,"reason":"Unauthorized","message":"Session has timed out","detail":{"errorCode":"110"}}`,
			`{"errorMessage":"Session has timed out"}`,
		},
		{
			"escapes and a URL", url,
			`{"code":401,"reason":"Unauthorized","message":"Say \"no\"\u0000\u2028` + "\ufffd" + `","detail":{"failureUrl":"https://app.example/failed"}}`,
			`{"errorMessage":"Say \"no\"\u0000\u2028` + "\ufffd" + `","failureUrl":"https://app.example/failed"}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := string(wire.AppendFailure(nil, c.in)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if got := string(wire.AppendFailureV1(nil, c.in)); got != c.v1 {
				t.Errorf("version 1: got  %s\nwant %s", got, c.v1)
			}
		})
	}
}
