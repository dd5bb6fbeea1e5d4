package rest

import (
	"strconv"
	"strings"

	"sojourn/actors/realm"
)

// version is a resource or protocol version; the zero value means none given.
type version struct{ major, minor uint16 }

// maxProtocol is the highest protocol version of CREST that is answered.
var maxProtocol = version{2, 2} //nolint:gochecknoglobals // a constant that Go cannot spell

// served is a version that exists, with its Content-API-Version header.
type served struct {
	version
	header []string
}

// versions are the resource versions of an endpoint: the highest minor of each
// major, oldest first.
type versions []served

func newVersions(texts ...string) versions {
	list := make(versions, len(texts))
	for i, text := range texts {
		v, ok := parseVersion(text)
		if !ok {
			panic("rest: " + strconv.Quote(text) + " is no version")
		}
		list[i] = served{v, []string{"resource=" + text}}
	}
	return list
}

// negotiate picks the version that serves the request and remembers it. A
// request for 2.0 is served by 2.1, as in AM: minors only add.
func (c *call) negotiate(have versions) error {
	if len(have) == 0 {
		return nil
	}
	// Until the request has been understood, errors are of the latest version.
	c.api = have[len(have)-1]
	asked, err := acceptVersion(c.r.Header["Accept-Api-Version"])
	if err != nil {
		return err
	}
	if asked == (version{}) {
		switch c.shared().DefaultVersion {
		case realm.None:
			return fault{status: 400, message: "No requested version specified and behavior set to NONE."}
		case realm.Oldest:
			c.api = have[0]
		case realm.Latest:
		}
		return nil
	}
	for _, s := range have {
		if s.major == asked.major && asked.minor <= s.minor {
			c.api = s
			return nil
		}
	}
	return fault{
		status:  404,
		message: `Accept-API-Version: Requested version "` + asked.String() + `" does not match any routes.`,
	}
}

func (v version) String() string {
	return strconv.Itoa(int(v.major)) + "." + strconv.Itoa(int(v.minor))
}

// acceptVersion reads Accept-API-Version: "protocol=" and "resource=" in any
// order, with any spaces. It returns the resource version asked for, zero when
// none is.
func acceptVersion(header []string) (version, error) {
	var protocol, resource version
	for _, line := range header {
		for rest := line; rest != ""; {
			var item string
			item, rest, _ = strings.Cut(rest, ",")
			name, text, ok := strings.Cut(item, "=")
			v, valid := parseVersion(strings.TrimSpace(text))
			if !ok || !valid {
				return version{}, badVersion(item)
			}
			into := &resource
			switch {
			case strings.EqualFold(strings.TrimSpace(name), "protocol"):
				into = &protocol
			case !strings.EqualFold(strings.TrimSpace(name), "resource"):
				return version{}, badVersion(item)
			}
			if *into != (version{}) {
				return version{}, badVersion(line)
			}
			*into = v
		}
	}
	if protocol.major > maxProtocol.major {
		return version{}, fault{status: 400, message: "Unsupported major version: " + protocol.String()}
	}
	if protocol.minor > maxProtocol.minor {
		return version{}, fault{status: 400, message: "Unsupported minor version: " + protocol.String()}
	}
	return resource, nil
}

func badVersion(text string) error {
	return fault{status: 400, message: "Accept-API-Version: not a version: " + shorten(strings.TrimSpace(text))}
}

// parseVersion reads "2.1" or "2"; 0.0 is none.
func parseVersion(text string) (version, bool) {
	major, minor, dotted := strings.Cut(text, ".")
	if !dotted {
		minor = "0"
	}
	a, okA := parseDigits(major)
	b, okB := parseDigits(minor)
	v := version{a, b}
	return v, okA && okB && v != version{}
}

func parseDigits(text string) (uint16, bool) {
	if text == "" || len(text) > 4 {
		return 0, false
	}
	var n uint16
	for i := range len(text) {
		d := text[i] - '0'
		if d > 9 {
			return 0, false
		}
		n = n*10 + uint16(d)
	}
	return n, true
}

// shorten bounds foreign text that is told back to its sender.
func shorten(text string) string {
	const most = 100
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
