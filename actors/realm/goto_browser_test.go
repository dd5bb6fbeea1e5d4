package realm_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"sojourn/actors/realm"
)

// attack is a group of targets that are judged alike, for one reason.
type attack struct {
	Why      string   `json:"why"`
	Allowed  bool     `json:"allowed"`
	Patterns []string `json:"patterns"`
	URLs     []string `json:"urls"`
}

// attacks are the ways that we know of to make a server send its users to
// another site, beside what it must go on to allow.
func attacks(t testing.TB) []attack {
	t.Helper()
	raw, err := os.ReadFile("testdata/goto.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []attack
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestGotoAttacks(t *testing.T) {
	for _, a := range attacks(t) {
		t.Run(a.Why, func(t *testing.T) {
			for _, target := range a.URLs {
				if got := realm.GotoAllowed(a.Patterns, target); got != a.Allowed {
					t.Errorf("GotoAllowed(%q, %q) = %v", a.Patterns, target, got)
				}
			}
		})
	}
}

// browser reads URLs as the WHATWG standard says, which is what browsers do: it
// is node's own class URL.
type browser struct {
	in  io.Writer
	out *bufio.Reader
}

// location is what a browser makes of a target on a page.
type location struct {
	OK                                   bool
	Origin, Protocol, Hostname, Port     string
	Username, Password, Pathname, Search string
}

const readURLs = `
require("readline").createInterface({input: process.stdin}).on("line", line => {
  const [target, base] = JSON.parse(line)
  let out = {OK: false}
  try {
    const u = new URL(target, base)
    out = {OK: true}
    for (const part of ["origin", "protocol", "hostname", "port", "username", "password", "pathname", "search"])
      out[part] = u[part]
  } catch {}
  console.log(JSON.stringify(out))
})`

func newBrowser(t testing.TB) *browser {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node, whose class URL is the judge here, is not installed")
	}
	c := exec.Command(node, "-e", readURLs) //nolint:noctx // it ends with its input
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	})
	return &browser{in, bufio.NewReader(out)}
}

func (b *browser) read(target, base string) (location, error) {
	line, err := json.Marshal([]string{target, base})
	if err != nil {
		return location{}, err
	}
	if _, err := b.in.Write(append(line, '\n')); err != nil {
		return location{}, err
	}
	answer, err := b.out.ReadBytes('\n')
	if err != nil {
		return location{}, err
	}
	var l location
	return l, json.Unmarshal(answer, &l)
}

// pages are where a browser may be when it is sent on.
var pages = [...]string{"https://site.example/am/XUI/?realm=/", "http://site.example:8080/am", "https://site.example"} //nolint:gochecknoglobals // constants

// check says what is wrong with a target that realm.GotoAllowed allows.
func (b *browser) check(patterns []string, target string) error {
	if !realm.GotoAllowed(patterns, target) {
		return nil
	}
	within := realm.GotoAllowed(nil, target)
	for _, page := range pages {
		site, err := b.read(page, page)
		if err != nil {
			return err
		}
		readings := []string{target}
		if within { // pages and proxies decode what they are given
			readings = append(readings, decoded(target), decoded(decoded(target)))
		}
		for i, text := range readings {
			l, err := b.read(text, page)
			switch {
			case err != nil:
				return err
			case !l.OK && i > 0: // leads nowhere
			case !l.OK && within:
				return fmt.Errorf("%q cannot be read on %s", text, page)
			case l.Username != "" || l.Password != "":
				return fmt.Errorf("%q names a user", text)
			case within && l.Origin != site.Origin:
				return fmt.Errorf("%q leads from %s to %s", text, page, l.Origin)
			case !within && l.OK && !listed(patterns, l):
				return fmt.Errorf("%q leads to %+v, which is none of %q", text, l, patterns)
			}
		}
	}
	return nil
}

// decoded is a text as a lenient reader decodes its path: a broken escape stays
// as it is.
func decoded(text string) string {
	end := strings.IndexAny(text, "?#")
	if end < 0 {
		end = len(text)
	}
	path := escape.ReplaceAllStringFunc(text[:end], func(e string) string {
		c, err := url.PathUnescape(e)
		if err != nil {
			return e
		}
		return c
	})
	return path + text[end:]
}

var escape = regexp.MustCompile(`%[0-9a-fA-F]{2}`)

// listed says whether what a browser goes to is on the list, by a reading of
// patterns that has nothing in common with the one it judges: scheme, host,
// port, path and query are one text each, which a regular expression matches.
func listed(patterns []string, l location) bool {
	if l.Port == "" {
		l.Port = map[string]string{"http:": "80", "https:": "443"}[l.Protocol]
	}
	for _, p := range patterns {
		m := regexp.MustCompile(`^([^:]+:)//(\[[^\]]*\]|[^:/?]*)(?::([^/?]*))?([^?]*)(.*)$`).FindStringSubmatch(p)
		if m == nil {
			continue
		}
		if m[3] == "" {
			m[3] = map[string]string{"http:": "80", "https:": "443"}[m[1]]
		}
		if m[4] == "" {
			m[4] = "/"
		}
		query := l.Search
		if m[5] == "?*" && query == "" {
			query = "?" // a browser forgets a question mark with nothing behind it
		}
		fits := true
		for i, text := range []string{l.Protocol, l.Hostname, l.Port, l.Pathname, query} {
			expr := strings.ReplaceAll(regexp.QuoteMeta(m[i+1]), `-\*-`, `[^/]*`)
			expr = strings.ReplaceAll(expr, `\*`, `.*`)
			fits = fits && regexp.MustCompile(`^(?s:`+expr+`)$`).MatchString(text)
		}
		if fits {
			return true
		}
	}
	return false
}

// What is allowed leads, by the reading of browsers, to this site or to what is
// listed.
func TestGotoAsBrowsersRead(t *testing.T) {
	b := newBrowser(t)
	allowed := 0
	for _, a := range attacks(t) {
		for _, target := range a.URLs {
			if realm.GotoAllowed(a.Patterns, target) {
				allowed++
			}
			if err := b.check(a.Patterns, target); err != nil {
				t.Errorf("%s: %v", a.Why, err)
			}
		}
	}
	if allowed < 30 {
		t.Errorf("only %d targets were allowed: the test says little", allowed)
	}
}

func FuzzGotoAsBrowsersRead(f *testing.F) {
	for _, a := range attacks(f) {
		for _, target := range a.URLs {
			f.Add(target)
		}
	}
	b := newBrowser(f)
	patterns := []string{
		"https://app.example.com:443/*", "https://app.example.com/a/*?*", "https://*.example.org/*",
		"http*://*:8443/one/-*-/two", "https://[2001:db8::1]/*", "https://10.1.*/*",
	}
	f.Fuzz(func(t *testing.T, target string) {
		if err := b.check(patterns, target); err != nil {
			t.Fatal(err)
		}
	})
}
