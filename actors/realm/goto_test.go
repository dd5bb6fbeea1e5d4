package realm_test

import (
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sojourn/actors/realm"
)

func TestGotoAllowed(t *testing.T) {
	app := []string{"https://app.example.com:443/*", "https://app.example.com:443/*?*"}
	tests := []struct {
		name     string
		patterns []string
		url      string
		want     bool
	}{
		{"relative", nil, "/profile", true},
		{"relative with query and fragment", nil, "/profile?next=https://x.example/#top", true},
		{"relative without slash", nil, "profile/edit", true},
		{"query alone", nil, "?realm=/alpha", true},
		{"fragment alone", nil, "#/profile", true},
		{"fragment of a client-side router", nil, "/enduser/#//deep", true},
		{"percent sign", nil, "/100%25", true},
		{"encoded space", nil, "/my%20page", true},
		{"letters beyond ASCII", nil, "/münchen", true},
		{"relative, with patterns", app, "/profile", true},

		{"absolute, no patterns", nil, "https://app.example.com/", false},
		{"listed", app, "https://app.example.com/home", true},
		{"listed, port said", app, "https://app.example.com:443/home", true},
		{"listed, host in capitals", app, "HTTPS://App.Example.COM/home", true},
		{"listed, no path", app, "https://app.example.com", true},
		{"listed, with query", app, "https://app.example.com/home?a=b&c=/d?e", true},
		{"listed, with fragment", app, "https://app.example.com/home#x", true},
		{"query without a pattern for it", app[:1], "https://app.example.com/home?a=b", false},
		{"empty query without a pattern for it", app[:1], "https://app.example.com/home?", false},
		{"no query where one is wanted", app[1:], "https://app.example.com/home", false},
		{"other scheme of the host", app, "http://app.example.com:443/home", false},
		{"other port", app, "https://app.example.com:8443/home", false},
		{"other host", app, "https://evil.example.com/", false},
		{"default port of the pattern", []string{"https://a.example/x"}, "https://a.example:443/x", true},
		{"exact path", []string{"https://a.example/x"}, "https://a.example/xy", false},
		{"any host below", []string{"https://*.example.com/*"}, "https://a.b.example.com/x", true},
		{"host must keep its dot", []string{"https://*.example.com/*"}, "https://evilexample.com/x", false},
		{"star in the host ends with the host", []string{"https://*.example.com/*"}, "https://evil.org/.example.com/x", false},
		{"star in the host ends with its port", []string{"https://*.example.com/*"}, "https://evil.org:80.example.com/x", false},
		{"star over both schemes and all ports", []string{"http*://a.example:*/*"}, "http://a.example:8080/x", true},
		{"one level", []string{"https://a.example/-*-/x"}, "https://a.example/b/x", true},
		{"not two levels", []string{"https://a.example/-*-/x"}, "https://a.example/b/c/x", false},
		{"address", []string{"https://[::1]:8443/*"}, "https://[::1]:8443/x", true},
		{"pattern that cannot be read", []string{"*", "https://", "https://a b/*"}, "https://a.example/", false},

		{"empty", app, "", false},
		{"too long", app, "/" + strings.Repeat("a", realm.MaxURL), false},
		{"as long as may be", app, "/" + strings.Repeat("a", realm.MaxURL-1), true},
		{"scheme-relative", app, "//evil.example", false},
		{"scheme-relative, listed host", app, "//app.example.com/", false},
		{"three slashes", app, "///evil.example", false},
		{"backslash", app, `/\evil.example`, false},
		{"two backslashes", app, `\\evil.example`, false},
		{"backslash in a host", app, `https://evil.example\@app.example.com/`, false},
		{"encoded slash", app, "/%2fevil.example", false},
		{"encoded backslash", app, "/%5cevil.example", false},
		{"slash encoded twice", app, "/%252fevil.example", false},
		{"tidied into a host", app, "/.//evil.example", false},
		{"climbs into a host", app, "/a/..//evil.example", false},
		{"line feed", app, "/a\nSet-Cookie:x", false},
		{"encoded line feed", app, "/a%0d%0aSet-Cookie:x", false},
		{"carriage return in front", app, "\r//evil.example", false},
		{"tab within", app, "/\t/evil.example", false},
		{"space in front", app, " //evil.example", false},
		{"NUL", app, "/\x00/evil.example", false},
		{"delete", app, "/\x7f/evil.example", false},
		{"next line", app, "/\u0085/evil.example", false},
		{"line separator", app, "/\u2028/evil.example", false},
		{"zero width", app, "/\u200b/evil.example", false},
		{"right to left", app, "/\u202emoc.elpmaxe", false},
		{"invalid UTF-8", app, "/\xff", false},
		{"javascript", app, "javascript:alert(1)", false},
		{"javascript in capitals", app, "JaVaScRiPt:alert(1)", false},
		{"javascript with a comment", app, "javascript://app.example.com/%0aalert(1)", false},
		{"javascript split by a tab", app, "java\tscript:alert(1)", false},
		{"encoded scheme", app, "java%73cript:alert(1)", false},
		{"data", app, "data:text/html,x", false},
		{"vbscript", app, "vbscript:x", false},
		{"file", []string{"file://app.example.com/*"}, "file://app.example.com/etc", false},
		{"ftp", app, "ftp://app.example.com/", false},
		{"scheme that a pattern's star would take", []string{"http*://*:*/*"}, "httpx://a.example:80/", false},
		{"own scheme", app, "myapp://app.example.com/", false},
		{"scheme without slashes", app, "https:evil.example", false},
		{"scheme with one slash", app, "https:/evil.example", false},
		{"scheme with three slashes", app, "https:///evil.example", false},
		{"user name", app, "https://app.example.com@evil.example/", false},
		{"user name before a listed host", app, "https://evil.example@app.example.com/", false},
		{"user name and password", app, "https://a:b@app.example.com/", false},
		{"encoded user name", app, "https://evil.example%40app.example.com/", false},
		{"listed host as a prefix", app, "https://app.example.com.evil.example/", false},
		{"listed host as a suffix", app, "https://evilapp.example.com/", false},
		{"listed host as a path", app, "https://evil.example/app.example.com/", false},
		{"listed host as a query", app, "https://evil.example?https://app.example.com/", false},
		{"listed host as a fragment", app, "https://evil.example#https://app.example.com/", false},
		{"full stop of another script", app, "https://app。example.com/", false},
		{"slash of another script", app, "https://evil.example／app.example.com/", false},
		{"letter of another script", app, "https://аpp.example.com/", false},
		{"dot segments", []string{"https://a.example/public/*"}, "https://a.example/public/../admin", false},
		{"encoded dot segments", []string{"https://a.example/public/*"}, "https://a.example/public/%2e%2E/admin", false},
		{"port of letters", app, "https://app.example.com:x/", false},
		{"empty port", app, "https://app.example.com:/", false},
		{"port with a zero in front", app, "https://app.example.com:0443/", false},
		{"broken escape", app, "/%zz", false},
		{"zone", []string{"https://*/*"}, "https://[fe80::1%25eth0]/", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := realm.GotoAllowed(tt.patterns, tt.url); got != tt.want {
				t.Errorf("GotoAllowed(%q, %q) = %v", tt.patterns, tt.url, got)
			}
		})
	}
}

