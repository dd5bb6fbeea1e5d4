package e2e

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"sojourn/http/client"
	"sojourn/http/wire"
)

// matrix is a member, one token of every kind that it makes or takes, and every
// place that takes one.
type matrix struct {
	t      *testing.T
	m      *member
	tokens map[string]string
	// asked are the questions of journeys, by the realm they run in.
	asked map[string]wire.Step
}

// amKeys are those of an AM, as it exports them.
type amKeys struct{ signing, encryption []byte }

func newAMKeys(t *testing.T, dir string) (k amKeys, settings []string) {
	t.Helper()
	k = amKeys{make([]byte, 32), make([]byte, 32)}
	for _, key := range [][]byte{k.signing, k.encryption} {
		_, err := rand.Read(key)
		must(t, err)
	}
	settings = []string{"--set", "migration.until=" + time.Now().AddDate(0, 1, 0).Format(time.DateOnly)}
	for name, key := range map[string][]byte{"signingKeys": k.signing, "encryptionKeys": k.encryption} {
		file := filepath.Join(dir, name)
		must(t, os.WriteFile(file, []byte(base64.StdEncoding.EncodeToString(key)), 0o600))
		settings = append(settings, "--set", "migration."+name+"="+file)
	}
	return k, settings
}

// session is the token of a session of user0 in a realm at the AM.
func (k amKeys) session(t *testing.T, realm, id string) string {
	t.Helper()
	claims, err := json.Marshal(map[string]any{
		"jti": id, "sub": "id=user0,ou=user,o=" + realm + ",ou=services,dc=am", "iss": "o=" + realm + ",ou=services,dc=am",
		"exp": time.Now().Add(time.Hour).Unix(), "maxtime": 120, "maxidle": 30, "props": map[string]string{"AuthLevel": "0", "Service": "Steps"},
	})
	must(t, err)
	e, err := jose.NewEncrypter(jose.A128CBC_HS256, jose.Recipient{Algorithm: jose.DIRECT, Key: k.encryption}, (&jose.EncrypterOptions{}).WithType("JWT"))
	must(t, err)
	sealed, err := e.Encrypt(claims)
	must(t, err)
	inner, err := sealed.CompactSerialize()
	must(t, err)
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: k.signing}, (&jose.SignerOptions{}).WithType("JWT").WithContentType("JWT"))
	must(t, err)
	signed, err := s.Sign([]byte(inner))
	must(t, err)
	text, err := signed.CompactSerialize()
	must(t, err)
	return "AQIC5wM2LY4Sfcx.*AAJTSQACMDEABHR5cGUAA0pXVAACUzEAAA..*" + text // SI 01, type JWT
}

