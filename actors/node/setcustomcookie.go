package node

import (
	"strings"
	"time"
)

// setCustomCookie has the next reply set a cookie of the tree's own.
type setCustomCookie struct{ cookie Cookie }

func setCustomCookieType() Type {
	return Type{
		Name:  "SetCustomCookieNode",
		Title: "Set Custom Cookie",
		Pure:  true,
		Properties: []Property{
			{Name: "name", Title: "Custom Cookie Name", Kind: Text, Required: true},
			{Name: "value", Title: "Custom Cookie Value", Kind: Text, Required: true},
			{Name: "maxAge", Title: "Max Age (seconds)", Kind: Whole},
			{Name: "domain", Title: "Custom Cookie Domain", Kind: Text},
			{Name: "path", Title: "Custom Cookie Path", Kind: Text},
			{Name: "useSecureCookie", Title: "Use Secure Cookie", Kind: Flag},
			{Name: "useHttpOnlyCookie", Title: "Use HTTP Only Cookie", Kind: Flag},
			{Name: "sameSite", Title: "Custom Cookie SameSite attribute", Kind: Text, Default: "LAX", Options: []string{"LAX", "STRICT", "NONE"}},
		},
		New: func(c Config) (Node, error) {
			cookie := Cookie{
				Name: c.Text("name"), Value: c.Text("value"), MaxAge: time.Duration(c.Whole("maxAge")) * time.Second,
				Domain: c.Text("domain"), Path: c.Text("path"), SameSite: strings.ToLower(c.Text("sameSite")),
				Secure: c.Flag("useSecureCookie"), HTTPOnly: c.Flag("useHttpOnlyCookie"),
			}
			return setCustomCookie{cookie}, cookie.Check()
		},
	}
}

func (n setCustomCookie) Process(c *Context) (Action, error) {
	c.Ending.SetCookie(n.cookie)
	return Goto{Next}, nil
}
