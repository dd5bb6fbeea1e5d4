package daemon

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
	"sojourn/cmd/internal/config"
	"sojourn/cts/session"
)

// where is the realm whose settings are changed.
const where = realm.Name("/alpha")

// site is a member whose settings are changed over the API.
type site struct {
	*member
	t     *testing.T
	mails *postbox
}

// context is the test's, also for what it puts right at its end.
func (s *site) context() context.Context { return context.WithoutCancel(s.t.Context()) }

func newSite(t *testing.T) *site {
	t.Helper()
	mails := newPostbox(t)
	c := testConfig(t, func(c *config.Config) {
		c.Cookie.LBValue, c.HTTP.PublicURL = "07", "https://login.example.com"
		c.Mail = config.Mail{Host: "127.0.0.1", Port: mails.port(), TLS: "none", From: "a@example.com"}
	})
	c.Hashing = identity.Params{Memory: 64, Time: 1, Threads: 1}
	return &site{start(t, c, nil), t, mails}
}

// answered is what an API call answered.
type answered struct {
	status int
	header http.Header
	text   string
}

func (a answered) member(t *testing.T, path ...string) string {
	t.Helper()
	raw := json.RawMessage(a.text)
	for _, name := range path {
		var members map[string]json.RawMessage
		if err := json.Unmarshal(raw, &members); err != nil {
			t.Fatalf("%d %s: %v", a.status, a.text, err)
		}
		raw = members[name]
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}

// cookie is the whole first Set-Cookie line that begins with a prefix.
func (a answered) cookie(prefix string) string {
	for _, line := range a.header["Set-Cookie"] {
		if strings.HasPrefix(line, prefix) {
			return line
		}
	}
	return ""
}

// do sends a request. Headers come in pairs; a value of "-" sends none.
func (s *site) do(method, path, body string, headers ...string) answered {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.context(), method, s.base+"/json"+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Close = true
	r.Header.Set("X-Requested-With", "test")
	if strings.Contains(path, "-config/") {
		r.Header.Set("Accept-API-Version", "protocol=1.0,resource=1.0")
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		if r.Header.Del(headers[i]); headers[i+1] != "-" {
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answered{response.StatusCode, response.Header, string(text)}
}

// below is the realm's part of a path.
const below = "/realms/root/realms/alpha"

// document is the path of a settings document.
func document(id string, global bool) string {
	root := below + "/realm-config/"
	if global {
		root = "/global-config/"
	}
	switch server, ok := strings.CutPrefix(id, "server-"); {
	case ok:
		return root + "servers/server-default/properties/" + server
	case id == realm.DocumentAuthentication:
		return root + id
	}
	return root + "services/" + id
}

// set writes a settings document of the realm until the test has ended, global
// one of the whole deployment.
func (s *site) set(id, body string)    { s.t.Helper(); s.write(id, body, false) }
func (s *site) global(id, body string) { s.t.Helper(); s.write(id, body, true) }

func (s *site) write(id, body string, global bool) {
	s.t.Helper()
	path := document(id, global)
	if a := s.do(http.MethodPut, path, body, s.operator()...); a.status != http.StatusOK {
		s.t.Fatalf("%s: %d %s", path, a.status, a.text)
	}
	s.t.Cleanup(func() {
		if a := s.do(http.MethodDelete, path, "", s.operator()...); a.status != http.StatusOK && a.status != http.StatusNotFound {
			s.t.Errorf("%s: %d %s", path, a.status, a.text)
		}
	})
}

// begin starts a journey of a tree, of the default one for an empty name.
func (s *site) begin(tree string, headers ...string) answered {
	s.t.Helper()
	path := below + "/authenticate"
	if tree != "" {
		path += "?authIndexType=service&authIndexValue=" + tree
	}
	return s.do(http.MethodPost, path, "", headers...)
}

// login logs the demo user in with one request.
func (s *site) login(headers ...string) answered {
	s.t.Helper()
	return s.begin("", append([]string{"X-OpenAM-Username", s.demo.User, "X-OpenAM-Password", s.demo.Password}, headers...)...)
}

// token is that of a new session of the demo user.
func (s *site) token() string {
	s.t.Helper()
	a := s.login()
	token := a.member(s.t, "tokenId")
	if a.status != http.StatusOK || token == "" {
		s.t.Fatalf("login: %d %s", a.status, a.text)
	}
	return token
}

// sessions calls an action of the sessions endpoint with a token.
func (s *site) sessions(action, token string) answered {
	s.t.Helper()
	return s.do(http.MethodPost, below+"/sessions?_action="+action, "{}", "iPlanetDirectoryPro", token)
}

func (s *site) valid(token string) bool {
	s.t.Helper()
	return s.sessions("validate&refresh=false", token).member(s.t, "valid") == "true"
}

// stored is the session of a token as the member keeps it.
func (s *site) stored(token string) session.Session {
	s.t.Helper()
	x, err := s.member.sessions.Session(s.context(), session.TokenID(token))
	if err != nil {
		s.t.Fatal(err)
	}
	return x
}

// claims are those of the authId of a step.
func (s *site) claims(a answered) map[string]any {
	s.t.Helper()
	parts := strings.Split(a.member(s.t, "authId"), ".")
	if len(parts) != 3 {
		s.t.Fatalf("%d %s", a.status, a.text)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		s.t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(raw, &claims); err != nil {
		s.t.Fatal(err)
	}
	return claims
}

// user is the demo user as stored, changed by edit when it is not nil.
func (s *site) user(edit func(*identity.Identity)) identity.Identity {
	s.t.Helper()
	who, err := s.store.Identity(s.context(), where, s.demo.User)
	if err != nil {
		s.t.Fatal(err)
	}
	if edit == nil {
		return who
	}
	before := who
	before.Attributes = maps.Clone(who.Attributes)
	edit(&who)
	if err := s.store.PutIdentity(s.context(), who, false); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := s.store.PutIdentity(s.context(), before, false); err != nil {
			s.t.Error(err)
		}
	})
	return who
}

// node and tree write a node and a tree into the realm.
func (s *site) node(id, kind, body string) {
	s.t.Helper()
	s.define("nodes/"+kind+"/"+id, body)
}

func (s *site) tree(name, body string) {
	s.t.Helper()
	s.define("trees/"+name, body)
}

func (s *site) define(path, body string) {
	s.t.Helper()
	a := s.do(http.MethodPut, below+"/realm-config/authentication/authenticationtrees/"+path, body, s.operator()...)
	if a.status != http.StatusOK && a.status != http.StatusCreated {
		s.t.Fatalf("%s: %d %s", path, a.status, a.text)
	}
}

// effects show for each setting, by document and path, that a change over the
// API has its effect at once.
func effects() map[string]func(*testing.T, *site) {
	all := map[string]func(*testing.T, *site){}
	for _, some := range []map[string]func(*testing.T, *site){
		journeyEffects(), lockoutEffects(), loginEffects(), sessionEffects(), quotaEffects(), cookieEffects(), apiEffects(), storeEffects(), clientSideEffects(), suspendEffects(),
	} {
		maps.Copy(all, some)
	}
	return all
}

// elsewhere are the settings whose effect needs more than one member, or a store
// that is slow: the file and the test that show it.
var elsewhere = map[string][2]string{
	"session search.sessionListRetrievalTimeout": {"http/rest/sessions_list_test.go", "TestSessionListTime"},
	"sojourn journeys.replicas":                  {"cmd/internal/daemon/settings_cluster_test.go", "TestReplicasOfARealm"},
}

func TestSettingsTakeEffect(t *testing.T) {
	s := newSite(t)
	all := effects()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.Run(name, func(t *testing.T) {
			at := &site{s.member, t, s.mails}
			all[name](t, at)
		})
	}
}

// Every setting that means something has a test of its effect.
func TestEverySettingIsTested(t *testing.T) {
	all := effects()
	known := map[string]bool{}
	for _, setting := range realm.Reference() {
		name := setting.Document + " " + setting.Path
		known[name] = true
		_, here := all[name]
		place, there := elsewhere[name]
		shown := 0
		for _, is := range []bool{here, there} {
			if is {
				shown++
			}
		}
		switch {
		case setting.None && shown > 0:
			t.Errorf("%s does nothing, they say, and has a test of what it does", name)
		case !setting.None && shown != 1:
			t.Errorf("%s needs one test of its effect, and has %d", name, shown)
		case there:
			source, err := os.ReadFile(filepath.Join("../../..", filepath.FromSlash(place[0])))
			if err != nil || !strings.Contains(string(source), "func "+place[1]+"(") {
				t.Errorf("%s: no %s in %s: %v", name, place[1], place[0], err)
			}
		}
	}
	for _, listed := range [][]string{slices.Collect(maps.Keys(all)), slices.Collect(maps.Keys(elsewhere))} {
		for _, name := range listed {
			if !known[name] {
				t.Errorf("there is no setting %s", name)
			}
		}
	}
}
