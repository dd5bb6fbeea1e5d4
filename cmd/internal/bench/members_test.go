package bench

import (
	"context"
	"errors"
	"math"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"sojourn/actors/identity"
)

// Requests go to the members in turn: both of a login to two of them, and those
// of the next login to another two.
func TestMembersInTurn(t *testing.T) {
	for name, tc := range map[string]struct {
		subject func(Server) Subject
		before  int   // requests of its preparation
		want    []int // how far from the first member that was met, for each request
	}{
		"login": {func(s Server) Subject { return Login("login", s, demo()) }, 1, []int{0, 1, 2, 0, 1, 2}},
		"echo":  {func(s Server) Subject { return EchoInTurn("echo", s.Members, []byte(`{"a":1}`)) }, 0, []int{0, 1, 2}},
		// Of the three pages that are learned first the last leads back to the first.
		"step":  {func(s Server) Subject { return Step("step", s) }, 4, []int{0, 1, 2, 0}},
		"write": {func(s Server) Subject { return ZeroPage("write", s, demo()) }, 0, []int{0, 1, 2}},
		// The session is made before, with two requests, and then asked for.
		"validate": {func(s Server) Subject { return Validate("validate", s, demo()) }, 2, []int{0, 1, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			server, asked := cluster(t, 3)
			subject := tc.subject(server)
			if len(subject.PIDs) != 3 {
				t.Errorf("the CPU of %d processes counts", len(subject.PIDs))
			}
			first := make(map[int]bool)
			for range 3 { // workers, one after another
				op, err := subject.prepare(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				defer op.close()
				for range 3 {
					if err := op.do(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			}
			met, one := asked(), len(asked())/3
			for ; len(met) > 0; met = met[one:] {
				mine := met[tc.before:one]
				first[mine[0]] = true
				for i, want := range tc.want {
					if (mine[0]+want)%3 != mine[i] {
						t.Errorf("met %v", mine)
					}
				}
			}
			if len(first) != 3 {
				t.Errorf("the workers begin at %d of 3 members", len(first))
			}
		})
	}
}

// Of a cluster, each member's answer is checked: here one of three does not know
// the session.
func TestOneMemberAnswersWrong(t *testing.T) {
	s := serve(t, am{})
	ignorant := serve(t, am{instead: func(r *http.Request) string {
		if strings.Contains(r.URL.Path, "/sessions/") {
			return `{"valid":false}`
		}
		return ""
	}})
	s.Members = append(s.Members, s.Members[0], ignorant.Members[0])
	op, err := Validate("validate", s, demo()).prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer op.close()
	failed := 0
	for range 6 {
		if op.do(t.Context()) != nil {
			failed++
		}
	}
	if failed != 2 {
		t.Errorf("%d of 6 answers were taken for wrong, want 2", failed)
	}
}

// What fsync reports has reached a file, one block for each operation, and no
// file is left.
func TestFsync(t *testing.T) {
	folder := t.TempDir()
	op, err := Fsync("fsync", folder, os.Getpid()).prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := op.do(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	files, err := os.ReadDir(folder)
	if err != nil || len(files) != 1 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	if info, err := files[0].Info(); err != nil || info.Size() != 3*fsyncSize {
		t.Errorf("the file is %v, %v", info, err)
	}
	op.close()
	if files, err := os.ReadDir(folder); err != nil || len(files) != 0 {
		t.Errorf("%d files are left, %v", len(files), err)
	}
	if err := op.do(t.Context()); err == nil {
		t.Error("a write to a closed file is a success")
	}
	if _, err := Fsync("fsync", folder+"/none", os.Getpid()).prepare(t.Context()); err == nil {
		t.Error("prepared in a folder that is not there")
	}
}

func TestHashes(t *testing.T) {
	for name, hash := range map[string]func() (identity.Hash, identity.Secret, error){"cheap": CheapHash, "least": LeastHash} {
		h, password, err := hash()
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := identity.Verify(h, password); err != nil || !ok {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
		if ok, err := identity.Verify(h, password+"!"); err != nil || ok {
			t.Errorf("%s, wrong password: %v, %v", name, ok, err)
		}
	}
}

// The idle CPU of several processes is that of all of them.
func TestMeasureIdle(t *testing.T) {
	me := Member{PID: os.Getpid()}
	ctx, stop := context.WithCancelCause(t.Context())
	var busy sync.WaitGroup
	busy.Go(func() {
		for x := 0; ctx.Err() == nil; {
			x++
		}
	})
	got, err := MeasureIdle(t.Context(), 50*time.Millisecond, Server{Members: []Member{me}}, Server{Members: []Member{me, me}})
	if err != nil {
		t.Fatal(err)
	}
	one, two := got[0], got[1]
	if one.Members != 1 || two.Members != 2 || one.Seconds < 0.05 || one.Percent < 1 || math.Abs(two.Percent/one.Percent-2) > 0.6 {
		t.Errorf("a busy process: %+v; the same counted twice: %+v", one, two)
	}
	stop(errStop)
	busy.Wait()
	if _, err := MeasureIdle(ctx, time.Hour); !errors.Is(err, errStop) {
		t.Errorf("ended with %v, want %v", err, errStop)
	}
	if _, err := MeasureIdle(t.Context(), time.Millisecond, Server{Members: []Member{{PID: 1 << 21}}}); err == nil {
		t.Error("a process that is not there is idle")
	}
}