func TestCheckGotoPattern(t *testing.T) {
	tests := []struct {
		name, pattern string
		ok            bool
	}{
		{"full", "https://app.example.com:443/*?*", true},
		{"all", "http*://*:*/*?*", true},
		{"no path", "https://app.example.com", true},
		{"query at once", "https://app.example.com?*", true},
		{"address", "http://[2001:db8::1]/", true},
		{"nothing", "", false},
		{"star", "*", false},
		{"relative", "/app/*", false},
		{"other scheme", "ftp://app.example.com/*", false},
		{"no host", "https:///x", false},
		{"user name", "https://a@app.example.com/*", false},
		{"port of letters", "https://app.example.com:http/*", false},
		{"space", "https://app.example.com/ *", false},
		{"fragment", "https://app.example.com/#*", false},
		{"line feed", "https://app.example.com/\n", false},
		{"too long", "https://app.example.com/" + strings.Repeat("a", realm.MaxURL), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := realm.CheckGotoPattern(tt.pattern); (err == nil) != tt.ok {
				t.Errorf("CheckGotoPattern(%q) = %v", tt.pattern, err)
			}
		})
	}
}

// What is allowed without patterns resolves to the site it was asked on, for a
// reader that decodes it and one that does not.
func FuzzGotoAllowed(f *testing.F) {
	for _, seed := range []string{"/a", "?a", "#a", "a/b", "//x", `/\x`, "/%2fx", "https://a.example/x", "https:x", "/.//x", "/a:b", "a:b"} {
		f.Add(seed)
	}
	base := &url.URL{Scheme: "https", Host: "site.example", Path: "/am/"}
	f.Fuzz(func(t *testing.T, text string) {
		if realm.GotoAllowed([]string{"https://a.example/*"}, text) && !realm.GotoAllowed(nil, text) {
			u, err := url.Parse(text)
			if err != nil || u.Host != "a.example" && !strings.EqualFold(u.Host, "a.example") && u.Port() != "443" || u.User != nil {
				t.Fatalf("%q is allowed and is not on the listed host", text)
			}
		}
		if !realm.GotoAllowed(nil, text) {
			return
		}
		texts := []string{text}
		if decoded, err := url.PathUnescape(text); err == nil {
			texts = append(texts, decoded)
		}
		for i, text := range texts {
			u, err := base.Parse(text)
			if err != nil && i == 0 {
				t.Fatalf("%q is allowed and cannot be resolved: %v", text, err)
			}
			if err == nil && (u.Host != base.Host || u.Scheme != base.Scheme || u.User != nil) {
				t.Fatalf("%q is allowed and leads to %s", text, u)
			}
		}
	})
}

// A pattern without stars allows exactly itself.
func TestGotoLiteral(t *testing.T) {
	part := rapid.StringMatching(`[a-z0-9]{1,6}`)
	address := rapid.Custom(func(t *rapid.T) string {
		u := "https://" + part.Draw(t, "host") + ".example/" + part.Draw(t, "path")
		if rapid.Bool().Draw(t, "query") {
			u += "?" + part.Draw(t, "value")
		}
		return u
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := address.Draw(t, "pattern"), address.Draw(t, "url")
		if !realm.GotoAllowed([]string{a}, a) {
			t.Fatalf("%s does not allow itself", a)
		}
		if a != b && realm.GotoAllowed([]string{a}, b) {
			t.Fatalf("%s allows %s", a, b)
		}
	})
}
