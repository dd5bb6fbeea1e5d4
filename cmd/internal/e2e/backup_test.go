package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"sojourn/http/client"
	"sojourn/http/wire"
)

// TestBackupRestore takes a backup with the command line while clients log in
// and out, and restores it: into an empty folder with the same secret, and over
// a member that is in use. What was acknowledged before the backup began is in
// it. A file that is no whole backup of this cluster changes nothing.
func TestBackupRestore(t *testing.T) {
	const users = 8
	p := newPlace(t)
	m := p.start(t)
	c := m.client(t)
	importUsers(t, c, "user", users)
	importBig(t, c, 400)
	alive := makeSessions(t, c, "user", users, 1000)
	ended := makeSessions(t, c, "user", users, 100)
	each(t, len(ended), func(i int) error {
		_, err := c.Logout(t.Context(), ended[i])
		return err
	})

	stop := load(t, c, users)
	file := filepath.Join(p.dir, "backup")
	p.run(t, 0, "", "backup", "--server", m.base(), "--secret", p.secretFile, file)
	t.Logf("%d logins and logouts beside the backup", stop())
	data, err := os.ReadFile(file)
	must(t, err)
	if len(data) < 10*mib {
		t.Fatalf("the backup has %d bytes: too few for what follows", len(data))
	}
	for _, clear := range []string{"user0", "demo@example.com", string(alive[0]), "UsernameCollectorNode"} {
		if bytes.Contains(data, []byte(clear)) {
			t.Errorf("the backup shows %q", clear)
		}
	}
	m.terminate(t)

	// The folder is gone; what is left is the backup and the secret.
	second := &place{dir: p.dir, data: filepath.Join(p.dir, "second"), secretFile: p.secretFile, operator: p.operator, seed: p.seed}
	m = second.start(t)
	c = m.client(t)
	second.run(t, 2, "", "restore", "--server", m.base(), "--secret", p.secretFile, file) // without --yes
	second.run(t, 0, "", "restore", "--yes", "--server", m.base(), "--secret", p.secretFile, file)
	restored := func(when string) {
		t.Helper()
		if bad := invalid(t, c, alive); bad > 0 {
			t.Fatalf("%s: %d of %d sessions are lost", when, bad, len(alive))
		}
		if back := len(ended) - invalid(t, c, ended); back > 0 {
			t.Fatalf("%s: %d ended sessions are back", when, back)
		}
		login(t, c, "user1", cheapPassword)
		login(t, c, p.seed.User, p.seed.Password)
	}
	restored("after the restore")

	// Broken, foreign and unreadable files change nothing.
	later := login(t, c, "user2", cheapPassword)
	flipped := bytes.Clone(data)
	flipped[len(data)/2] ^= 1
	for name, content := range map[string][]byte{
		"cut": data[:len(data)-1], "halved": data[:len(data)/2], "flipped": flipped, "empty": {}, "text": []byte("no backup\n"),
	} {
		path := filepath.Join(p.dir, name)
		must(t, os.WriteFile(path, content, 0o600))
		if _, said := second.run(t, 1, "", "restore", "--yes", "--server", m.base(), "--secret", p.secretFile, path); !strings.Contains(said, "backup") {
			t.Errorf("%s: refused without saying what is wrong: %s", name, said)
		}
		if !valid(t, c, later) {
			t.Fatalf("%s: a restore that was refused has changed something", name)
		}
	}

	// Over a member that is in use: valid, or not known for a moment, never "not
	// logged in".
	var asked, unknown atomic.Int64
	var group sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		group.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				v, err := c.Peek(t.Context(), alive[i%len(alive)])
				switch asked.Add(1); {
				case err != nil && !isUnavailable(t, err), err == nil && !v.Valid:
					t.Errorf("validate during the restore: %+v, %v", v, err)
				case err != nil:
					unknown.Add(1)
				}
			}
		})
	}
	second.run(t, 0, "", "restore", "--yes", "--server", m.base(), "--secret", p.secretFile, file)
	close(done)
	group.Wait()
	t.Logf("%d validations during a restore, %d of them answered 503", asked.Load(), unknown.Load())
	restored("after a restore over a member in use")
	if valid(t, c, later) {
		t.Error("a session that is not in the backup is valid after its restore")
	}
	m.kill(t)
	m = second.start(t)
	c = m.client(t)
	restored("after a kill")

	// Another cluster's secret does not open it.
	third := newPlace(t)
	m = third.start(t)
	if _, said := third.run(t, 1, "", "restore", "--yes", "--server", m.base(), "--secret", third.secretFile, file); !strings.Contains(said, "backup") {
		t.Errorf("under another secret: refused without saying what is wrong: %s", said)
	}
	login(t, m.client(t), third.seed.User, third.seed.Password)
}

// importBig stores users with attributes that make a backup large and cannot
// be compressed.
func importBig(t *testing.T, c *client.Client, n int) {
	t.Helper()
	var lines strings.Builder
	for i := range n {
		raw := make([]byte, 24<<10)
		_, _ = rand.Read(raw) // never fails
		line, err := wire.User{Name: fmt.Sprint("big", i), Attributes: map[string][]string{"description": {base64.StdEncoding.EncodeToString(raw)}}}.MarshalJSON()
		must(t, err)
		lines.Write(append(line, '\n'))
	}
	report, err := c.ImportUsers(t.Context(), "/", strings.NewReader(lines.String()), false, nil)
	if err != nil || report.Created != n {
		t.Fatalf("import %d users: %+v, %v", n, report, err)
	}
}

// load logs users in and out until the function that it returns is called; this
// waits and tells how many operations there were.
func load(t *testing.T, c *client.Client, users int) (stop func() int) {
	t.Helper()
	done := make(chan struct{})
	var group sync.WaitGroup
	var operations atomic.Int64
	for i := range users {
		group.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				reply, err := c.Start(t.Context(), client.Journey{Tree: "Login", Username: fmt.Sprint("user", i), Password: cheapPassword})
				if err != nil {
					t.Errorf("login beside a backup: %v", err)
					return
				}
				if ended, err := c.Logout(t.Context(), reply.Success.TokenID); err != nil || !ended {
					t.Errorf("logout beside a backup: %v, %v", ended, err)
					return
				}
				operations.Add(2)
			}
		})
	}
	return func() int {
		close(done)
		group.Wait()
		return int(operations.Load())
	}
}
