package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "sojourn"

// layers says which of our packages each package may import. A package that is
// missing here fails the test: its place is a decision. A pattern in the style
// of path.Match stands for several.
func layers() map[string][]string {
	pureCore := []string{"actors/callback", "actors/mail", "actors/transaction", "actors/tree", "actors/node", "actors/identity", "actors/journey", "actors/realm"}
	meets := []string{
		"actors", "actors/*", "cluster", "cluster/link", "cluster/placement", "cluster/runs", "cts", "cts/*",
		"http/wire", "http/rest", "http/webhook", "http/login", "http/console", "http/server", "cmd/internal/config", "cmd/internal/secret",
	}
	return map[string][]string{
		"actors/internal/amjson":     {},
		"actors/internal/envelope":   append(pureCore, "cts/session", "cluster/placement", "actors/internal/register"),
		"actors/internal/register":   {"cluster/placement"},
		"actors/internal/transcript": {},
		"actors/realm":               {"actors/internal/amjson"},
		"actors/callback":            {},
		"actors/tree":                {"actors/realm", "actors/internal/amjson"},
		"actors/identity":            {"actors/realm"},
		"actors/mail":                {},
		"actors/transaction":         {"actors/realm", "cts/session"},
		"actors/smtp":                {"actors/mail", "cts/session"},
		"actors/node":                {"actors/callback", "actors/mail", "actors/tree", "actors/identity", "actors/realm", "actors/internal/amjson", "cts/session"},
		"actors/journey":             {"actors/callback", "actors/tree", "actors/node", "actors/identity", "actors/realm", "cts/session"},
		"cluster/link":               {},
		"cluster/placement":          {},
		"cluster/runs":               {"cluster/placement"},
		"cts/session":                {"actors/realm"},
		"cts/token":                  {},
		"cts/clientside":             {"actors/realm"},
		"cts/keyring":                {"cts/clientside"},
		"cts/amtoken":                {"cts/session", "actors/realm"},
		"cts/sessions":               {"cts/session", "cts/token", "cts/clientside", "actors/realm"},
		"cts/feed":                   {"cts/session"},
		"cts/command":                {"cts/session", "cts/token", "cts/internal/octets", "actors/identity", "actors/realm"},
		"http/wire":                  {"actors/callback", "actors/realm"},
		"cmd/internal/secret":        {},

		"actors":             append(pureCore, "actors/arena", "cts/session", "cts/token", "cts/clientside", "cluster/placement", "actors/internal/*"),
		"actors/internal/*":  pureCore,
		"actors/arena":       {"actors/identity"},
		"actors/ldap":        {"actors/identity", "actors/realm"},
		"cluster":            {"cluster/placement"},
		"cluster/simnet":     {},
		"cts":                {"cts/session", "cts/token", "cts/command", "cts/internal/*", "actors/identity", "actors/realm"},
		"cts/internal/*":     {"cts/session", "cts/token", "cts/command", "cts/internal/*", "actors/identity", "actors/realm"},
		"cts/ctstest":        {"cts", "cts/session", "cts/token", "cts/command", "actors/identity", "actors/realm"},
		"http/rest":          append(pureCore, "http/wire", "cts/session", "cts/clientside", "cts/feed", "cluster/placement"),
		"http/client":        {"http/wire"},
		"http/server":        {},
		"http/webhook":       {"actors/realm", "cts/session"},
		"http/login":         {},
		"http/console":       {},
		"cmd/internal/bench": {"http/client", "http/wire", "actors/identity", "actors/arena"},
		"cmd/internal/chaos": {"http/client", "http/wire", "cmd/internal/chaos/*"},

		"cmd/internal/chaos/history": {},
		"cmd/internal/chaos/fleet":   {},

		"cmd/internal/config": {},
		"cmd/internal/daemon": meets,
		"cmd/internal/cli": {
			"cmd/internal/daemon", "cmd/internal/config", "cmd/internal/secret", "cmd/internal/bench", "cmd/internal/chaos",
			"http/client", "http/wire", "actors/tree", "actors/node", "actors/realm", "actors/identity",
		},
		"cmd/internal/e2e/sim": {},
		"cmd/internal/e2e": {
			"cluster/simnet", "cmd/internal/chaos", "cmd/internal/config", "cmd/internal/daemon", "cmd/internal/secret",
			"http/client", "http/wire",
		},
		"cmd/sojourn": {"cmd/internal/cli"},
	}
}

