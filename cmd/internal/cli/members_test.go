package cli

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"sojourn/actors/realm"
	"sojourn/cmd/internal/secret"
	"sojourn/cts/session"
	"sojourn/http/rest"
	"sojourn/http/wire"
)

// cluster is what a member tells of a cluster of four: a leader, a voter that
// is gone, the same host with a new disk, and one with a terminal's nightmare
// of a name.
type cluster struct {
	mu   sync.Mutex
	all  []rest.Member
	fail error
}

func newCluster() *cluster {
	lease, over, lag := 700*time.Millisecond, time.Duration(0), uint64(12)
	seen := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return &cluster{all: []rest.Member{
		{
			ID: "aaaaaaaa00000001", Process: "11", Name: "one", Address: "10.0.0.1:7946", HTTP: "10.0.0.1:8080", Voter: true, Leader: true, Self: true,
			State: rest.MemberAlive, Lease: &lease, Lag: new(uint64), LastSeen: seen, Sees: []string{"one", "two"}, Protocol: 1, Version: "0.1.0",
		},
		{ID: "bbbbbbbb00000002", Name: "two", Address: "10.0.0.2:7946", Voter: true, State: rest.MemberDead},
		{
			ID: "bbbbbbbb11000003", Process: "33", Name: "two", Address: "10.0.0.2:7946", HTTP: "10.0.0.2:8080",
			State: rest.MemberAlive, Lease: &over, Lag: &lag, Journeys: &rest.MemberJourneys{Waiting: 70, Outstanding: 4}, LastSeen: seen, Sees: []string{"one", "two"}, Protocol: 1, Version: "0.1.0",
		},
		{ID: "cccccccc00000004", Name: "\x1b[2J", State: rest.MemberUnknown},
	}}
}

func (x *cluster) Members(context.Context) ([]rest.Member, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.all), x.fail
}

func (x *cluster) Remove(_ context.Context, id string) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	i := slices.IndexFunc(x.all, func(m rest.Member) bool { return m.ID == id })
	if x.all[i].Leader {
		return &rest.MemberRefusedError{Reason: "0 of 1 voters would be alive"}
	}
	x.all = slices.Delete(x.all, i, i+1)
	return x.fail
}

func (x *cluster) Promote(_ context.Context, id string) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	i := slices.IndexFunc(x.all, func(m rest.Member) bool { return m.ID == id })
	x.all[i].Voter = true
	return x.fail
}

// startCluster is "cluster [no-leader]": it serves the API over four members
// until the script ends, and tells commands of it by SOJOURN_SERVER and
// SOJOURN_SECRET_FILE.
func startCluster(ts *testscript.TestScript, args []string) {
	file := ts.MkAbs("cluster-secret")
	if _, err := os.Stat(file); err != nil {
		ts.Check(writeSecret(file, rand.Reader))
	}
	text, err := os.ReadFile(file)
	ts.Check(err)
	master, err := secret.Parse(text)
	ts.Check(err)
	members := newCluster()
	if len(args) > 0 {
		members.fail = &session.UnavailableError{Reason: args[0]}
	}
	h, err := rest.New(rest.Config{
		Path:     "/am",
		Journeys: struct{ rest.Journeys }{}, Sessions: struct{ rest.Sessions }{}, Realms: struct{ rest.Realms }{},
		AuthIDs:     sync.OnceValue(func() *wire.AuthIDKeys { return &wire.AuthIDKeys{Active: master.Derive(secret.AuthID)} }),
		Process:     realm.DefaultDeployment(),
		GotoAllowed: func(string, *realm.Settings) bool { return false },
		Resources:   rest.Resources{Members: members, OperatorToken: rest.OperatorToken(master.OperatorToken().Reveal())},
		Log:         slog.New(slog.DiscardHandler),
	})
	ts.Check(err)
	s := httptest.NewServer(h)
	ts.Defer(s.Close)
	ts.Setenv("SOJOURN_SERVER", s.URL+"/am")
	ts.Setenv("SOJOURN_SECRET_FILE", file)
}

// A text that means no one member, or more than one, removes none.
func TestPick(t *testing.T) {
	all := []wire.ClusterMember{
		{ID: "aa11", Name: "one"}, {ID: "aa22", Name: "two"}, {ID: "bb", Name: "two"}, {ID: "bb33", Name: "aa1"}, {ID: "cc", Name: ""},
	}
	for text, want := range map[string]string{
		"aa11": "aa11", "aa2": "aa22", "one": "aa11", "bb": "bb", "bb3": "bb33", "c": "cc",
		"a": "", "two": "", "aa1": "", "b": "", "zz": "", "aa111": "", "ONE": "",
	} {
		m, err := pick(all, text)
		if m.ID != want || (err == nil) != (want != "") {
			t.Errorf("%q means %q, %v; want %q", text, m.ID, err, want)
		}
	}
}
