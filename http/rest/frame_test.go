package rest_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"sojourn/actors/journey"
	"sojourn/actors/realm"
	"sojourn/http/rest"
)

func TestRealmOfTheURL(t *testing.T) {
	for _, c := range []struct {
		path string
		want realm.Name
	}{
		{"/json/authenticate", "/"},
		{"/json/authenticate/", "/"},
		{"/json/authenticate/?x=1", "/"},
		{"/json/realms/root/authenticate", "/"},
		{"/json/realms/root/realms/alpha/authenticate", "/alpha"},
		{"/json/realms/root/realms/alpha/authenticate/", "/alpha"},
		{"/json/realms/root/realms/alpha/realms/eu/authenticate", "/alpha/eu"},
		{"/json/realms/alpha/authenticate", "/alpha"},
		{"/json/realms/alpha/realms/eu/authenticate", "/alpha/eu"},
		{"/json/alpha/authenticate", "/alpha"},
		{"/json/alpha/eu/authenticate", "/alpha/eu"},
		{"/json/root/authenticate", "/"},
		{"/json/authenticate?realm=/alpha", "/alpha"},
		{"/json/authenticate?realm=alpha", "/alpha"},
		{"/json/authenticate?realm=%2Falpha%2Feu", "/alpha/eu"},
		{"/json/authenticate?realm=/alpha/", "/alpha"},
		{"/json/realms/root/realms/alpha/authenticate?realm=/", "/"},
		{"/json/realms/root/realms/alpha/authenticate?realm=", "/alpha"},
		{"/json/realms/root/realms/%61lpha/authenticate", "/alpha"},
		{"/json/realms/root/realms/alpha/authenticate?realm=root", "/"},
	} {
		t.Run(c.path, func(t *testing.T) {
			s := newStand(t)
			var got realm.Name
			s.journeys.start = func(_ context.Context, r journey.StartRequest) (journey.Reply, error) {
				got = r.Realm
				return step(), nil
			}
			for _, prefix := range []string{"/am", ""} {
				s.cfg.Path = prefix
				if w := s.do(s.request(prefix+c.path, "")); w.Code != http.StatusOK || got != c.want {
					t.Errorf("below %q: got %q, %d %s", prefix, got, w.Code, w.Body)
				}
			}
		})
	}
}

