package e2e

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sojourn/http/wire"
)

// TestDamagedFolder damages each file of a data folder in several ways. A
// member either refuses to start, with exit code 1, a message that names the
// file (or the folder of it that cannot be read) and what to do; or it starts,
// and then nothing may be missing: every acknowledged session is valid, every
// logout is still one. A start that says nothing and has lost something is what
// this test is for.
func TestDamagedFolder(t *testing.T) {
	for name, end := range map[string]func(*member, *testing.T){
		"after kill -9": (*member).kill,
		"after SIGTERM": (*member).terminate,
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			m := p.start(t)
			c := m.client(t)
			importUsers(t, c, "user", 10)
			tokens := makeSessions(t, c, "user", 10, 300)
			for _, token := range tokens[:100] {
				if ended, err := c.Logout(t.Context(), token); err != nil || !ended {
					t.Fatalf("logout: %v, %v", ended, err)
				}
			}
			end(m, t)
			damageAll(t, p, tokens[:100], tokens[100:])
		})
	}
}

// damageAll runs every kind of damage on every file of a place, each on a copy.
func damageAll(t *testing.T, p *place, ended, alive []wire.TokenID) {
	t.Helper()
	var files []string
	must(t, filepath.WalkDir(filepath.Join(p.data, "store"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			rel, _ := filepath.Rel(p.data, path)
			files = append(files, rel)
		}
		return err
	}))
	kinds := damages()
	refusals, starts := 0, 0
	for _, file := range files {
		for _, kind := range kinds {
			if kind.long && !*full {
				continue
			}
			t.Run(file+" "+kind.name, func(t *testing.T) {
				damaged := p.copy(t)
				path := filepath.Join(damaged.data, file)
				if !kind.do(t, path) {
					t.Skip("the file is too short")
				}
				m, err := damaged.try(t)
				if err == nil {
					starts++
					c := m.client(t)
					if bad := invalid(t, c, alive); bad > 0 {
						t.Errorf("started, and %d of %d acknowledged sessions are lost", bad, len(alive))
					}
					if bad := invalid(t, c, ended); bad < len(ended) {
						t.Errorf("started, and %d of %d ended sessions are back", len(ended)-bad, len(ended))
					}
					login(t, c, "user0", cheapPassword)
					return
				}
				refusals++
				if m == nil || m.code() != 1 {
					t.Fatalf("no orderly refusal: %v", err)
				}
				said := m.log.String()
				if !strings.Contains(said, path) && !strings.Contains(said, filepath.Dir(path)+": ") {
					t.Errorf("does not name %s:\n%s", path, said)
				}
				if !slices.ContainsFunc([]string{"move the folder aside", "configure"}, func(remedy string) bool { return strings.Contains(said, remedy) }) {
					t.Errorf("names no remedy:\n%s", said)
				}
			})
		}
	}
	t.Logf("%d files: %d damages were refused, %d did no harm", len(files), refusals, starts)
	if refusals == 0 {
		t.Error("no damage was refused")
	}
}

// damage changes a file; do reports false when there is nothing to change.
type damage struct {
	name string
	long bool // for the long form only
	do   func(t *testing.T, path string) bool
}

func damages() []damage {
	// Files are allocated ahead: what counts is up to the last byte that is set.
	flip := func(at func(used int) int) func(t *testing.T, path string) bool {
		return func(t *testing.T, path string) bool {
			data, used := contents(t, path)
			if used == 0 {
				return false
			}
			i := at(used)
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			must(t, err)
			_, err = f.WriteAt([]byte{data[i] ^ 0x10}, int64(i))
			must(t, err)
			must(t, f.Close())
			return true
		}
	}
	cut := func(to func(used int) int) func(t *testing.T, path string) bool {
		return func(t *testing.T, path string) bool {
			data, used := contents(t, path)
			if to(used) < 0 || to(used) >= len(data) {
				return false
			}
			must(t, os.Truncate(path, int64(to(used))))
			return true
		}
	}
	return []damage{
		{name: "first byte", do: flip(func(int) int { return 0 }), long: true},
		{name: "middle byte", do: flip(func(used int) int { return used / 2 })},
		{name: "three quarters", do: flip(func(used int) int { return used * 3 / 4 }), long: true},
		{name: "last byte", do: flip(func(used int) int { return used - 1 })},
		{name: "cut in half", do: cut(func(used int) int { return used / 2 })},
		{name: "last byte cut", do: cut(func(used int) int { return used - 1 }), long: true},
		{name: "emptied", do: cut(func(int) int { return 0 }), long: true},
		{name: "deleted", do: func(t *testing.T, path string) bool {
			must(t, os.Remove(path))
			return true
		}},
	}
}

// contents reads a file and how much of it is in use.
func contents(t *testing.T, path string) (data []byte, used int) {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	return data, len(bytes.TrimRight(data, "\x00"))
}

// copy copies a place of which no process runs.
func (p *place) copy(t *testing.T) *place {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("cp", "-a", "--sparse=always", p.data, p.secretFile, dir).CombinedOutput(); err != nil {
		t.Fatalf("copy %s: %v: %s", p.data, err, out)
	}
	return &place{
		dir: dir, data: filepath.Join(dir, filepath.Base(p.data)), secretFile: filepath.Join(dir, filepath.Base(p.secretFile)),
		operator: p.operator, seed: p.seed,
	}
}
