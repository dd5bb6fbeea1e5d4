package realm

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxURL is the longest URL, in bytes, that a client may ask to be sent to (AM:
// org.forgerock.openam.redirecturlvalidator.maxUrlLength).
const MaxURL = 2000

// GotoAllowed reports whether a client may be sent to target after a journey: a
// reference within this site ("/profile", "?a=b", "#top"), or an absolute http
// or https URL that one of the patterns lists. An absolute URL of this site
// needs a pattern too, for what this site is called is the caller's to know.
//
// What browsers and servers read in different ways is refused, listed or not:
// control characters, spaces, backslashes, "//host", other schemes, user names
// before the host, dot segments, encoded slashes in front of a host, and all
// above MaxURL (am-contract section 5.6). A pattern that cannot be read allows
// nothing.
func GotoAllowed(patterns []string, target string) bool {
	u, ok := readTarget(target)
	switch {
	case !ok:
		return false
	case u.scheme == "":
		return withinSite(target)
	}
	return slices.ContainsFunc(patterns, func(text string) bool {
		p, err := parsePattern(text)
		return err == nil && p.matches(u)
	})
}

// CheckGotoPattern says what is wrong with an entry of validGotoDestinations.
func CheckGotoPattern(pattern string) error {
	_, err := parsePattern(pattern)
	return err
}

// location is an absolute URL in the parts that patterns compare: scheme and
// host in lower case, the port always there, path and query as they were sent.
// query has its question mark. The fragment, which no server sees, is left out.
type location struct{ scheme, host, port, path, query string }

// readTarget takes a URL apart; a relative one only as far as its scheme.
func readTarget(text string) (location, bool) {
	if text == "" || len(text) > MaxURL || !clean(text) {
		return location{}, false
	}
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" || u.User != nil {
		return location{}, false
	}
	if u.Scheme == "" && u.Host == "" {
		return location{}, true
	}
	l := location{scheme: u.Scheme, host: strings.ToLower(u.Hostname()), port: u.Port(), path: u.EscapedPath()}
	if u.RawQuery != "" || u.ForceQuery {
		l.query = "?" + u.RawQuery
	}
	if l.port == "" && !strings.HasSuffix(u.Host, ":") {
		l.port = defaultPort(u.Scheme)
	}
	if l.path == "" {
		l.path = "/"
	}
	ok := defaultPort(l.scheme) != "" && validHost(l.host) && validPort(l.port) && plainPath(l.path)
	return l, ok
}

