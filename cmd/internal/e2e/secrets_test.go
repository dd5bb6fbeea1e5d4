package e2e

import (
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"sojourn/http/client"
	"sojourn/http/wire"
)

// TestNoSecretInLogs drives a member at log level debug through logins, good
// and bad, session calls, administration, and requests that make no sense, and
// then looks for everything that was secret in all that the process said.
func TestNoSecretInLogs(t *testing.T) {
	p := newPlace(t)
	m := p.start(t, "--set", "log.level=debug")
	c := m.client(t)
	secrets := map[string]string{}
	keep := func(what, value string) {
		t.Helper()
		if len(value) < 8 {
			t.Fatalf("%s is no secret: %q", what, value)
		}
		secrets[what] = value
	}
	keep("the demo password", p.seed.Password)
	keep("the operator token", string(p.operator))
	master, err := os.ReadFile(p.secretFile)
	must(t, err)
	keep("the cluster secret", strings.TrimSpace(string(master)))

	// Logins: step by step, in one request, with a wrong password, twice.
	reply, err := c.Start(t.Context(), client.Journey{Tree: "Login"})
	must(t, err)
	step := *reply.Step
	must(t, client.Credentials(p.seed.User, wire.Password(p.seed.Password))(&step))
	keep("an authId", string(step.AuthID))
	keep("an authId's claims", strings.Split(string(step.AuthID), ".")[1])
	for range 2 { // the second is a network retry
		reply, err = c.Next(t.Context(), "/", step)
		must(t, err)
	}
	token := reply.Success.TokenID
	keep("a tokenId", string(token))
	keep("the random part of a tokenId", strings.Split(string(token), "*")[0])
	const wrong = "wrong-password-of-somebody"
	keep("a wrong password", wrong)
	must(t, client.Credentials(p.seed.User, wrong)(&step))
	if _, err := c.Next(t.Context(), "/", step); err == nil {
		t.Error("another answer to an old step was taken")
	}
	for _, user := range []string{p.seed.User, "nobody"} {
		if _, err := c.Start(t.Context(), client.Journey{Tree: "Login", Username: user, Password: wrong}); !client.IsStatus(err, 401) {
			t.Errorf("wrong password: %v", err)
		}
	}
	reply, err = c.Start(t.Context(), client.Journey{Tree: "Choice"})
	must(t, err)
	must(t, client.Credentials(p.seed.User, wire.Password(p.seed.Password))(reply.Step))
	reply, err = c.Next(t.Context(), "/", *reply.Step)
	must(t, err)
	keep("the authId of a journey in its middle", string(reply.Step.AuthID))

	// Administration, with and without the right.
	const made = "password-of-a-new-user"
	keep("a new user's password", made)
	must(t, c.CreateUser(t.Context(), "/", wire.User{Name: "ann", Password: made}))
	hash, err := bcrypt.GenerateFromPassword([]byte(cheapPassword), bcrypt.MinCost)
	must(t, err)
	keep("an imported hash", string(hash))
	line, err := wire.User{Name: "bob", Hash: wire.Password(hash)}.MarshalJSON()
	must(t, err)
	_, err = c.ImportUsers(t.Context(), "/", strings.NewReader(string(line)+"\n{\"username\":\"eve\",\"_hash\":\"$2b$10$short-and-secret\"}\n"), true, nil)
	must(t, err)
	keep("a hash that was refused", "short-and-secret")
	admin := login(t, c, "amadmin", p.seed.Password)
	keep("an administrator's tokenId", string(admin))
	const forged = "sojourn_op_forged-operator-token"
	keep("a forged operator token", forged)
	thief, err := client.New(client.Config{Base: m.base(), Operator: forged})
	must(t, err)
	defer thief.Close()
	if _, err := thief.Realms(t.Context()); err == nil {
		t.Error("a forged operator token opened the administration")
	}
	if _, err := c.SessionsOf(t.Context(), "/", "amadmin"); err != nil {
		t.Error(err)
	}

	// Tokens where they belong and where they do not; bodies that are broken
	// around a password.
	const body = `{"authId":"eyJsecret.claims-that-are-secret.sig","callbacks":[{"type":"PasswordCallback","input":[{"value":"password-in-a-broken-body`
	keep("claims of a forged authId", "claims-that-are-secret")
	keep("a password in a broken body", "password-in-a-broken-body")
	raw := m.pipe(t)
	for _, r := range []struct{ method, target, header, body string }{
		{"POST", "/am/json/sessions?_action=validate&tokenId=" + string(token), "", "{}"},
		{"POST", "/am/json/sessions?_action=getSessionInfo", "Cookie: iPlanetDirectoryPro=" + string(token), `{"tokenId":"` + string(token) + `"}`},
		{"GET", "/am/json/sessions/" + string(token), "", ""},
		{"GET", "/am/json/nothing/" + string(token) + "?token=" + string(token), "iPlanetDirectoryPro: " + string(token), ""},
		{"POST", "/am/json/authenticate", "", body},
		{"POST", "/am/json/authenticate", "", body + `"}]}]}`},
		{"POST", "/am/json/authenticate", "X-OpenAM-Username: demo\r\nX-OpenAM-Password: " + wrong, ""},
		{"POST", "/am/json/sessions?_action=" + wrong, "iPlanetDirectoryPro: " + string(token), "{}"},
		{"POST", "/am/json/users?_action=create", "Authorization: Bearer " + forged, `{"username":"x","userpassword":"` + wrong + `"}`},
	} {
		if r.header != "" {
			r.header += "\r\n"
		}
		must(t, raw.send([]byte(r.method+" "+r.target+" HTTP/1.1\r\nHost: localhost\r\nAccept-API-Version: resource=4.0\r\nContent-Type: application/json\r\n"+
			r.header+"Content-Length: "+strconv.Itoa(len(r.body))+"\r\n\r\n"+r.body)))
		a, err := raw.receive()
		must(t, err)
		if a.StatusCode >= http.StatusInternalServerError && a.StatusCode != http.StatusNotImplemented {
			t.Errorf("%s %s: %s %s", r.method, strings.SplitN(r.target, "?", 2)[0], a.Status, a.body)
		}
	}
	if ended, err := c.Logout(t.Context(), token); err != nil || !ended {
		t.Errorf("logout: %v, %v", ended, err)
	}
	m.terminate(t)

	said := m.log.String()
	if !strings.Contains(said, "level=DEBUG") {
		t.Errorf("nothing was said at level debug: %q", said)
	}
	for what, value := range secrets {
		if at := strings.Index(said, value); at >= 0 {
			t.Errorf("%s is in the log: ...%s", what, said[max(0, at-200):at])
		}
	}
	t.Logf("%d secrets, %d bytes of log", len(secrets), len(said))
}
