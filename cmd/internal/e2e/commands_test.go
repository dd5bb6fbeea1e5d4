package e2e

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"sojourn/http/client"
	"sojourn/http/wire"
)

// shell runs commands of the binary against a running member.
type shell struct {
	t *testing.T
	m *member
	c *client.Client
}

func newShell(t *testing.T) shell {
	t.Helper()
	m := newPlace(t).start(t)
	return shell{t, m, m.client(t)}
}

// ok runs a command that must succeed, fails one that must not. Both return
// what the command said: ok on its output, fails on its error output.
func (s shell) ok(stdin string, args ...string) string {
	s.t.Helper()
	out, _ := s.m.place.run(s.t, 0, stdin, s.reaching(args)...)
	return out
}

func (s shell) fails(code int, stdin string, args ...string) string {
	s.t.Helper()
	_, said := s.m.place.run(s.t, code, stdin, s.reaching(args)...)
	return said
}

func (s shell) reaching(args []string) []string {
	return append(slices.Clone(args), "--server", s.m.base(), "--secret", s.m.place.secretFile)
}

// names reads the names of a listing in JSON.
func (s shell) names(args ...string) []string {
	s.t.Helper()
	var rows []struct{ Name string }
	must(s.t, json.Unmarshal([]byte(s.ok("", append(args, "--json")...)), &rows))
	names := make([]string, len(rows))
	for i, row := range rows {
		names[i] = row.Name
	}
	return names
}

// logsIn reports whether a user gets in through a tree of a realm.
func (s shell) logsIn(realm, tree, user, password string) bool {
	s.t.Helper()
	_, err := s.c.Login(s.t.Context(), client.Journey{Realm: realm, Tree: tree}, client.Credentials(user, wire.Password(password)))
	if err != nil && !client.IsStatus(err, 401) {
		s.t.Fatalf("login of %s: %v", user, err)
	}
	return err == nil
}

func TestCommandUsers(t *testing.T) {
	s := newShell(t)
	expect := func(what string, got, want bool) {
		t.Helper()
		if got != want {
			t.Errorf("%s: login %v, want %v", what, got, want)
		}
	}
	const first, second = "the-first-password", "the-second-password"
	s.ok(first+"\n", "users", "add", "bob", "--password-stdin", "--attribute", "mail=bob@example.com")
	expect("added", s.logsIn("/", "Login", "bob", first), true)
	s.fails(1, first, "users", "add", "bob", "--password-stdin")
	s.ok("", "users", "disable", "bob")
	expect("disabled", s.logsIn("/", "Login", "bob", first), false)
	s.ok("", "users", "enable", "bob")
	expect("enabled", s.logsIn("/", "Login", "bob", first), true)
	s.ok(second, "users", "passwd", "bob", "--password-stdin")
	expect("old password", s.logsIn("/", "Login", "bob", first), false)
	expect("new password", s.logsIn("/", "Login", "bob", second), true)
	s.fails(1, second, "users", "passwd", "nobody", "--password-stdin")

	hash, err := bcrypt.GenerateFromPassword([]byte(cheapPassword), bcrypt.MinCost)
	must(t, err)
	lines := `{"username":"ann","_hash":"` + string(hash) + `"}` + "\n" + `{"username":"bob","_hash":"` + string(hash) + `"}` + "\n"
	s.ok(lines, "users", "import", "-")
	expect("imported", s.logsIn("/", "Login", "ann", cheapPassword), true)
	expect("there before the import", s.logsIn("/", "Login", "bob", second), true)
	s.ok(lines, "users", "import", "-", "--overwrite")
	expect("overwritten", s.logsIn("/", "Login", "bob", cheapPassword), true)
	if said := s.fails(1, `{"username":"eve","_hash":"none"}`+"\n"+`{"username":"eva","_hash":"`+string(hash)+`"}`, "users", "import", "-"); !strings.Contains(said, "line 1: ") {
		t.Errorf("a bad line: %s", said)
	}
	expect("behind a bad line", s.logsIn("/", "Login", "eva", cheapPassword), true)
	if got, want := s.names("users", "list"), []string{"amadmin", "ann", "bob", "demo", "eva"}; !slices.Equal(got, want) {
		t.Errorf("users %q, want %q", got, want)
	}
	if table := s.ok("", "users", "list"); strings.Contains(table, "$2") || strings.Contains(table, "password") {
		t.Errorf("the listing shows a secret:\n%s", table)
	}
	s.ok("", "users", "delete", "bob")
	expect("deleted", s.logsIn("/", "Login", "bob", cheapPassword), false)
	s.fails(1, "", "users", "delete", "bob")
}