// clean refuses what is taken out, trimmed or turned round by some readers of
// URLs and not by others.
func clean(text string) bool {
	if !utf8.ValidString(text) {
		return false
	}
	for _, r := range text {
		if r == '\\' || r == utf8.RuneError || unicode.IsSpace(r) || !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

func defaultPort(scheme string) string {
	switch scheme {
	case "http":
		return "80"
	case "https":
		return "443"
	}
	return ""
}

// validHost takes names of ASCII letters, digits, hyphens and dots, and IP
// addresses. A name with other letters has an ASCII form that it must be
// written in, and an address the form that browsers give it: they read
// "0x7f.1" as 127.0.0.1, so a pattern would be compared with another host than
// they go to.
func validHost(host string) bool {
	if strings.Contains(host, ":") {
		a, err := netip.ParseAddr(host)
		return err == nil && a.Zone() == "" && !a.Is4In6() && a.String() == host
	}
	if host == "" || strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789-.") != "" ||
		strings.Contains(host, "..") || host[0] == '.' {
		return false
	}
	if last := host[strings.LastIndexByte(strings.TrimSuffix(host, "."), '.')+1:]; !numeric(last) {
		return true
	}
	_, err := netip.ParseAddr(host)
	return err == nil
}

// numeric reports whether a host that ends in this label is an address to
// browsers: a number, or one in hexadecimal.
func numeric(label string) bool {
	label = strings.TrimSuffix(label, ".")
	if digits, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(digits, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

func validPort(port string) bool {
	return port != "" && len(port) <= 5 && strings.Trim(port, "0123456789") == "" && port[0] != '0'
}

// plainPath refuses paths that lead elsewhere once somebody tidies them up.
func plainPath(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		switch decoded := strings.NewReplacer("%2e", ".", "%2E", ".").Replace(segment); decoded {
		case ".", "..":
			return false
		}
	}
	return true
}

// withinSite judges a relative reference: it must stay one for every reader,
// also for one that decodes it first, and for one that leaves a broken escape
// as it is.
func withinSite(text string) bool {
	path, _, _ := strings.Cut(text, "#")
	path, _, _ = strings.Cut(path, "?")
	if !plainPath(path) {
		return false
	}
	for range 3 { // as it is, for a proxy, for the page behind it
		first, _, _ := strings.Cut(path, "/")
		if strings.Contains(path, "//") || strings.Contains(first, ":") || strings.ContainsFunc(path, unsafe) {
			return false
		}
		path = unescape(path)
	}
	return true
}

// unescape decodes what can be decoded, as browsers do.
func unescape(text string) string {
	if !strings.Contains(text, "%") {
		return text
	}
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+2 < len(text) {
			if c, err := strconv.ParseUint(text[i+1:i+3], 16, 8); err == nil {
				out = append(out, byte(c))
				i += 2
				continue
			}
		}
		out = append(out, text[i])
	}
	return string(out)
}

// unsafe are control characters, backslashes, and what some readers take for a
// slash or a backslash.
func unsafe(r rune) bool {
	return r == '\\' || r == '\uff0f' || r == '\uff3c' || unicode.IsControl(r)
}

// pattern is an entry of validGotoDestinations in its parts. In host, path and
// query "*" stands for any text, "-*-" for any without a slash; neither crosses
// into the next part, so that "*" never reaches over a question mark.
type pattern struct{ scheme, host, port, path, query string }

// parsePattern reads "https://app.example.com:443/*?*". Without a port the
// scheme's own is meant, without a path "/", without a question mark no query.
func parsePattern(text string) (pattern, error) {
	fault := func(detail string) (pattern, error) {
		return pattern{}, fmt.Errorf("URL pattern %.200q: %s", text, detail)
	}
	if len(text) > MaxURL || !clean(text) || strings.Contains(text, "#") {
		return fault("it is too long, or holds a space, a backslash, a fragment or a control character")
	}
	scheme, rest, ok := strings.Cut(text, "://")
	p := pattern{scheme: strings.ToLower(scheme)}
	if !ok || !glob(p.scheme, "http") && !glob(p.scheme, "https") {
		return fault("it must start with http:// or https://")
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	authority, rest := strings.ToLower(rest[:end]), rest[end:]
	p.host, p.port = authority, ""
	if i := strings.LastIndexByte(authority, ':'); i > strings.LastIndexByte(authority, ']') {
		p.host, p.port = authority[:i], authority[i+1:]
		if p.port != "*" && !validPort(p.port) {
			return fault("the port must be a number or *")
		}
	}
	p.host = strings.Trim(p.host, "[]")
	if !validHost(strings.ReplaceAll(p.host, "*", "x")) {
		return fault("it needs a host: a name in ASCII, an address, or * for parts of it")
	}
	if i := strings.IndexByte(rest, '?'); i >= 0 {
		rest, p.query = rest[:i], rest[i:]
	}
	if p.path = rest; p.path == "" {
		p.path = "/"
	}
	return p, nil
}

func (p pattern) matches(l location) bool {
	port := p.port
	if port == "" {
		port = defaultPort(l.scheme)
	}
	return glob(p.scheme, l.scheme) && glob(p.host, l.host) && glob(port, l.port) &&
		glob(p.path, l.path) && glob(p.query, l.query)
}

// glob compares text with a pattern of "*" and "-*-". It takes time in
// proportion to the product of their lengths, whatever they hold.
func glob(pattern, text string) bool {
	// reached[i]: the pattern so far fits the first i bytes of text.
	reached := make([]bool, len(text)+1)
	reached[0] = true
	for len(pattern) > 0 {
		switch {
		case strings.HasPrefix(pattern, "-*-"):
			pattern = pattern[3:]
			for i := range len(text) {
				reached[i+1] = reached[i+1] || reached[i] && text[i] != '/'
			}
		case pattern[0] == '*':
			pattern = pattern[1:]
			for i := range len(text) {
				reached[i+1] = reached[i+1] || reached[i]
			}
		default:
			for i := len(text); i > 0; i-- {
				reached[i] = reached[i-1] && text[i-1] == pattern[0]
			}
			reached[0] = false
			pattern = pattern[1:]
		}
	}
	return reached[len(text)]
}
