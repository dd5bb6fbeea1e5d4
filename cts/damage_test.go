package cts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sojourn/actors/realm"
	"sojourn/cts/session"
)

// filled returns a closed data folder with n sessions.
func filled(t *testing.T, c Config, n uint64) {
	t.Helper()
	s, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for i := range n {
		if _, err := s.Create(t.Context(), session.Creation{Session: aSession(i, now)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func only(t *testing.T, dir, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(found) == 0 {
		t.Fatalf("%s: %v, %v", pattern, found, err)
	}
	return slices.Max(found)
}

func flip(t *testing.T, path string, share float64) {
	t.Helper()
	change(t, path, share, func(b byte) byte { return b ^ 0xff })
}

func zero(t *testing.T, path string, share float64) {
	t.Helper()
	change(t, path, share, func(byte) byte { return 0 })
}

// change changes 64 bytes of what is used of a file.
func change(t *testing.T, path string, share float64, to func(byte) byte) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	used := len(bytes.TrimRight(data, "\x00"))
	at := int(float64(used) * share)
	for i := at; i < min(at+64, used); i++ {
		data[i] = to(data[i])
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func cut(t *testing.T, path string, bytes int64) {
	t.Helper()
	info, err := os.Stat(path)
	if err == nil {
		err = os.Truncate(path, max(0, info.Size()-bytes))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func removeFile(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

// A damaged folder is refused with the name of the file, or opens with
// everything in it. It never opens with less.
func TestDamagedFolder(t *testing.T) {
	const sessions = 300
	source := filepath.Join(t.TempDir(), "cts")
	filled(t, testConfig(t, source), sessions)
	tests := map[string]struct {
		damage func(t *testing.T, dir string)
		opens  bool // harmless: opens with everything
	}{
		"nothing":                 {func(*testing.T, string) {}, true},
		"table, data":             {func(t *testing.T, dir string) { flip(t, only(t, dir, "state/*.sst"), 0.3) }, false},
		"table, end of data":      {func(t *testing.T, dir string) { flip(t, only(t, dir, "state/*.sst"), 0.8) }, false},
		"table, index":            {func(t *testing.T, dir string) { flip(t, only(t, dir, "state/*.sst"), 0.99) }, false},
		"table cut":               {func(t *testing.T, dir string) { cut(t, only(t, dir, "state/*.sst"), 500) }, false},
		"table empty":             {func(t *testing.T, dir string) { cut(t, only(t, dir, "state/*.sst"), 1<<40) }, false},
		"table missing":           {func(t *testing.T, dir string) { removeFile(t, only(t, dir, "state/*.sst")) }, false},
		"list of tables, flipped": {func(t *testing.T, dir string) { flip(t, only(t, dir, "state/MANIFEST"), 0.5) }, false},
		"list of tables, cut":     {func(t *testing.T, dir string) { cut(t, only(t, dir, "state/MANIFEST"), 5) }, false},
		"list of tables, missing": {func(t *testing.T, dir string) { removeFile(t, only(t, dir, "state/MANIFEST")) }, false},
		"key registry missing":    {func(t *testing.T, dir string) { removeFile(t, only(t, dir, "state/KEYREGISTRY")) }, true},
		"state missing":           {func(t *testing.T, dir string) { removeFile(t, filepath.Join(dir, stateDir)) }, false},
		"log missing":             {func(t *testing.T, dir string) { removeFile(t, filepath.Join(dir, logDir)) }, false},
		"log empty": {func(t *testing.T, dir string) {
			removeFile(t, filepath.Join(dir, logDir))
			mkdir(t, filepath.Join(dir, logDir))
		}, false},
		"log's last file missing": {func(t *testing.T, dir string) { removeFile(t, only(t, dir, "log/*.wal")) }, true}, // all is in the state
		"log's list missing":      {func(t *testing.T, dir string) { removeFile(t, only(t, dir, "log/wal-meta.db")) }, false},
		"log's list cut":          {func(t *testing.T, dir string) { cut(t, only(t, dir, "log/wal-meta.db"), 1<<40) }, false},
		"log, last file":          {func(t *testing.T, dir string) { flip(t, only(t, dir, "log/*.wal"), 0.5) }, true}, // before the checkpoint
		"checkpoint flipped":      {func(t *testing.T, dir string) { flip(t, only(t, dir, "CHECKPOINT"), 0.5) }, false},
		"checkpoint missing":      {func(t *testing.T, dir string) { removeFile(t, only(t, dir, "CHECKPOINT")) }, true}, // all is in the log still
		"FORMAT missing":          {func(t *testing.T, dir string) { removeFile(t, only(t, dir, "FORMAT")) }, false},
		"FORMAT flipped":          {func(t *testing.T, dir string) { flip(t, only(t, dir, "FORMAT"), 0.1) }, false},
		"FORMAT of a later release": {func(t *testing.T, dir string) {
			writeFile(t, filepath.Join(dir, formatFile), `{"Version":2,"Member":"x"}`)
		}, false},
		"checkpoint of a later release": {func(t *testing.T, dir string) {
			const text = `{"Version":2}`
			sum := crc32.Checksum([]byte(text), crc32.MakeTable(crc32.Castagnoli))
			writeFile(t, filepath.Join(dir, "CHECKPOINT"), fmt.Sprintf("%s %d", text, sum))
		}, false},
		"RUN missing":   {func(t *testing.T, dir string) { removeFile(t, only(t, dir, "RUN")) }, true},
		"RUN nonsense":  {func(t *testing.T, dir string) { writeFile(t, filepath.Join(dir, runFile), "?") }, true},
		"unknown file":  {func(t *testing.T, dir string) { writeFile(t, filepath.Join(dir, "notes.txt"), "x") }, false},
		"snapshot half": {func(t *testing.T, dir string) { writeFile(t, filepath.Join(dir, "INSTALLING"), "") }, false},
		"left over":     {func(t *testing.T, dir string) { writeFile(t, filepath.Join(dir, spoolFile), "x") }, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { damageAndOpen(t, source, sessions, test.damage, test.opens) })
	}
}

// The same for a folder as a kill leaves it: nothing is in a table yet, and all
// is in the log.
func TestDamagedFolderAfterKill(t *testing.T) {
	const sessions = 300
	source := filepath.Join(t.TempDir(), "cts")
	c := testConfig(t, filepath.Join(t.TempDir(), "cts"))
	s := openStore(t, c)
	now := time.Now()
	for i := range uint64(sessions) {
		if _, err := s.Create(t.Context(), session.Creation{Session: aSession(i, now)}); err != nil {
			t.Fatal(err)
		}
		if i == sessions/2 {
			if err := s.takeCheckpoint(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.CopyFS(source, os.DirFS(c.Dir)); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		damage func(t *testing.T, dir string)
		opens  bool
	}{
		"nothing":              {func(*testing.T, string) {}, true},
		"newest table, late":   {func(t *testing.T, dir string) { zero(t, only(t, dir, "state/*.mem"), 0.9) }, true}, // healed from the log
		"newest table, early":  {func(t *testing.T, dir string) { zero(t, only(t, dir, "state/*.mem"), 0.2) }, false},
		"newest table missing": {func(t *testing.T, dir string) { removeFile(t, only(t, dir, "state/*.mem")) }, false},
		"newest table empty":   {func(t *testing.T, dir string) { cut(t, only(t, dir, "state/*.mem"), 1<<40) }, false},
		"log, late":            {func(t *testing.T, dir string) { flip(t, only(t, dir, "log/*.wal"), 0.8) }, false},
		"log, early":           {func(t *testing.T, dir string) { flip(t, only(t, dir, "log/*.wal"), 0.1) }, true}, // before the checkpoint
		"log, last bytes":      {func(t *testing.T, dir string) { flip(t, only(t, dir, "log/*.wal"), 0.9999) }, false},
		"log missing":          {func(t *testing.T, dir string) { removeFile(t, only(t, dir, "log/*.wal")) }, false},
		"log and newest table, late": {func(t *testing.T, dir string) {
			zero(t, only(t, dir, "state/*.mem"), 0.9)
			flip(t, only(t, dir, "log/*.wal"), 0.8)
		}, false},
		"checkpoint missing": {func(t *testing.T, dir string) { removeFile(t, only(t, dir, "CHECKPOINT")) }, true},
		"kernel started anew": {func(t *testing.T, dir string) {
			writeFile(t, filepath.Join(dir, runFile), `{"Boot":"before","Clean":false}`)
		}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { damageAndOpen(t, source, sessions, test.damage, test.opens) })
	}
}

func damageAndOpen(t *testing.T, source string, sessions uint64, damage func(t *testing.T, dir string), opens bool) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "cts")
	if err := os.CopyFS(dir, os.DirFS(source)); err != nil {
		t.Fatal(err)
	}
	damage(t, dir)
	s, err := Open(t.Context(), testConfig(t, dir))
	if err != nil {
		var damaged *DamagedError
		if opens || !errors.As(err, &damaged) || !strings.HasPrefix(damaged.Path, dir) ||
			!strings.Contains(err.Error(), damaged.Path) {
			t.Errorf("Open = %v", err)
		}
		t.Log(err)
		return
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if !opens {
		t.Error("opens as if nothing had happened")
	}
	for i := range sessions {
		if _, err := s.Session(t.Context(), aSession(i, time.Now()).ID, 0); err != nil {
			t.Fatalf("session %d: %v", i, err)
		}
	}
}

func mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFolderIsLocked(t *testing.T) {
	c := testConfig(t, t.TempDir())
	openStore(t, c)
	if s, err := Open(t.Context(), c); err == nil {
		t.Error("opened twice", s.Close())
	} else if !strings.Contains(err.Error(), "in use") {
		t.Error(err)
	}
}

func TestKeys(t *testing.T) {
	key := bytes.Repeat([]byte{7}, 32)
	dir := t.TempDir()
	c := testConfig(t, dir)
	c.Key = key
	filled(t, c, 50)
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		for _, secret := range []string{"/alpha", "id=user,ou=user", "AMCtxId", "user1"} {
			if bytes.Contains(data, []byte(secret)) {
				t.Errorf("%s shows %q", path, secret)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, other := range map[string][]byte{"none": nil, "other": bytes.Repeat([]byte{8}, 32)} {
		c.Key = other
		var damaged *DamagedError
		if _, err := Open(t.Context(), c); !errors.As(err, &damaged) || !strings.Contains(err.Error(), "configure its key") {
			t.Errorf("%s: %v", name, err)
		}
	}
	c.Key = []byte("short")
	if _, err := Open(t.Context(), c); err == nil {
		t.Error("a short key is taken")
	}
	c.Key = key
	s := openStore(t, c)
	if _, err := s.Session(t.Context(), aSession(7, time.Now()).ID, 0); err != nil {
		t.Error(err)
	}

	plain := testConfig(t, t.TempDir())
	filled(t, plain, 1)
	plain.Key = key
	var damaged *DamagedError
	if _, err := Open(t.Context(), plain); !errors.As(err, &damaged) {
		t.Errorf("a key for a plain folder: %v", err)
	}
}

func TestConfigFaults(t *testing.T) {
	_, err := Open(t.Context(), Config{BackupKey: []byte("short")})
	for _, want := range []string{"no data folder", "no logger", "backup key"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("faults = %v, want %q among them", err, want)
		}
	}
}

func TestBackupAndRestore(t *testing.T) {
	for name, key := range map[string][]byte{"plain": nil, "encrypted": bytes.Repeat([]byte{9}, 32)} {
		t.Run(name, func(t *testing.T) {
			c := testConfig(t, t.TempDir())
			c.BackupKey = key
			from := openStore(t, c)
			now := time.Now()
			for i := range uint64(2000) {
				if _, err := from.Create(t.Context(), session.Creation{Session: aSession(i, now)}); err != nil {
					t.Fatal(err)
				}
			}
			doc := realm.Document{Kind: realm.KindTree, Realm: "/alpha", ID: "Login", Body: []byte(`{}`)}
			if _, _, err := from.PutDocument(t.Context(), doc, realm.Precondition{}); err != nil {
				t.Fatal(err)
			}
			var backup bytes.Buffer
			if err := from.Backup(t.Context(), &backup); err != nil {
				t.Fatal(err)
			}
			if shows := bytes.Contains(backup.Bytes(), []byte("AMCtxId")); shows != (key == nil) {
				t.Errorf("the backup can be read: %v", shows)
			}

			told := make(chan realm.Name, 10)
			c = testConfig(t, t.TempDir())
			c.BackupKey = key
			c.OnDocument = func(_ realm.DocumentKind, r realm.Name) { told <- r }
			to := openStore(t, c)
			kept := aSession(9999, now)
			if _, err := to.Create(t.Context(), session.Creation{Session: kept}); err != nil {
				t.Fatal(err)
			}
			for n := 0; n < backup.Len(); n += 1 + backup.Len()/50 {
				if err := to.Restore(t.Context(), bytes.NewReader(backup.Bytes()[:n])); !errors.Is(err, ErrBackup) {
					t.Fatalf("the first %d bytes: %v", n, err)
				}
			}
			if _, err := to.Session(t.Context(), kept.ID, 0); err != nil || to.Ready() != nil {
				t.Fatalf("a file that is not whole changed the store: %v", err)
			}
			if err := to.Restore(t.Context(), bytes.NewReader(backup.Bytes())); err != nil {
				t.Fatal(err)
			}
			if r := <-told; r != "" {
				t.Errorf("told of %q, want all", r)
			}
			if _, err := to.Session(t.Context(), kept.ID, 0); !errors.Is(err, session.ErrNotFound) {
				t.Errorf("what was there before the restore: %v", err)
			}
			for i := range uint64(2000) {
				// Its token's index is beyond the log of this store.
				if _, err := to.Session(t.Context(), aSession(i, now).ID, 1<<40); err != nil {
					t.Fatalf("session %d: %v", i, err)
				}
			}
			if got, err := to.Document(t.Context(), realm.KindTree, "/alpha", "Login"); err != nil || string(got.Body) != "{}" {
				t.Errorf("document %+v, %v", got, err)
			}
			var again bytes.Buffer
			if err := to.Backup(t.Context(), &again); err != nil || again.Len() != backup.Len() {
				t.Errorf("a backup of it has %d bytes, not %d: %v", again.Len(), backup.Len(), err)
			}
		})
	}
}

// A restore that is cut off leaves a store that says so, also after a restart,
// until one succeeds.
func TestInterruptedRestore(t *testing.T) {
	c := testConfig(t, t.TempDir())
	s, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	x := aSession(1, time.Now())
	if _, err := s.Create(t.Context(), session.Creation{Session: x}); err != nil {
		t.Fatal(err)
	}
	var backup bytes.Buffer
	if err := s.Backup(t.Context(), &backup); err != nil {
		t.Fatal(err)
	}
	cutOff, cancel := context.WithCancel(t.Context())
	file := &afterTwoReads{bytes.NewReader(backup.Bytes()), 0, cancel}
	if err := s.replay(cutOff, file, nil); err == nil {
		t.Fatal("replay went through")
	}
	refuses := func(s *Store) {
		t.Helper()
		var down *session.UnavailableError
		if _, err := s.Session(t.Context(), x.ID, 0); !errors.As(err, &down) || !strings.Contains(down.Reason, "restore") {
			t.Errorf("Session = %v", err)
		}
		if _, err := s.Create(t.Context(), session.Creation{Session: aSession(2, time.Now())}); !errors.As(err, &down) {
			t.Errorf("Create = %v", err)
		}
		if err := s.Ready(); !errors.As(err, &down) {
			t.Errorf("Ready = %v", err)
		}
	}
	refuses(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, c)
	refuses(s)
	if err := s.Restore(t.Context(), bytes.NewReader(backup.Bytes())); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Session(t.Context(), x.ID, 0); err != nil || s.Ready() != nil {
		t.Errorf("after a restore: %v, %v", err, s.Ready())
	}
}

// afterTwoReads ends its context in the middle of a file.
type afterTwoReads struct {
	*bytes.Reader
	reads  int
	cancel func()
}

func (r *afterTwoReads) Read(p []byte) (int, error) {
	if r.reads++; r.reads > 2 {
		r.cancel()
		return 0, context.Canceled
	}
	return r.Reader.Read(p[:min(len(p), 64)])
}