func TestPathsThatAreNone(t *testing.T) {
	for _, path := range []string{
		"/", "/am", "/am/", "/am/json", "/am/json/", "/am/jsonx/authenticate", "/json/authenticate",
		"/am/json/realms", "/am/json/realms/", "/am/json/realms/root", "/am/json/realms/root/realms",
		"/am/json/realms/root/authenticate/x", "/am/json//authenticate", "/am/json/alpha//authenticate",
		"/am/json/realms//authenticate", "/am/json/alpha/root/authenticate", "/am/json/./authenticate",
		"/am/json/realms/root/realms/alpha%2Feu/authenticate", "/am/json/authenticate//",
		"/am/json/authenticate" + strings.Repeat("/x", 30),
	} {
		t.Run(path, func(t *testing.T) {
			s := newStand(t)
			s.journeys.start = func(_ context.Context, r journey.StartRequest) (journey.Reply, error) {
				t.Errorf("started in %q", r.Realm)
				return step(), nil
			}
			w := s.do(s.request(path, ""))
			if w.Code != http.StatusNotFound && w.Code != http.StatusBadRequest {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}

func TestVersionNegotiation(t *testing.T) {
	for _, c := range []struct {
		header  []string
		setting realm.DefaultVersion
		want    string // Content-API-Version, or the status
	}{
		{nil, realm.Latest, "resource=2.1"},
		{nil, realm.Oldest, "resource=1.2"},
		{nil, realm.None, "Bad Request"},
		{[]string{""}, realm.Latest, "resource=2.1"},
		{[]string{"protocol=1.0"}, realm.Latest, "resource=2.1"},
		{[]string{"resource=2.0, protocol=1.0"}, realm.Latest, "resource=2.1"},
		{[]string{"protocol=1.0,resource=2.1"}, realm.Latest, "resource=2.1"},
		{[]string{" resource = 2.1 ,  protocol = 2.1 "}, realm.Latest, "resource=2.1"},
		{[]string{"Resource=1.1"}, realm.Latest, "resource=1.2"},
		{[]string{"resource=2"}, realm.None, "resource=2.1"},
		{[]string{"protocol=1.0", "resource=1.0"}, realm.Latest, "resource=1.2"},
		{[]string{"resource=2.2"}, realm.Latest, "Not Found"},
		{[]string{"resource=3.0"}, realm.Latest, "Not Found"},
		{[]string{"resource=2.1,resource=2.1"}, realm.Latest, "Bad Request"},
		{[]string{"resource=2.1", "resource=1.0"}, realm.Latest, "Bad Request"},
		{[]string{"resource=x"}, realm.Latest, "Bad Request"},
		{[]string{"resource=2.1.0"}, realm.Latest, "Bad Request"},
		{[]string{"resource=-1"}, realm.Latest, "Bad Request"},
		{[]string{"resource=99999.0"}, realm.Latest, "Bad Request"},
		{[]string{"2.1"}, realm.Latest, "Bad Request"},
		{[]string{"api=2.1"}, realm.Latest, "Bad Request"},
		{[]string{"protocol=3.0"}, realm.Latest, "Bad Request"},
	} {
		t.Run(strings.Join(c.header, "+"), func(t *testing.T) {
			s := newStand(t)
			s.cfg.Process.DefaultVersion = c.setting
			s.replies(step(), nil)
			w := s.do(s.request(start, "", header("Accept-API-Version", c.header...)))
			got := w.Header().Get("Content-API-Version")
			if w.Code != http.StatusOK {
				got = http.StatusText(w.Code)
			}
			if got != c.want {
				t.Errorf("got %q, want %q: %s", got, c.want, w.Body)
			}
		})
	}
}

func TestCSRFRule(t *testing.T) {
	token := func(r *http.Request) { r.Header.Set("Cookie", "a=b; iPlanetDirectoryPro=x") }
	bare := func(r *http.Request) { r.Header.Del("Accept-API-Version") }
	for _, c := range []struct {
		name  string
		off   bool
		edits []func(*http.Request)
		want  int
	}{
		{"cookie alone", false, []func(*http.Request){token, bare}, 403},
		{"filter off", true, []func(*http.Request){token, bare}, 200},
		{"with X-Requested-With", false, []func(*http.Request){token, bare, header("X-Requested-With", "x")}, 200},
		{"with Accept-API-Version", false, []func(*http.Request){token}, 200},
		{"no cookie", false, []func(*http.Request){bare}, 200},
		{"token in the header as well", false, []func(*http.Request){token, bare, header("iPlanetDirectoryPro", "y")}, 200},
		{"a read", false, []func(*http.Request){token, bare, func(r *http.Request) { r.Method = http.MethodGet }}, 405},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStand(t)
			s.cfg.Process.NoCSRFFilter = c.off
			s.replies(step(), nil)
			if w := s.do(s.request(start, "", c.edits...)); w.Code != c.want {
				t.Errorf("got %d %s", w.Code, w.Body)
			}
		})
	}
}

func TestCORS(t *testing.T) {
	const page = "https://app.example.com"
	preflight := func(origin string) *http.Request {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodOptions, start, http.NoBody)
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", "POST")
		r.Header.Set("Access-Control-Request-Headers", "accept-api-version,content-type,x-requested-with")
		return r
	}
	s := newStand(t)
	s.cfg.Origins, s.cfg.AllowHeaders = []string{"https://App.example.com", "http://localhost:8443"}, []string{"X-App"}
	s.replies(done(journey.Done{}), nil)

	w := s.do(preflight(page))
	allowed := strings.ToLower(w.Header().Get("Access-Control-Allow-Headers"))
	if w.Code/100 != 2 || w.Body.Len() > 0 || w.Header().Get("Access-Control-Allow-Origin") != page ||
		w.Header().Get("Access-Control-Allow-Credentials") != "true" || w.Header().Get("Vary") != "Origin" ||
		!strings.Contains(w.Header().Get("Access-Control-Allow-Methods"), "POST") {
		t.Errorf("preflight: %d %v", w.Code, w.Header())
	}
	for _, name := range []string{"accept-api-version", "content-type", "x-requested-with", "x-requested-platform", "authorization", "accept-language", "x-app"} {
		if !strings.Contains(allowed, name) {
			t.Errorf("preflight does not allow %s", name)
		}
	}
	for name, r := range map[string]*http.Request{
		"a failed login":   s.request(start, "", header("Origin", page)),
		"a bad request":    s.request(start, "x", header("Origin", page)),
		"an unknown path":  s.request("/am/json/nope", "", header("Origin", page)),
		"a forbidden call": s.request(start, "", header("Origin", page), header("Accept-API-Version"), header("Cookie", "iPlanetDirectoryPro=x")),
	} {
		w := s.do(r)
		if w.Code < 400 || w.Header().Get("Access-Control-Allow-Origin") != page ||
			w.Header().Get("Access-Control-Allow-Credentials") != "true" || w.Header().Get("Vary") != "Origin" {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
	}
	for _, origin := range []string{"https://evil.example", "null", "", page + ":444", "http://app.example.com", page + ".evil.example"} {
		for name, r := range map[string]*http.Request{
			"preflight": preflight(origin), "request": s.request(start, "", header("Origin", origin)),
		} {
			w := s.do(r)
			for header := range w.Header() {
				if strings.HasPrefix(header, "Access-Control-") {
					t.Errorf("%s of %q: %s", name, origin, header)
				}
			}
			if w.Header().Get("Vary") != "Origin" {
				t.Errorf("%s of %q does not vary", name, origin)
			}
		}
	}
	// Whoever is no page gets what caches need.
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
		r := s.request("/am/json/serverinfo/*", "")
		r.Method = method
		if w := s.do(r); (w.Header().Get("Vary") == "Origin") == (method == http.MethodPost) {
			t.Errorf("%s without an origin varies by %q", method, w.Header().Get("Vary"))
		}
	}
	s.cfg.Origins = nil
	if w := s.do(preflight(page)); w.Code != http.StatusMethodNotAllowed || w.Header()["Vary"] != nil {
		t.Errorf("nobody listed: %d %v", w.Code, w.Header())
	}
}

func TestNewReportsEveryFault(t *testing.T) {
	_, err := rest.New(rest.Config{Path: "am/", Process: realm.Deployment{Cookies: realm.Cookies{Name: "a b"}}, Origins: []string{"*"}})
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{
		"Journeys", "Sessions", "Realms", "GotoAllowed", "Log", "AuthIDs", `Path "am/"`, "Cookies", `Origins: "*"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not in %v", want, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for name, edit := range map[string]func(*rest.Config){
		"SameSite none without Secure": func(c *rest.Config) { c.Process.Cookies.SameSite = "none" },
		"SameSite nonsense":            func(c *rest.Config) { c.Process.Cookies.SameSite = "maybe" },
		"a value that splits":          func(c *rest.Config) { c.Process.Cookies.LBValue = "a\r\nSet-Cookie: x=y" },
		"a domain that splits":         func(c *rest.Config) { c.Process.Cookies.Domains = []string{"a;b"} },
		"an origin with a path":        func(c *rest.Config) { c.Origins = []string{"https://a.example/"} },
		"an origin with its own port":  func(c *rest.Config) { c.Origins = []string{"https://a.example:443"} },
		"an origin without a scheme":   func(c *rest.Config) { c.Origins = []string{"a.example"} },
		"a header that is none":        func(c *rest.Config) { c.AllowHeaders = []string{"a b"} },
		"no keys of authIds":           func(c *rest.Config) { c.AuthIDs = nil },
	} {
		s := newStand(t)
		edit(&s.cfg)
		if _, err := rest.New(s.cfg); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// Handlers share their constant header values: appending to one must not reach
// the next request.
func TestHeaderValuesAreNotShared(t *testing.T) {
	s := newStand(t)
	s.replies(step(), nil)
	w := s.do(s.request(start, ""))
	first := w.Header().Clone()
	for name := range w.Header() {
		w.Header().Add(name, "spoiled")
	}
	if again := s.do(s.request(start, "")).Header(); !reflect.DeepEqual(first, again) {
		t.Errorf("got %v, want %v", again, first)
	}
}
