package rest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"sojourn/actors/callback"
	"sojourn/actors/identity"
	"sojourn/actors/journey"
	"sojourn/actors/realm"
	"sojourn/cts/session"
	"sojourn/http/rest"
	"sojourn/http/wire"
)

func TestStepAnswer(t *testing.T) {
	s := newStand(t)
	s.replies(step(), nil)
	w := s.do(s.request(start, "{}"))
	reply, err := wire.DecodeReply(w.Body.Bytes())
	if err != nil || reply.Step == nil {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	authID := string(reply.Step.AuthID)
	want := `{"authId":"` + authID + `","callbacks":[` +
		`{"type":"NameCallback","output":[{"name":"prompt","value":"User Name"}],"input":[{"name":"IDToken1","value":""}],"_id":0},` +
		`{"type":"PasswordCallback","output":[{"name":"prompt","value":"Password"}],"input":[{"name":"IDToken2","value":""}],"_id":1}],` +
		`"stage":"UsernamePassword","header":"Sign in","description":"Enter your credentials"}`
	if w.Code != http.StatusOK || w.Body.String() != want {
		t.Errorf("got  %d %s\nwant %s", w.Code, w.Body, want)
	}
	headers := http.Header{
		"Content-Type":           {"application/json"},
		"Content-Api-Version":    {"resource=2.1"},
		"Cache-Control":          {"private"},
		"Pragma":                 {"no-cache"},
		"Expires":                {"0"},
		"X-Frame-Options":        {"SAMEORIGIN"},
		"X-Content-Type-Options": {"nosniff"},
		"Set-Cookie":             {"amlbcookie=01; Path=/; HttpOnly"},
	}
	if got := w.Header(); !reflect.DeepEqual(got, headers) {
		t.Errorf("got  %v\nwant %v", got, headers)
	}
	var resumed journey.ResumeRequest
	s.journeys.resume = func(_ context.Context, r journey.ResumeRequest) (journey.Reply, error) {
		resumed = r
		return done(journey.Done{}), nil
	}
	body := strings.Replace(w.Body.String(), `"IDToken1","value":""`, `"IDToken1","value":"bjensen"`, 1)
	body = strings.Replace(body, `"IDToken2","value":""`, `"IDToken2","value":"hunter2"`, 1)
	s.do(s.request(start, strings.TrimSuffix(body, "}")+`,"status":200,"ok":true}`))
	if !reflect.DeepEqual(resumed.Ref, ref()) {
		t.Errorf("the reference came back as %+v, was %+v", resumed.Ref, ref())
	}
	answers := []callback.Answer{
		{Type: callback.Name, Values: []any{"bjensen"}},
		{Type: callback.Password, Values: []any{"hunter2"}},
	}
	if !reflect.DeepEqual(resumed.Answers, answers) {
		t.Errorf("answers %+v", resumed.Answers)
	}
}

func TestSuccessAnswer(t *testing.T) {
	for _, c := range []struct {
		name    string
		set     func(*stand)
		done    journey.Done
		want    string
		cookies []string
	}{
		{
			name: "a session", done: journey.Done{Success: true, URL: "/am/console"},
			want:    `{"tokenId":"Zk3.*AAJ*","successUrl":"/am/console","realm":"/alpha"}`,
			cookies: []string{"iPlanetDirectoryPro=Zk3.*AAJ*; Path=/; HttpOnly", "amlbcookie=01; Path=/; HttpOnly"},
		},
		{
			name: "no session", done: journey.Done{Success: true, URL: "/am/console", NoSession: true},
			want:    `{"successUrl":"/am/console","realm":"/alpha"}`,
			cookies: []string{"amlbcookie=01; Path=/; HttpOnly"},
		},
		{
			name: "details and properties",
			done: journey.Done{
				Success: true, URL: "/am/console",
				Details:         map[string]string{"z": "1", "realm": "/evil"},
				PropertyDetails: map[string]string{"who": "UserId", "none": "Missing"},
				Session:         session.Session{Properties: map[string]string{"UserId": "bjensen"}},
			},
			want:    `{"tokenId":"Zk3.*AAJ*","successUrl":"/am/console","realm":"/alpha","who":"bjensen","z":1}`,
			cookies: []string{"iPlanetDirectoryPro=Zk3.*AAJ*; Path=/; HttpOnly", "amlbcookie=01; Path=/; HttpOnly"},
		},
		{
			name: "cookies with every mark, for two domains",
			set: func(s *stand) {
				s.cfg.Process.Cookies = realm.Cookies{
					Name: "sid", Secure: true, HTTPOnly: true, SameSite: "none",
					Domains: []string{"a.example", "b.example"}, LBName: "lb", LBValue: "02",
				}
			},
			done: journey.Done{Success: true, URL: "/"},
			want: `{"tokenId":"Zk3.*AAJ*","successUrl":"/","realm":"/alpha"}`,
			cookies: []string{
				"sid=Zk3.*AAJ*; Path=/; Domain=a.example; Secure; HttpOnly; SameSite=none",
				"sid=Zk3.*AAJ*; Path=/; Domain=b.example; Secure; HttpOnly; SameSite=none",
				"lb=02; Path=/; Domain=a.example; Secure; HttpOnly; SameSite=none",
				"lb=02; Path=/; Domain=b.example; Secure; HttpOnly; SameSite=none",
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStand(t)
			if c.set != nil {
				c.set(s)
			}
			s.replies(done(c.done), nil)
			w := s.do(s.request(start, ""))
			if w.Code != http.StatusOK || w.Body.String() != c.want {
				t.Errorf("got  %d %s\nwant %s", w.Code, w.Body, c.want)
			}
			if got := w.Header()["Set-Cookie"]; !reflect.DeepEqual(got, c.cookies) {
				t.Errorf("cookies %q\nwant    %q", got, c.cookies)
			}
		})
	}
}

// With a session that satisfies the request nothing is run, and its token is
// told only where a script could read it from the cookie anyway.
func TestExistingSessionShortCut(t *testing.T) {
	for _, c := range []struct {
		name           string
		hides, mark    bool
		parameter      bool
		tells, cookies bool
	}{
		{name: "hidden", hides: true, mark: true},
		{name: "setting off", mark: true, tells: true},
		{name: "cookie readable by scripts", hides: true, tells: true},
		{name: "token as parameter", mark: true, parameter: true, tells: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStand(t)
			s.cfg.Process.Cookies.HTTPOnly = c.mark
			s.realms["/alpha"].HidesTokenID = c.hides
			token := s.login("/alpha", "bjensen")
			s.journeys.start = func(_ context.Context, r journey.StartRequest) (journey.Reply, error) {
				if r.Session == nil || r.Session.Principal.Username != "bjensen" {
					t.Errorf("session %+v", r.Session)
				}
				return journey.Reply{
					Done:  &journey.Done{Success: true, URL: "/am/console", Session: *r.Session},
					Realm: "/alpha", Existing: true,
				}, nil
			}
			path, edit := start, header("Cookie", `other=1; iPlanetDirectoryPro="`+string(token)+`"; x=2`)
			if c.parameter {
				path, edit = start+"?sessionUpgradeSSOTokenId="+string(token), header("Cookie")
			}
			told := ""
			if c.tells {
				told = string(token)
			}
			w := s.do(s.request(path, "", edit))
			if want := `{"tokenId":"` + told + `","successUrl":"/am/console","realm":"/alpha"}`; w.Body.String() != want {
				t.Errorf("got  %s\nwant %s", w.Body, want)
			}
			if got := w.Header()["Set-Cookie"]; len(got) != 1 || !strings.HasPrefix(got[0], "amlbcookie=") {
				t.Errorf("cookies %q", got)
			}
			if len(s.sessions.touched) != 1 {
				t.Errorf("touched %v", s.sessions.touched)
			}
		})
	}
}

