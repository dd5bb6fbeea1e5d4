package fsm_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"go.uber.org/goleak"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
	"sojourn/cts/command"
	"sojourn/cts/internal/damage"
	"sojourn/cts/internal/fsm"
	"sojourn/cts/internal/stream"
	"sojourn/cts/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var start = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// member is a state machine with its checkpoints in one folder.
type member struct {
	*fsm.FSM
	points  *fsm.Checkpoints
	failure error
	effects int
	admits  int // which of them finds the store closing; zero for none
}

func open(t testing.TB, dir string) (*member, error) {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	points, err := fsm.OpenCheckpoints(dir, bytes.Repeat([]byte{7}, 32))
	if err != nil {
		return nil, err
	}
	half, err := points.Clean()
	if err == nil && half {
		err = os.RemoveAll(filepath.Join(dir, "state"))
	}
	if err != nil {
		return nil, err
	}
	m := &member{points: points}
	m.FSM, err = fsm.Open(fsm.Options{
		Dir: filepath.Join(dir, "state"), Log: log, Checkpoints: points,
		Admit: func() bool {
			m.admits--
			return m.admits != 0
		},
		Observe: func(e []command.Effect) { m.effects += len(e) },
		Failed:  func(err error) { m.failure = err },

		Installing: func(bool) {},
	})
	if err == nil && half {
		err = m.Resume()
	}
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m, nil
}

