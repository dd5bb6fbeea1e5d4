package rest_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"sojourn/actors/journey"
	"sojourn/actors/node"
	"sojourn/actors/realm"
)

// Cookies of trees go with a step and with a success, in the server's own
// domains unless they say otherwise.
func TestCookiesOfTrees(t *testing.T) {
	const lb = "amlbcookie=01; Path=/; HttpOnly"
	plain := realm.DefaultSettings().Deployment.Cookies
	wide := plain
	wide.Secure, wide.SameSite, wide.Domains = true, realm.SameSiteNone, []string{".a.example", ".b.example"}
	tests := []struct {
		name   string
		server realm.Cookies
		cookie node.Cookie
		want   []string
	}{
		{"plain", plain, node.Cookie{Name: "a", Value: "b"}, []string{"a=b; Path=/"}},
		{
			"all attributes",
			plain,
			node.Cookie{Name: "a", Value: "b", MaxAge: 90 * time.Second, Path: "/x", Domain: "c.example", SameSite: "strict", Secure: true, HTTPOnly: true},
			[]string{"a=b; Path=/x; Domain=c.example; Max-Age=90; Secure; HttpOnly; SameSite=strict"},
		},
		{"taken away", plain, node.Cookie{Name: "a", MaxAge: -1}, []string{"a=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:10 GMT"}},
		{"less than a second", plain, node.Cookie{Name: "a", Value: "b", MaxAge: time.Millisecond}, []string{"a=b; Path=/; Max-Age=1"}},
		{"in the server's domains", wide, node.Cookie{Name: "a", Value: "b", Secure: true}, []string{
			"a=b; Path=/; Domain=.a.example; Secure; SameSite=none", "a=b; Path=/; Domain=.b.example; Secure; SameSite=none",
		}},
		{"none is for secure cookies", wide, node.Cookie{Name: "a", Value: "b", Domain: "x.example"}, []string{"a=b; Path=/; Domain=x.example"}},
		{"another attribute in the value", plain, node.Cookie{Name: "a", Value: "b; Domain=evil.example"}, nil},
		{"a header in the value", plain, node.Cookie{Name: "a", Value: "b\r\nX: y"}, nil},
		{"a header in the name", plain, node.Cookie{Name: "a\r\nX", Value: "y"}, nil},
		{"another attribute in the path", plain, node.Cookie{Name: "a", Value: "b", Path: "/; Domain=evil.example"}, nil},
		{"another attribute in the domain", plain, node.Cookie{Name: "a", Value: "b", Domain: "a.example; Path=/x"}, nil},
		{"too long", plain, node.Cookie{Name: "a", Value: strings.Repeat("b", 5000)}, nil},
		{"in place of the session's", plain, node.Cookie{Name: "iplanetdirectorypro", Value: "b"}, nil},
		{"in place of the load balancer's", plain, node.Cookie{Name: "amlbcookie", Value: "02"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStand(t)
			s.cfg.Process.Cookies = tt.server
			for name, reply := range map[string]journey.Reply{
				"step":    {Ref: ref(), Ask: &journey.Ask{Callbacks: step().Ask.Callbacks, Cookies: []node.Cookie{tt.cookie}}, Realm: "/alpha"},
				"success": done(journey.Done{Success: true, URL: "/", Cookies: []node.Cookie{tt.cookie}}),
			} {
				s.replies(reply, nil)
				w := s.do(s.request(start, ""))
				if w.Code != http.StatusOK {
					t.Fatalf("%s: %d %s", name, w.Code, w.Body)
				}
				// What the server sets itself comes first.
				got := slices.DeleteFunc(w.Header()["Set-Cookie"], func(line string) bool {
					return strings.HasPrefix(line, "amlbcookie=01") || strings.HasPrefix(line, "iPlanetDirectoryPro=")
				})
				if !slices.Equal(got, tt.want) {
					t.Errorf("%s sets %q, want %q", name, got, tt.want)
				}
			}
		})
	}
	s := newStand(t)
	s.replies(done(journey.Done{Message: "no", Cookies: []node.Cookie{{Name: "a", Value: "b"}}}), nil)
	if w := s.do(s.request(start, "")); w.Code != http.StatusUnauthorized || len(w.Header()["Set-Cookie"]) > 0 {
		t.Errorf("a failed login sets %q", w.Header()["Set-Cookie"])
	}
	s.replies(step(), nil)
	if w := s.do(s.request(start, "")); !slices.Equal(w.Header()["Set-Cookie"], []string{lb}) {
		t.Errorf("cookies of one answer are in another: %q", w.Header()["Set-Cookie"])
	}
}