func TestCommandSessions(t *testing.T) {
	s := newShell(t)
	user, password := s.m.place.seed.User, s.m.place.seed.Password
	tokens := []wire.TokenID{login(t, s.c, user, password), login(t, s.c, user, password), login(t, s.c, user, password)}
	list := s.ok("", "sessions", "list", "--user", user, "--json")
	for _, token := range tokens {
		if strings.Contains(list, string(token)) {
			t.Error("the listing shows a token")
		}
	}
	var rows []struct{ Handle string }
	if err := json.Unmarshal([]byte(list), &rows); err != nil || len(rows) != len(tokens) {
		t.Fatalf("%d sessions are listed, want %d (%v): %s", len(rows), len(tokens), err, list)
	}
	s.ok("", "sessions", "end", rows[0].Handle)
	if bad := invalid(t, s.c, tokens); bad != 1 {
		t.Errorf("%d sessions ended, want the one of the handle", bad)
	}
	s.ok("", "sessions", "end", "--user", user)
	if bad := invalid(t, s.c, tokens); bad != len(tokens) {
		t.Errorf("%d sessions ended, want all %d", bad, len(tokens))
	}
	s.fails(2, "", "sessions", "end")

	// Deleting a user ends the sessions, too.
	s.ok("some-password", "users", "add", "bob", "--password-stdin")
	token := login(t, s.c, "bob", "some-password")
	s.ok("", "users", "delete", "bob")
	if valid(t, s.c, token) {
		t.Error("a deleted user's session is valid")
	}
}

func TestCommandRealms(t *testing.T) {
	s := newShell(t)
	s.ok("", "realms", "create", "/beta")
	s.ok("", "realms", "create", "/beta/eu")
	s.fails(1, "", "realms", "create", "/nowhere/eu")
	var realms []struct{ Realm string }
	must(t, json.Unmarshal([]byte(s.ok("", "realms", "list", "--json")), &realms))
	if len(realms) != 4 || realms[0].Realm != "/" || realms[1].Realm != "/alpha" || realms[2].Realm != "/beta" || realms[3].Realm != "/beta/eu" {
		t.Errorf("realms %v", realms)
	}
	path, err := filepath.Abs(filepath.Join("testdata", "steps.json"))
	must(t, err)
	for _, realm := range []string{"/beta", "/beta/eu"} {
		s.ok("", "journeys", "import", "--realm", realm, path)
		s.ok("some-password", "users", "add", "bob", "--password-stdin", "--realm", realm)
		if !s.logsIn(realm, "Steps", "bob", "some-password") {
			t.Errorf("no login in realm %s", realm)
		}
	}
	if s.logsIn("/alpha", "Login", "bob", "some-password") {
		t.Error("a user of one realm got into another")
	}
	s.fails(2, "", "realms", "delete", "/beta/eu") // without --yes
	s.ok("", "realms", "delete", "/beta/eu", "--yes")
	s.ok("", "realms", "create", "/beta/eu")
	if got := s.names("users", "list", "--realm", "/beta/eu"); len(got) != 0 {
		t.Errorf("a realm that was made again has users %q", got)
	}
}

// TestCommandJourneys brings in journeys that others published: what "check"
// takes, "import" stores, and what it refuses leaves nothing behind. Exported,
// deleted and imported again, they are the same, and users get in through them.
func TestCommandJourneys(t *testing.T) {
	s := newShell(t)
	corpus, err := filepath.Abs(filepath.Join("..", "..", "..", "..", "shared", "corpus", "frodo"))
	must(t, err)
	files, err := os.ReadDir(corpus)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("no corpus beside the repository")
	}
	must(t, err)
	built := s.names("journeys", "list")
	stored := slices.Clone(built)
	for _, file := range files {
		path := filepath.Join(corpus, file.Name())
		before := len(stored)
		code, _, _ := s.m.place.command(t, "", s.reaching([]string{"journeys", "import", path})...)
		stored = s.names("journeys", "list")
		if code != 0 && len(stored) != before {
			t.Errorf("%s was refused, and something of it is stored: %q", file.Name(), stored)
		}
		// The member may have the inner trees that a file alone lacks.
		if checked, _, _ := s.m.place.command(t, "", "journeys", "check", path); checked < code {
			t.Errorf("%s: check says %d, import %d", file.Name(), checked, code)
		}
	}
	if len(stored) < len(built)+5 {
		t.Fatalf("of %d journeys %d were stored", len(files), len(stored)-len(built))
	}
	t.Logf("of %d journeys %d were stored, the others name node types that are not there", len(files), len(stored)-len(built))

	first := s.ok("", "journeys", "export")
	for _, name := range stored {
		s.ok("", "journeys", "delete", name)
	}
	if left := s.names("journeys", "list"); len(left) != 0 {
		t.Errorf("journeys that were deleted are listed: %q", left)
	}
	s.ok(first, "journeys", "import", "-")
	if second := s.ok("", "journeys", "export"); second != first {
		t.Error("exported, imported and exported again the journeys differ")
	}
	for _, tree := range []string{"UsernamePassword", "Login", "Retry"} {
		if !slices.Contains(stored, tree) || !s.logsIn("/", tree, s.m.place.seed.User, s.m.place.seed.Password) {
			t.Errorf("no login through %s", tree)
		}
	}
}

// TestCommandsWithoutMember: what is said when there is nobody to talk to, or
// the secret is another cluster's.
func TestCommandsWithoutMember(t *testing.T) {
	s := newShell(t)
	other := newPlace(t)
	said := ""
	if _, said = s.m.place.run(t, 1, "", "users", "list", "--server", s.m.base(), "--secret", other.secretFile); !strings.Contains(said, "secret") {
		t.Errorf("another secret: %s", said)
	}
	s.m.terminate(t)
	if said = s.fails(1, "", "users", "list"); !strings.Contains(said, s.m.HTTP) || !strings.Contains(said, "sojourn serve") && !strings.Contains(said, "--server") {
		t.Errorf("nobody there: %s", said)
	}
	if strings.Contains(said, string(s.m.place.operator)) {
		t.Error("the operator token was printed")
	}
}