// owners says which of our packages may import a library: the shells that wrap
// it, so that it can be exchanged there and nowhere else.
func owners() map[string][]string {
	return map[string][]string{
		"github.com/asynkron/protoactor-go": {"actors", "actors/internal/*", "cluster/simnet"},
		"github.com/hashicorp/memberlist":   {"cluster", "cluster/simnet"},
		"github.com/hashicorp/raft":         {"cts", "cts/internal/*", "cluster/simnet"},
		"github.com/hashicorp/raft-wal":     {"cts", "cts/internal/*"},
		"github.com/dgraph-io/badger/v4":    {"cts", "cts/internal/*"},
		"github.com/go-ldap/ldap/v3":        {"actors/ldap"},
		"github.com/wneessen/go-mail":       {"actors/smtp"},
		"github.com/spf13/cobra":            {"cmd/internal/cli"},
		"go.yaml.in/yaml/v3":                {"cmd/internal/config"},
	}
}

// purePackages have no goroutine, clock, random source, network, disk or logger.
func purePackages() []string {
	return []string{
		"actors/internal/amjson", "actors/internal/envelope", "actors/internal/register", "actors/realm", "actors/callback", "actors/tree",
		"actors/identity", "actors/mail", "actors/transaction", "actors/node", "actors/journey", "cluster/placement", "cluster/runs", "cts/internal/octets", "cts/session", "cts/token", "cts/clientside", "cts/keyring", "cts/amtoken", "cts/command", "http/wire", "cmd/internal/secret",
		"cmd/internal/chaos/history",
	}
}

// impure are the standard library's doors to the outside. log/slog is not among
// them: secret types implement its LogValuer; TestPureCode catches its use.
func impure() []string {
	return []string{
		"os", "os/exec", "os/signal", "io/ioutil", "net", "net/http", "net/rpc", "net/smtp", "syscall", "log",
		"crypto/rand", "math/rand", "math/rand/v2", "sync", "sync/atomic", "database/sql", "unsafe", "plugin",
	}
}

// listed is what we read of "go list -json".
type listed struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Imports    []string
}

// packages lists every package of the module.
func packages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Dir,GoFiles,Imports", module+"/...")
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, errOut.String())
	}
	var all []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		p.ImportPath = strings.TrimPrefix(p.ImportPath, module+"/")
		all = append(all, p)
	}
	if len(all) < 10 {
		t.Fatalf("go list found %d packages only", len(all))
	}
	return all
}

func TestImports(t *testing.T) {
	for _, fault := range forbidden(packages(t)) {
		t.Error(fault)
	}
}

// forbidden names each import that the tables do not allow.
func forbidden(all []listed) []string {
	var faults []string
	table := layers()
	for _, p := range all {
		allowed, placed := row(table, p.ImportPath)
		if !placed {
			faults = append(faults, p.ImportPath+" has no row in the table of layers")
			continue
		}
		for _, imported := range p.Imports {
			ours, isOurs := strings.CutPrefix(imported, module+"/")
			switch {
			case isOurs && !matches(allowed, ours):
				faults = append(faults, p.ImportPath+" may not import "+ours)
			case slices.Contains(purePackages(), p.ImportPath) && slices.Contains(impure(), imported):
				faults = append(faults, p.ImportPath+" is pure and may not import "+imported)
			}
			for library, shells := range owners() {
				if (imported == library || strings.HasPrefix(imported, library+"/")) && !matches(shells, p.ImportPath) {
					faults = append(faults, p.ImportPath+" may not import "+imported)
				}
			}
		}
	}
	return faults
}

// row finds a package's row: its own, or that of the pattern it matches.
func row(table map[string][]string, pkg string) ([]string, bool) {
	if allowed, ok := table[pkg]; ok {
		return allowed, true
	}
	for pattern, allowed := range table {
		if ok, _ := path.Match(pattern, pkg); ok {
			return allowed, true
		}
	}
	return nil, false
}

func matches(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		ok, _ := path.Match(pattern, pkg)
		return ok
	})
}

func TestImportsRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		pkg, imports, want string
	}{
		"a pure package reaching up":  {"actors/tree", "sojourn/actors/journey", "actors/tree may not import actors/journey"},
		"shell to shell":              {"actors", "sojourn/cts", "actors may not import cts"},
		"a clock's friend":            {"actors/journey", "sync", "actors/journey is pure and may not import sync"},
		"a library outside its shell": {"http/rest", "github.com/dgraph-io/badger/v4/pb", "http/rest may not import github.com/dgraph-io/badger/v4/pb"},
		"a package without a place":   {"actors/helpers/more", "fmt", "actors/helpers/more has no row in the table of layers"},
	} {
		t.Run(name, func(t *testing.T) {
			got := forbidden([]listed{{ImportPath: tc.pkg, Imports: []string{tc.imports}}})
			if len(got) != 1 || got[0] != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
	if got := forbidden([]listed{{ImportPath: "actors/node", Imports: []string{"fmt", "sojourn/actors/tree"}}}); got != nil {
		t.Errorf("refused what is allowed: %q", got)
	}
}