// ask sends a request and returns the status and body of its answer.
func (x *matrix) ask(method, path string, header http.Header, body any) (int, string) {
	x.t.Helper()
	raw := []byte("{}")
	if body != nil {
		var err error
		raw, err = json.Marshal(body)
		must(x.t, err)
	}
	r, err := http.NewRequestWithContext(x.t.Context(), method, x.m.base()+"/json/"+path, strings.NewReader(string(raw)))
	must(x.t, err)
	r.Header = header.Clone()
	if r.Header == nil {
		r.Header = http.Header{}
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Requested-With", "XMLHttpRequest")
	answer, err := http.DefaultTransport.RoundTrip(r)
	must(x.t, err)
	defer func() { _ = answer.Body.Close() }()
	got, err := io.ReadAll(answer.Body)
	must(x.t, err)
	if answer.StatusCode >= 500 {
		x.t.Errorf("%s %s answers %d: %s", method, path, answer.StatusCode, got)
	}
	return answer.StatusCode, string(got)
}

func with(name, value string) http.Header { return http.Header{name: {value}} }

// places says of each place whether it takes a token. None of them ends anything.
func (x *matrix) places() map[string]func(token string) bool {
	const info = "realms/root/sessions?_action=getSessionInfo"
	all := map[string]func(string) bool{
		"the session's header": func(token string) bool {
			status, _ := x.ask("POST", info, with("Iplanetdirectorypro", token), nil)
			return status == 200
		},
		"the session's cookie": func(token string) bool {
			status, _ := x.ask("POST", info, with("Cookie", "iPlanetDirectoryPro="+token), nil)
			return status == 200
		},
		"tokenId in the body": func(token string) bool {
			_, body := x.ask("POST", "realms/root/sessions?_action=validate", nil, map[string]string{"tokenId": token})
			return strings.Contains(body, `"valid":true`)
		},
		"tokenId in the path": func(token string) bool {
			_, body := x.ask("POST", "realms/root/sessions/"+url.PathEscape(token)+"?_action=validate", nil, nil)
			return strings.Contains(body, `"valid":true`)
		},
		"the session to upgrade": func(token string) bool {
			status, _ := x.ask("POST", "realms/root/authenticate?authIndexType=service&authIndexValue=Steps&sessionUpgradeSSOTokenId="+url.QueryEscape(token), nil, nil)
			return status == 200
		},
		"the operator's token": func(token string) bool {
			status, _ := x.ask("GET", "global-config/sojourn/members", with("Authorization", "Bearer "+token), nil)
			return status == 200
		},
		"the operator's session": func(token string) bool {
			status, _ := x.ask("GET", "global-config/sojourn/members", with("Iplanetdirectorypro", token), nil)
			return status == 200
		},
		"a persistent cookie": func(token string) bool {
			_, body := x.ask("POST", "realms/root/authenticate?authIndexType=service&authIndexValue=Stay", with("Cookie", "session-jwt="+token), nil)
			return strings.Contains(body, `"tokenId"`)
		},
		"a suspended journey": func(token string) bool {
			status, _ := x.ask("POST", "realms/root/authenticate?suspendedId="+url.QueryEscape(token), nil, nil)
			return status == 200
		},
	}
	for realm, step := range x.asked {
		all["the authId in "+realm] = func(token string) bool {
			step.Callbacks[0].Input[0].Value = "user0"
			step.AuthID = wire.SignedAuthID(token)
			status, _ := x.ask("POST", "realms/root"+under(realm)+"/authenticate", nil, json.RawMessage(wire.AppendStep(nil, step)))
			return status == 200
		}
	}
	return all
}

// under is the part of a path that names a realm below the top level.
func under(realm string) string {
	if realm == "/" {
		return ""
	}
	return "/realms" + realm
}

// own says which kinds of tokens a place is for.
func own(place string) []string {
	if realm, ok := strings.CutPrefix(place, "the authId in "); ok {
		return []string{"authId of " + realm}
	}
	switch place {
	case "the operator's token":
		return []string{"operator token"}
	case "a persistent cookie":
		return []string{"persistent cookie"}
	case "a suspended journey":
		return []string{"suspended id"}
	case "the operator's session":
		return nil
	}
	return []string{"stored session", "session of its holder", "session of AM"}
}

// begin gathers what a journey in a realm is known by: its authId, and what that
// says of where the journey waits.
func (x *matrix) begin(c *client.Client, realm string) {
	x.t.Helper()
	reply, err := c.Start(x.t.Context(), client.Journey{Realm: realm, Tree: "Steps"})
	must(x.t, err)
	x.asked[realm] = *reply.Step
	// One that has been answered once waits in the realm's store.
	step := *reply.Step
	step.Callbacks[0].Input[0].Value = "user0"
	reply, err = c.Next(x.t.Context(), realm, step)
	must(x.t, err)
	for what, id := range map[string]wire.SignedAuthID{"": x.asked[realm].AuthID, "later ": reply.Step.AuthID} {
		x.tokens[what+"authId of "+realm] = string(id)
		raw, err := base64.RawURLEncoding.DecodeString(strings.Split(string(id), ".")[1])
		must(x.t, err)
		var claims struct{ SessionID string }
		must(x.t, json.Unmarshal(raw, &claims))
		x.tokens[what+"sessionId of "+realm] = claims.SessionID
		if at := strings.LastIndexByte(claims.SessionID, '*'); at < len(claims.SessionID)-1 {
			x.tokens[what+"sealed journey of "+realm] = claims.SessionID[at+1:]
		}
	}
}

// login ends a journey of a realm and returns the token.
func (x *matrix) login(c *client.Client, realm, tree string) string {
	x.t.Helper()
	done, err := c.Login(x.t.Context(), client.Journey{Realm: realm, Tree: tree}, func(s *wire.Step) error {
		s.Callbacks[0].Input[0].Value = map[string]string{"NameCallback": "user0", "PasswordCallback": cheapPassword}[string(s.Callbacks[0].Type)]
		return nil
	})
	must(x.t, err)
	return string(done.TokenID)
}

// TestTokenConfusion presents a token of every kind at every place that takes
// one. It is taken at its own places, and nowhere else.
func TestTokenConfusion(t *testing.T) {
	p := newPlace(t)
	am, settings := newAMKeys(t, p.dir)
	post := openPostbox(t)
	m := p.start(t, append(settings, post.settings()...)...)
	c := m.client(t)
	x := &matrix{t: t, m: m, tokens: map[string]string{}, asked: map[string]wire.Step{}}
	m.importJourneys(t, "steps.json")
	m.importJourneys(t, "stay.json")
	m.importJourneys(t, "mailed.json")
	importUsers(t, c, "user", 1)
	const states, sessions = "trees.authenticationSessionsStateManagement", "general.statelessSessionsEnabled"
	kept := realmWith(t, m, "kept", map[string]any{states: "CTS"})
	held := realmWith(t, m, "held", map[string]any{states: "JWT", sessions: true})
	for _, realm := range []string{"/", kept, held} {
		x.begin(c, realm)
	}
	x.tokens["stored session"] = x.login(c, "/", "Steps")
	x.tokens["session of its holder"] = x.login(c, held, "Steps")
	x.tokens["session of its holder, bare"] = x.tokens["session of its holder"][strings.LastIndexByte(x.tokens["session of its holder"], '*')+1:]
	x.tokens["session of AM"] = am.session(t, "held", "one")
	x.tokens["operator token"] = string(p.operator)
	x.tokens["persistent cookie"] = x.cookie()
	x.tokens["suspended id"] = x.suspended(c, post)
	for _, realm := range []string{"/", held} {
		kind := map[string]string{"/": "stored session", held: "session of its holder"}[realm]
		x.tokens["handle of a "+kind] = x.handle(x.tokens[kind])
	}
	x.tokens["handle of a session of AM"] = x.handle(x.tokens["session of AM"])

	// What is not a session, in the clothes of one.
	clothes := x.tokens["session of its holder"][:strings.LastIndexByte(x.tokens["session of its holder"], '*')+1]
	for _, kind := range slices.Collect(maps.Keys(x.tokens)) {
		if strings.HasPrefix(x.tokens[kind], "eyJ") && kind != "session of its holder, bare" {
			x.tokens[kind+" dressed as a session"] = clothes + x.tokens[kind]
		}
	}

	met := map[string]bool{}
	for place, takes := range x.places() {
		for kind, token := range x.tokens {
			want := slices.Contains(own(place), kind)
			if got := takes(token); got != want {
				t.Errorf("%s as %s: taken %v, want %v", kind, place, got, want)
			}
			met[kind] = met[kind] || want
		}
	}
	for _, kind := range []string{"stored session", "session of its holder", "session of AM", "operator token", "persistent cookie", "suspended id", "authId of /", "authId of " + kept, "authId of " + held} {
		if !met[kind] {
			t.Errorf("no place takes a %s", kind)
		}
	}
	x.handles()
}

// cookie is the persistent cookie that a login leaves.
func (x *matrix) cookie() string {
	x.t.Helper()
	body := any(nil)
	for _, value := range []string{"user0", cheapPassword, ""} {
		raw, err := json.Marshal(body)
		must(x.t, err)
		if body == nil {
			raw = []byte("{}")
		}
		r, err := http.NewRequestWithContext(x.t.Context(), "POST", x.m.base()+"/json/realms/root/authenticate?authIndexType=service&authIndexValue=Stay", strings.NewReader(string(raw)))
		must(x.t, err)
		r.Header.Set("Content-Type", "application/json")
		answer, err := http.DefaultTransport.RoundTrip(r)
		must(x.t, err)
		for _, c := range answer.Cookies() {
			if c.Name == "session-jwt" {
				must(x.t, answer.Body.Close())
				return c.Value
			}
		}
		reply, err := io.ReadAll(answer.Body)
		must(x.t, err)
		must(x.t, answer.Body.Close())
		decoded, err := wire.DecodeReply(reply)
		if err != nil || decoded.Step == nil {
			x.t.Fatalf("instead of a step: %s", reply)
		}
		decoded.Step.Callbacks[0].Input[0].Value = value
		body = json.RawMessage(wire.AppendStep(nil, *decoded.Step))
	}
	x.t.Fatal("no persistent cookie")
	return ""
}

// suspended is the id of a journey that waits for the link in a mail.
func (x *matrix) suspended(c *client.Client, post *postbox) string {
	x.t.Helper()
	_, err := c.UpdateUser(x.t.Context(), "/", wire.User{Name: "user0", Attributes: map[string][]string{"mail": {"user0@example.com"}}})
	must(x.t, err)
	status, body := x.ask("PUT", "realms/root/realm-config/emailTemplates/link", with("Authorization", "Bearer "+x.tokens["operator token"]),
		json.RawMessage(`{"enabled":true,"subject":{"en":"Go on"},"message":{"en":"Go on at {{object.resumeURI}} please"},"defaultLocale":"en"}`))
	if status != 201 {
		x.t.Fatalf("the template: %d %s", status, body)
	}
	reply, err := c.Start(x.t.Context(), client.Journey{Tree: "Mailed"})
	must(x.t, err)
	reply.Step.Callbacks[0].Input[0].Value = "user0"
	reply, err = c.Next(x.t.Context(), "/", *reply.Step)
	must(x.t, err)
	mail := post.mail(x.t)
	_, id, found := strings.Cut(mail, "suspendedId=")
	id, _, _ = strings.Cut(id, "&")
	if !found || len(id) < 20 {
		x.t.Fatalf("no link in %s", mail)
	}
	x.tokens["authId of a suspended journey"] = string(reply.Step.AuthID)
	return id
}

// handle is what names a session to whoever ends it.
func (x *matrix) handle(token string) string {
	x.t.Helper()
	header := with("Iplanetdirectorypro", token)
	header.Set("Accept-API-Version", "resource=3.1")
	status, body := x.ask("POST", "realms/root/sessions?_action=getSessionInfo", header, nil)
	var info struct{ SessionHandle string }
	if err := json.Unmarshal([]byte(body), &info); err != nil || info.SessionHandle == "" {
		x.t.Fatalf("no handle: %d %s", status, body)
	}
	return info.SessionHandle
}

// handles ends sessions by everything that is no handle of theirs, which ends
// none, and then by their handles.
func (x *matrix) handles() {
	x.t.Helper()
	sessions := []string{"stored session", "session of its holder", "session of AM"}
	live := func(kind string) bool {
		v, err := x.m.client(x.t).Peek(x.t.Context(), wire.TokenID(x.tokens[kind]))
		must(x.t, err)
		return v.Valid
	}
	end := func(token string) {
		status, body := x.ask("POST", "realms/root/sessions?_action=logoutByHandle", with("Authorization", "Bearer "+x.tokens["operator token"]), map[string][]string{"sessionHandles": {token}})
		if status != 200 && status != 400 {
			x.t.Errorf("logoutByHandle answers %d: %s", status, body)
		}
	}
	for kind, token := range x.tokens {
		if !strings.HasPrefix(kind, "handle of") {
			end(token)
		}
		for _, s := range sessions {
			if !live(s) {
				x.t.Fatalf("a %s was ended by a %s", s, kind)
			}
		}
	}
	for _, s := range sessions {
		end(x.tokens["handle of a "+s])
		if live(s) {
			x.t.Errorf("a %s was not ended by its handle", s)
		}
	}
}