func TestSessionOfTheRequest(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(alpha, root, dead string) func(*http.Request)
		want string // the user whose session reaches the journey
	}{
		{"none", func(_, _, _ string) func(*http.Request) { return header("X-Nothing", "") }, ""},
		{"cookie", func(a, _, _ string) func(*http.Request) { return header("Cookie", "iPlanetDirectoryPro="+a) }, "alice"},
		{"header", func(a, _, _ string) func(*http.Request) { return header("iPlanetDirectoryPro", a) }, "alice"},
		{"another realm's", func(_, r, _ string) func(*http.Request) { return header("Cookie", "iPlanetDirectoryPro="+r) }, ""},
		{"dead", func(_, _, d string) func(*http.Request) { return header("Cookie", "iPlanetDirectoryPro="+d) }, ""},
		{"nonsense", func(_, _, _ string) func(*http.Request) { return header("Cookie", "iPlanetDirectoryPro=*;=;;") }, ""},
		{"a cookie whose name only ends alike", func(a, _, _ string) func(*http.Request) {
			return header("Cookie", "XiPlanetDirectoryPro="+a)
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStand(t)
			alpha, root := s.login("/alpha", "alice"), s.login(realm.Root, "root")
			dead := s.login("/alpha", "ghost")
			for id, x := range s.sessions.known {
				if x.Principal.Username == "ghost" {
					x.LastAccess = at.Add(-2 * time.Hour)
					s.sessions.known[id] = x
				}
			}
			var got string
			s.journeys.start = func(_ context.Context, r journey.StartRequest) (journey.Reply, error) {
				if r.Session != nil {
					got = r.Session.Principal.Username
				}
				return step(), nil
			}
			if w := s.do(s.request(start, "", c.edit(string(alpha), string(root), string(dead)))); w.Code != http.StatusOK {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestStartRequest(t *testing.T) {
	name, password := "Jürgen", identity.Secret("pässwort")
	advice := "%3CAdvices%3E%3CAttributeValuePair%3E%3CAttribute%20name%3D%22AuthenticateToServiceConditionAdvice%22%2F%3E" +
		"%3CValue%3EStepUp%3C%2FValue%3E%3C%2FAttributeValuePair%3E%3C%2FAdvices%3E"
	for _, c := range []struct {
		name  string
		path  string
		edit  func(*http.Request)
		check func(*testing.T, journey.StartRequest)
	}{
		{name: "nothing", path: start, check: func(t *testing.T, r journey.StartRequest) {
			t.Helper()
			if r.Realm != "/alpha" || r.Tree != "" || r.IndexType != "" || r.NoSession || r.ForceAuth ||
				r.Username != nil || r.Password != nil || r.Request.Parameters != nil {
				t.Errorf("%+v", r)
			}
		}},
		{name: "service", path: start + "?authIndexType=Service&authIndexValue=My%20Tree", check: func(t *testing.T, r journey.StartRequest) {
			t.Helper()
			if r.Tree != "My Tree" || r.IndexType != "service" || r.IndexValue != "My Tree" {
				t.Errorf("%+v", r)
			}
		}},
		{name: "flags", path: start + "?noSession=true&ForceAuth=true", check: func(t *testing.T, r journey.StartRequest) {
			t.Helper()
			if !r.NoSession || !r.ForceAuth {
				t.Errorf("%+v", r)
			}
		}},
		{name: "flags in other spellings", path: start + "?nosession=true&forceAuth=true&noSession=TRUE", check: func(t *testing.T, r journey.StartRequest) {
			t.Helper()
			if r.NoSession || r.ForceAuth {
				t.Errorf("%+v", r)
			}
		}},
		{
			name: "parameters that nodes see",
			path: start + "?authIndexType=service&authIndexValue=Login&goto=%2Fhome&gotoOnFail=https://evil.example&a=1&a=2&locale=fr&%62=3",
			check: func(t *testing.T, r journey.StartRequest) {
				t.Helper()
				want := map[string][]string{"goto": {"/home"}, "a": {"1", "2"}, "b": {"3"}}
				if !reflect.DeepEqual(r.Request.Parameters, want) || !reflect.DeepEqual(r.Request.Locales, []string{"fr"}) {
					t.Errorf("%+v", r.Request)
				}
			},
		},
		{
			name: "headers and address", path: start, edit: header("Accept-Language", "de;q=0.5, en-GB, *;q=0.1"),
			check: func(t *testing.T, r journey.StartRequest) {
				t.Helper()
				if !reflect.DeepEqual(r.Request.Locales, []string{"en-GB", "de"}) || r.Request.ClientIP != "192.0.2.1" ||
					r.Request.Headers["Accept-Language"] == nil {
					t.Errorf("%+v", r.Request)
				}
			},
		},
		{
			name: "zero page", path: start, edit: func(r *http.Request) {
				r.Header.Set("X-OpenAM-Username", "=?UTF-8?B?SsO8cmdlbg==?=")
				r.Header.Set("X-OpenAM-Password", "pässwort")
			},
			check: func(t *testing.T, r journey.StartRequest) {
				t.Helper()
				if !reflect.DeepEqual(r.Username, &name) || !reflect.DeepEqual(r.Password, &password) {
					t.Errorf("%v %v", r.Username, r.Password)
				}
			},
		},
		{
			name: "advice", path: start + "?authIndexType=composite_advice&authIndexValue=" + advice,
			check: func(t *testing.T, r journey.StartRequest) {
				t.Helper()
				if r.Tree != "StepUp" || r.IndexType != "composite_advice" || !r.ForceAuth || !strings.HasPrefix(r.IndexValue, "<Advices>") {
					t.Errorf("%+v", r)
				}
			},
		},
		{
			name: "advice for another realm",
			path: start + "?authIndexType=composite_advice&authIndexValue=" + strings.Replace(advice, "StepUp", "/alpha/eu:StepUp", 1),
			check: func(t *testing.T, r journey.StartRequest) {
				t.Helper()
				if r.Tree != "StepUp" || r.Realm != "/alpha/eu" {
					t.Errorf("%+v", r)
				}
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStand(t)
			started := false
			s.journeys.start = func(_ context.Context, r journey.StartRequest) (journey.Reply, error) {
				started = true
				c.check(t, r)
				return step(), nil
			}
			if c.edit == nil {
				c.edit = func(*http.Request) {}
			}
			if w := s.do(s.request(c.path, "", c.edit)); w.Code != http.StatusOK || !started {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}

// Zero-page headers count only when the request starts a journey.
func TestZeroPageOnlyAtTheStart(t *testing.T) {
	s := newStand(t)
	s.replies(step(), nil)
	edit := header("X-OpenAM-Username", "\xff")
	if w := s.do(s.request(start, `{"authId":"`+string(signed(t, ref()))+`"}`, edit)); w.Code != http.StatusOK {
		t.Errorf("resume: %d %s", w.Code, w.Body)
	}
	if w := s.do(s.request(start, "{}", edit)); w.Code != http.StatusBadRequest {
		t.Errorf("start: %d %s", w.Code, w.Body)
	}
}

// An advice that moves a journey into another realm stands in the URL of each of
// its steps. Without it, or with one that names yet another realm, an authId of
// another realm is forged.
func TestAdviceOfAnotherRealmGoesOn(t *testing.T) {
	s := newStand(t)
	s.replies(step(), nil)
	var resumed []journey.ResumeRequest
	s.journeys.resume = func(_ context.Context, r journey.ResumeRequest) (journey.Reply, error) {
		resumed = append(resumed, r)
		return step(), nil
	}
	of := ref()
	of.Realm = "/alpha/eu"
	token := s.login("/alpha/eu", "alice")
	advice := func(in string) string {
		return start + "?authIndexType=composite_advice&authIndexValue=" + url.QueryEscape("<Advices><AttributeValuePair>"+
			"<Attribute name=\"AuthenticateToRealmConditionAdvice\"/><Value>"+in+"</Value></AttributeValuePair></Advices>")
	}
	body := `{"authId":"` + string(signed(t, of)) + `"}`
	w := s.do(s.request(advice("/alpha/eu"), body, header("Cookie", "iPlanetDirectoryPro="+string(token))))
	if w.Code != http.StatusOK || len(resumed) != 1 || resumed[0].Ref.Realm != "/alpha/eu" {
		t.Fatalf("with the advice: %d %s", w.Code, w.Body)
	}
	if x := resumed[0].Session; x == nil || x.Principal.Username != "alice" {
		t.Errorf("with the session %+v, want that of the realm", x)
	}
	for name, path := range map[string]string{"without it": start, "with another": advice("/off"), "with the own": advice("/alpha")} {
		if w := s.do(s.request(path, body)); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), wire.ErrSignature.Error()) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	of.Realm = "/off"
	if w := s.do(s.request(advice("/off"), `{"authId":"`+string(signed(t, of))+`"}`)); w.Code == http.StatusOK {
		t.Errorf("in a realm that is off: %d %s", w.Code, w.Body)
	}
	if len(resumed) != 1 {
		t.Errorf("%d steps were taken", len(resumed))
	}
}

// When there is no place to begin a journey, none begins, with or without
// credentials or a session, and those that are begun go on.
func TestBusy(t *testing.T) {
	s := newStand(t)
	s.cfg.Begins = func(context.Context) bool { return false }
	s.replies(step(), nil)
	begun := 0
	s.journeys.start = func(context.Context, journey.StartRequest) (journey.Reply, error) {
		begun++
		return step(), nil
	}
	for _, body := range []string{"", "{}"} {
		w := s.do(s.request(start, body, header("X-OpenAM-Username", "bjensen")))
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" ||
			w.Body.String() != `{"code":503,"reason":"Service Unavailable","message":"Too many requests in progress"}` {
			t.Errorf("start: %d %s", w.Code, w.Body)
		}
	}
	if begun > 0 {
		t.Errorf("%d journeys were begun", begun)
	}
	if w := s.do(s.request(start, `{"authId":"`+string(signed(t, ref()))+`"}`)); w.Code != http.StatusOK {
		t.Errorf("resume: %d %s", w.Code, w.Body)
	}
}

// The trace travels inside authId and comes back as it was.
func TestTraceRidesInAuthID(t *testing.T) {
	s := newStand(t)
	want := ref()
	want.Trace = bytes.Repeat([]byte{0xfe, 0}, wire.MaxTrace/2)
	reply := step()
	reply.Ref = want
	s.replies(reply, nil)
	w := s.do(s.request(start, ""))
	var body struct{ AuthID string }
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatal(err)
	}
	var got journey.Ref
	s.journeys.resume = func(_ context.Context, r journey.ResumeRequest) (journey.Reply, error) {
		got = r.Ref
		return step(), nil
	}
	s.do(s.request(start, `{"authId":"`+body.AuthID+`"}`))
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

func TestRequestsAtOnce(t *testing.T) {
	s := newStand(t)
	s.journeys.start = func(_ context.Context, r journey.StartRequest) (journey.Reply, error) {
		reply := done(journey.Done{Success: true, URL: "/" + r.Tree})
		reply.Realm = r.Realm
		return reply, nil
	}
	h, err := rest.New(s.cfg)
	if err != nil {
		t.Fatal(err)
	}
	errs := make(chan string, 8)
	for worker := range 8 {
		go func() {
			tree := strings.Repeat("x", worker+1)
			want := `{"tokenId":"Zk3.*AAJ*","successUrl":"/` + tree + `","realm":"/alpha"}`
			for range 200 {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, s.request(start+"?authIndexType=service&authIndexValue="+tree, "{}"))
				if w.Body.String() != want {
					errs <- w.Body.String()
					return
				}
			}
			errs <- ""
		}()
	}
	for range 8 {
		if text := <-errs; text != "" {
			t.Errorf("answer of another request: %s", text)
		}
	}
}
