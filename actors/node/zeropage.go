package node

import (
	"fmt"
	"mime"
	"net/textproto"
	"slices"
)

// zeroPageLogin takes user name and password from request headers. Their
// values may hold words encoded by RFC 2047 in UTF-8, ISO-8859-1 or US-ASCII;
// what cannot be decoded is taken as it stands.
type zeroPageLogin struct {
	usernameHeader, passwordHeader string
	anyReferer                     bool
	referers                       []string
}

func zeroPageLoginType() Type {
	return Type{
		Name:  "ZeroPageLoginNode",
		Title: "Zero Page Login Collector",
		Properties: []Property{
			{Name: "usernameHeader", Title: "Username Header name", Kind: Text, Default: "X-OpenAM-Username"},
			{Name: "passwordHeader", Title: "Password Header name", Kind: Text, Default: "X-OpenAM-Password"},
			{Name: "allowWithoutReferer", Title: "Allow without referer", Kind: Flag, Default: true},
			{Name: "referrerWhiteList", Title: "Referer Whitelist", Kind: List},
		},
		Outcomes: Fixed(True, False),
		New: func(c Config) (Node, error) {
			return zeroPageLogin{
				usernameHeader: textproto.CanonicalMIMEHeaderKey(c.Text("usernameHeader")),
				passwordHeader: textproto.CanonicalMIMEHeaderKey(c.Text("passwordHeader")),
				anyReferer:     c.Flag("allowWithoutReferer"),
				referers:       c.List("referrerWhiteList"),
			}, nil
		},
	}
}

func (n zeroPageLogin) Process(c *Context) (Action, error) {
	names, passwords := c.Request.Headers[n.usernameHeader], c.Request.Headers[n.passwordHeader]
	if len(names)+len(passwords) == 0 || !n.allowed(c.Request.Headers["Referer"]) {
		return Goto{False}, nil
	}
	if len(names) > 1 || len(passwords) > 1 {
		return nil, fmt.Errorf("the request has %d %s and %d %s headers, one of each is allowed",
			len(names), n.usernameHeader, len(passwords), n.passwordHeader)
	}
	for _, name := range names {
		c.State.PutShared(KeyUsername, decodeWords(name))
	}
	for _, password := range passwords {
		c.State.PutTransient(KeyPassword, decodeWords(password))
	}
	return Goto{True}, nil
}

// allowed judges the Referer header. AM looks at the list only when a request
// without referer is refused too.
func (n zeroPageLogin) allowed(referers []string) bool {
	return n.anyReferer || slices.ContainsFunc(referers, func(r string) bool {
		return slices.Contains(n.referers, r)
	})
}

func decodeWords(value string) string {
	var decoder mime.WordDecoder
	decoded, err := decoder.DecodeHeader(value)
	if err != nil {
		return value
	}
	return decoded
}