func mustOpen(t testing.TB, dir string, trust bool) *member {
	t.Helper()
	m, err := open(t, dir)
	if err == nil {
		err = m.Recover(trust)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *member) checkpoint(t testing.TB, index uint64) {
	t.Helper()
	snapshot, err := m.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	sink, err := m.points.Create(1, index, 1, raft.Configuration{}, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := snapshot.Persist(sink); err != nil {
		t.Fatal(err)
	}
	if err := sink.Close(); err != nil {
		t.Fatal(err)
	}
	snapshot.Release()
}

// content is all that can be read. It has the count and sum that it should.
func (m *member) content(t testing.TB) map[string]string {
	t.Helper()
	all := map[string]string{}
	var got command.Totals
	err := m.View(func(v fsm.View) error {
		meta, err := v.Meta()
		if err != nil {
			return err
		}
		err = v.Scan(nil, nil, func(key, value []byte) (bool, error) {
			if !command.Own(key) {
				fsm.Add(&got, key, value)
			}
			all[string(key)] = string(value)
			return true, nil
		})
		if err == nil && got != meta.Totals {
			err = fmt.Errorf("check failed: %+v, want %v", got, meta)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func entry(t testing.TB, index uint64, commands ...command.Command) *raft.Log {
	t.Helper()
	e := command.Entry{Term: 1}
	for _, c := range commands {
		data, err := command.Append(nil, c)
		if err != nil {
			t.Fatal(err)
		}
		e.Commands = append(e.Commands, data)
	}
	return &raft.Log{Index: index, Term: 1, Type: raft.LogCommand, Data: command.AppendEntry(nil, e)}
}

// history is a log in which later entries undo and redo what earlier ones did.
func history(t testing.TB, seed uint64, n int) []*raft.Log {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // a test's
	logs := make([]*raft.Log, n)
	for i := range logs {
		id := session.ID{byte(r.IntN(40)), 1}
		at := start.Add(time.Duration(i) * time.Second)
		var c command.Command
		switch r.IntN(10) {
		case 0, 1, 2, 3:
			c = command.PutSession{Session: session.Session{
				ID: id, Journey: [16]byte{byte(r.IntN(250)), id[0]}, Created: at, LastAccess: at,
				Policy:     session.Policy{MaxSession: time.Hour, MaxIdle: time.Minute},
				Principal:  session.Principal{Realm: "/", Username: fmt.Sprint(id[0] % 5)},
				Properties: map[string]string{"p": strings.Repeat("x", r.IntN(3000))},
			}}
		case 4, 5:
			c = command.DeleteSessions{IDs: []session.ID{id}, At: at}
		case 6:
			c = command.Touch{Accesses: []command.Access{{ID: id, At: at}}}
		case 7:
			c = command.PutIdentity{Identity: identity.Identity{
				Realm: "/", Name: fmt.Sprint(r.IntN(9)), LoginCount: i, Attributes: map[string][]string{"mail": {fmt.Sprint(r.IntN(5))}},
			}}
		case 8:
			c = command.DeleteIdentity{Realm: "/", Name: fmt.Sprint(r.IntN(9))}
		default:
			c = command.PutDocument{Document: realm.Document{
				Kind: realm.KindTree, Realm: "/", ID: fmt.Sprint(r.IntN(9)), Rev: fmt.Sprint(i), Body: json.RawMessage(`{}`),
			}}
		}
		logs[i] = entry(t, uint64(i+1), c)
	}
	return logs
}

// apply hands logs over in batches of random sizes.
func (m *member) apply(t testing.TB, r *rand.Rand, logs []*raft.Log) {
	t.Helper()
	for len(logs) > 0 {
		n := min(len(logs), 1+r.IntN(20))
		m.ApplyBatch(logs[:n])
		logs = logs[n:]
	}
	if m.failure != nil {
		t.Fatal(m.failure)
	}
}

// A restart applies nothing twice and nothing never.
func TestRestart(t *testing.T) {
	for name, trust := range map[string]bool{"clean": true, "from the checkpoint": false} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(7, 7)) //nolint:gosec // a test's
			logs := history(t, 7, 300)
			dir := t.TempDir()
			m := mustOpen(t, dir, false)
			m.apply(t, r, logs[:100])
			m.checkpoint(t, 100)
			m.apply(t, r, logs[100:])
			want := m.content(t)
			if err := m.Close(); err != nil {
				t.Fatal(err)
			}
			m = mustOpen(t, dir, trust)
			if _, err := m.Snapshot(); trust && err == nil {
				t.Error("a snapshot is taken before raft has caught up with the store")
			}
			m.apply(t, r, logs[100:])
			if trust && m.effects > 0 {
				t.Errorf("%d effects of entries that were applied before", m.effects)
			}
			if got := m.content(t); !maps.Equal(got, want) {
				t.Error("another store than before")
			}
			m.checkpoint(t, 300)
		})
	}
}

func TestStaleTermChangesNothing(t *testing.T) {
	m := mustOpen(t, t.TempDir(), false)
	l := entry(t, 1, command.PutIdentity{Identity: identity.Identity{Realm: "/", Name: "demo"}})
	l.Term = 2
	results, ok := m.Apply(l).(fsm.Results)
	if !ok || !errors.Is(results.Each[0].Err, command.ErrStale) || m.Meta().Totals.Count != 0 || m.Applied() != 1 {
		t.Errorf("results %+v, %v", results, m.Meta())
	}
}

// An entry that this release does not know stops the member: it must not be
// skipped, and nothing after it applied.
func TestUnknownCommandStops(t *testing.T) {
	m := mustOpen(t, t.TempDir(), false)
	bad := &raft.Log{Index: 2, Term: 1, Type: raft.LogCommand, Data: command.AppendEntry(nil, command.Entry{Term: 1, Commands: [][]byte{{200, 1}}})}
	put := command.PutIdentity{Identity: identity.Identity{Realm: "/", Name: "demo"}}
	m.ApplyBatch([]*raft.Log{entry(t, 1, command.Noop{}), bad, entry(t, 3, put)})
	m.Apply(entry(t, 4, put))
	var version *command.VersionError
	if !errors.As(m.failure, &version) || m.Err() == nil || m.Applied() != 0 || m.Meta().Totals.Count != 0 {
		t.Errorf("failure %v, %v", m.failure, m.Meta())
	}
	if _, err := m.Snapshot(); err == nil {
		t.Error("a snapshot of a member that has stopped")
	}
}

// A snapshot taken from one member makes another the same, and what it had
// before is gone.
func TestInstall(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3)) //nolint:gosec // a test's
	from := mustOpen(t, t.TempDir(), false)
	logs := history(t, 3, 400)
	servers := raft.Configuration{Servers: []raft.Server{{ID: "a", Address: "b"}}}
	from.apply(t, r, []*raft.Log{
		{Index: 1, Term: 1, Type: raft.LogConfiguration, Data: raft.EncodeConfiguration(servers)},
		entry(t, 2, command.ClusterID{ID: [16]byte{1}}),
	})
	from.apply(t, r, logs[2:])
	from.checkpoint(t, 400)
	meta, source, err := from.points.Open("")
	if err != nil {
		t.Fatal(err)
	}
	if meta.Index != 400 || meta.ConfigurationIndex != 1 || len(meta.Configuration.Servers) != 1 {
		t.Fatalf("snapshot %+v", meta)
	}
	toDir := t.TempDir()
	to := mustOpen(t, toDir, false)
	to.apply(t, r, history(t, 4, 50))
	sink, err := to.points.Create(1, meta.Index, meta.Term, meta.Configuration, meta.ConfigurationIndex, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(sink, source); err != nil || n != meta.Size {
		t.Fatalf("copied %d of %d, %v", n, meta.Size, err)
	}
	if err := errors.Join(source.Close(), sink.Close(), sink.Close()); err != nil {
		t.Fatal(err)
	}
	got, received, err := to.points.Open(sink.ID())
	if err != nil || got.Index != 400 {
		t.Fatal(got, err)
	}
	spool, err := os.ReadFile(filepath.Join(toDir, "snapshot-"+sink.ID()))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(spool, []byte("sojourn")) {
		t.Error("the spooled snapshot is not encrypted")
	}
	if err := to.Restore(received); err != nil {
		t.Fatal(err)
	}
	if err := received.Close(); err != nil {
		t.Fatal(err)
	}
	want := from.content(t)
	if got := to.content(t); !maps.Equal(got, want) || to.Applied() != 400 {
		t.Errorf("installed %d keys at %d, want %d", len(got), to.Applied(), len(want))
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	resumed(t, toDir, spool, sink.ID(), want)
	to = mustOpen(t, toDir, true)
	more := entry(t, 401, command.PutIdentity{Identity: identity.Identity{Realm: "/", Name: "later"}})
	to.Apply(more)
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	for _, trust := range []bool{true, false} {
		again := mustOpen(t, toDir, trust)
		again.apply(t, r, []*raft.Log{more})
		if got := again.content(t); len(got) != len(want)+1 {
			t.Errorf("after restart: %d keys, want %d", len(got), len(want)+1)
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// resumed checks that an installation that was interrupted is done again: the
// folder is copied and made to look as after a kill in the middle of it.
func resumed(t *testing.T, from string, spool []byte, id string, want map[string]string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"snapshot-" + id: spool, "snapshot-other": nil, "INSTALLING": []byte(id)} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m, err := open(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := m.content(t); !maps.Equal(got, want) || m.Applied() != 400 || !m.points.Last().Installed {
		t.Errorf("resumed %d keys at %d, want %d", len(got), m.Applied(), len(want))
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{"snapshot-*", "INSTALLING"} {
		if left, err := filepath.Glob(filepath.Join(dir, pattern)); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
}

func TestInterruptedInstallIsRefused(t *testing.T) {
	dir := t.TempDir()
	m := mustOpen(t, dir, false)
	var half bytes.Buffer
	w, err := stream.NewWriter(&half, stream.Header{Index: 9, Term: 1}, nil)
	if err == nil {
		err = w.Close(command.Totals{Count: 5})
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Restore(io.NopCloser(&half)); err == nil || m.failure == nil {
		t.Fatalf("Restore = %v, failure %v", err, m.failure)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	var damaged *damage.Error
	if _, err := open(t, dir); !errors.As(err, &damaged) {
		t.Errorf("open = %v", err)
	}
}

// Wipe takes more transactions than one. What follows it sees an empty store, and
// what came before it is gone, in the same batch and in the same entry.
func TestWipe(t *testing.T) {
	m := mustOpen(t, t.TempDir(), false)
	put := func(name string) command.Command {
		return command.PutIdentity{Identity: identity.Identity{Realm: "/", Name: name}}
	}
	name := func(i int) string { return fmt.Sprintf("%s%d", strings.Repeat("x", 100), i) }
	var logs []*raft.Log
	for i := range 20_000 {
		logs = append(logs, entry(t, uint64(i+1), put(name(i))))
	}
	r := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // a test's
	m.apply(t, r, logs)
	m.ApplyBatch([]*raft.Log{
		entry(t, 20_001, put("before")),
		entry(t, 20_002, put("with"), command.Wipe{Restore: [16]byte{1}}, put(name(1)), put(name(19_999))),
		entry(t, 20_003, put("after"), put(name(1))),
	})
	if m.failure != nil {
		t.Fatal(m.failure)
	}
	count := 0
	for key := range m.content(t) {
		if !command.Own([]byte(key)) {
			count++
		}
	}
	if count != 3 || m.Applied() != 20_003 {
		t.Errorf("%d keys, applied %d", count, m.Applied())
	}
}
