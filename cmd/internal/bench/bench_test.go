package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"sojourn/actors/identity"
)

var errStop = errors.New("stop")

func demo() User { return User{Name: "demo", Password: "pw"} }

func TestSubjects(t *testing.T) {
	ctx := t.Context()
	cheap, password, err := CheapHash()
	if err != nil {
		t.Fatal(err)
	}
	member, echo := serve(t, am{}), serve(t, EchoHandler(cheap, password))
	body, err := Yardstick(ctx, member, demo())
	if err != nil {
		t.Fatal(err)
	}
	h, err := identity.Make("pw", identity.Params{Memory: 8, Time: 1, Threads: 1}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	plan := Plan{
		Subjects: []Subject{
			Echo(echo.Members[0], body), EchoHash("echo-bcrypt", echo.Members[0], body), Start(member), Validate("validate", member, demo()), Login("login", member, demo()),
			ZeroPage("login-zero", member, demo()), Step("step", member), Hash("hash", os.Getpid(), 1, h, "pw"),
		},
		Concurrency: []int{1, 3}, Rounds: 2, Pace: Pace{Count: 20},
	}
	records, err := Run(ctx, plan)
	if err != nil {
		t.Fatal(err)
	}
	if want := 8 * 2 * 2; len(records) != want {
		t.Fatalf("%d records, want %d", len(records), want)
	}
	for _, r := range records {
		if r.Errors != 0 || r.Ops != 20 || r.CPU <= 0 || r.Wall <= 0 || r.latency.TotalCount() != 20 {
			t.Errorf("%s at %d: %d of 20 operations, %d errors (%v), CPU %s", r.Subject, r.Concurrency, r.Ops, r.Errors, r.FirstError, r.CPU)
		}
	}
}

// Each answer that is not right must be an error, however close it comes.
func TestWrongAnswersAreErrors(t *testing.T) {
	onSession := func(body string) func(*http.Request) string {
		return func(r *http.Request) string {
			if strings.Contains(r.URL.Path, "/sessions/") {
				return body
			}
			return ""
		}
	}
	onAnswer := func(body string) func(*http.Request) string {
		return func(r *http.Request) string {
			if r.ContentLength > 0 && strings.Contains(r.URL.Path, "/authenticate") {
				return body
			}
			return ""
		}
	}
	always := func(body string) func(*http.Request) string {
		return func(*http.Request) string { return body }
	}
	member := func(f func(Server) Subject) func(Server) Subject { return f }
	for name, tc := range map[string]struct {
		subject func(Server) Subject
		broken  func(*http.Request) string
	}{
		"invalid session":       {member(func(s Server) Subject { return Validate("validate", s, demo()) }), onSession(`{"valid":false,"uid":"demo"}`)},
		"another user":          {member(func(s Server) Subject { return Validate("validate", s, demo()) }), onSession(`{"valid":true,"uid":"eve"}`)},
		"validation not JSON":   {member(func(s Server) Subject { return Validate("validate", s, demo()) }), onSession(`valid`)},
		"login without token":   {member(func(s Server) Subject { return Login("login", s, demo()) }), onAnswer(`{"tokenId":"","successUrl":"/x","realm":"/"}`)},
		"login without URL":     {member(func(s Server) Subject { return Login("login", s, demo()) }), onAnswer(`{"tokenId":"t","realm":"/"}`)},
		"login asks again":      {member(func(s Server) Subject { return Login("login", s, demo()) }), onAnswer(`{"authId":"a.b.c","callbacks":[]}`)},
		"zero page asks":        {member(func(s Server) Subject { return ZeroPage("login-zero", s, demo()) }), always(`{"authId":"a.b.c","callbacks":` + pageBody + `}`)},
		"echo says another":     {member(func(s Server) Subject { return Echo(s.Members[0], yardstick(99)) }), always(`{}`)},
		"wrong password":        {member(func(s Server) Subject { return Login("login", s, User{"demo", "no"}) }), nil},
		"zero page, wrong word": {member(func(s Server) Subject { return ZeroPage("login-zero", s, User{"demo", "no"}) }), nil},
	} {
		t.Run(name, func(t *testing.T) {
			broken := false
			s := serve(t, am{instead: func(r *http.Request) string {
				if broken && tc.broken != nil {
					return tc.broken(r)
				}
				return ""
			}})
			subject := tc.subject(s)
			op, err := subject.prepare(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer op.close()
			broken = true
			err = op.do(t.Context())
			if err == nil {
				t.Fatal("taken for right")
			}
			if strings.Contains(err.Error(), "a.b.c") || strings.Contains(err.Error(), `"t"`) {
				t.Errorf("the error shows a token: %v", err)
			}
		})
	}
}

// The echo with a hash costs what the hash costs, and a hash that does not match
// is an error: nothing else would show that it is verified at all.
func TestEchoHash(t *testing.T) {
	hash, password, err := CheapHash()
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		password identity.Secret
		subject  func(Member) Subject
		right    bool
	}{
		"with the hash":              {password, func(m Member) Subject { return EchoHash("h", m, yardstick(99)) }, true},
		"with a hash of another":     {"no", func(m Member) Subject { return EchoHash("h", m, yardstick(99)) }, false},
		"echo alone has no such use": {"no", func(m Member) Subject { return Echo(m, yardstick(99)) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, EchoHandler(hash, tc.password))
			op, err := tc.subject(s.Members[0]).prepare(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer op.close()
			if err := op.do(t.Context()); (err == nil) != tc.right {
				t.Errorf("answered with %v", err)
			}
		})
	}
}

func TestStartComparesThePage(t *testing.T) {
	other := false
	s := serve(t, am{instead: func(*http.Request) string {
		if other {
			return `{"authId":"a.b.c","callbacks":[{"type":"ChoiceCallback"}]}`
		}
		return ""
	}})
	op, err := Start(s).prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer op.close()
	if err := op.do(t.Context()); err != nil {
		t.Fatal(err)
	}
	other = true
	if op.do(t.Context()) == nil {
		t.Error("another page was taken for the journey's")
	}
}

func TestRunCountsErrors(t *testing.T) {
	s := serve(t, am{})
	records, err := Run(t.Context(), Plan{
		Subjects:    []Subject{Login("login", s, User{"demo", "no"})},
		Concurrency: []int{2}, Rounds: 1, Pace: Pace{Count: 10},
	})
	if err != nil {
		t.Fatal(err)
	}
	r := NewReport(nil, records)
	if records[0].Errors != 10 || records[0].Ops != 0 || records[0].FirstError == nil || r.Errors() != 0 {
		t.Errorf("record %+v", records[0])
	}
	if r = NewReport([]Subject{{Name: "login"}}, records); r.Errors() != 10 {
		t.Errorf("the report counts %d errors, want 10", r.Errors())
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	s := serve(t, am{})
	ctx, cancel := context.WithCancelCause(t.Context())
	plan := Plan{
		Subjects: []Subject{Start(s)}, Concurrency: []int{2}, Rounds: 2, Pace: Pace{Duration: time.Hour, Count: 8},
		Progress: func(string, int, int) { cancel(errStop) },
	}
	if _, err := Run(ctx, plan); !errors.Is(err, errStop) {
		t.Errorf("ended with %v, want %v", err, errStop)
	}
}

// A subject with a concurrency of its own is measured at that one only, in
// rounds with those that share it.
func TestConcurrencyOfASubject(t *testing.T) {
	s := serve(t, am{})
	write, flush := ZeroPage("write", s, demo()), Fsync("fsync", t.TempDir(), os.Getpid())
	write.Concurrency, flush.Concurrency = []int{1, 3}, []int{3}
	var got []string
	records, err := Run(t.Context(), Plan{
		Subjects: []Subject{Start(s), flush, write}, Concurrency: []int{2, 1}, Rounds: 2, Pace: Pace{Count: 4},
		Progress: func(subject string, concurrency, round int) {
			got = append(got, fmt.Sprintf("%s@%d#%d", subject, concurrency, round))
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := "start@2#0 start@2#1 start@1#0 write@1#0 start@1#1 write@1#1 fsync@3#0 write@3#0 fsync@3#1 write@3#1"
	if strings.Join(got, " ") != want {
		t.Errorf("measured %q, want %q", got, want)
	}
	for _, r := range records {
		if r.Errors != 0 || r.Ops != 4 {
			t.Errorf("%s at %d: %d of 4 operations, %d errors (%v)", r.Subject, r.Concurrency, r.Ops, r.Errors, r.FirstError)
		}
	}
}

func TestPacer(t *testing.T) {
	begun := time.Unix(1000, 0)
	for name, tc := range map[string]struct {
		pace  Pace
		after time.Duration
		want  int // operations given of 5 asked for
	}{
		"by count":            {Pace{Count: 3}, time.Hour, 3},
		"by time, within":     {Pace{Duration: time.Second}, time.Second - 1, 5},
		"by time, over":       {Pace{Duration: time.Second}, time.Second, 0},
		"both, count first":   {Pace{Duration: time.Second, Count: 2}, 0, 2},
		"both, time is first": {Pace{Duration: time.Second, Count: 2}, time.Minute, 0},
	} {
		t.Run(name, func(t *testing.T) {
			p, got := newPacer(tc.pace, begun), 0
			for range 5 {
				if p.next(begun.Add(tc.after)) {
					got++
				}
			}
			if got != tc.want {
				t.Errorf("%d operations, want %d", got, tc.want)
			}
		})
	}
}

func TestLoopback(t *testing.T) {
	for addr, ok := range map[string]bool{
		"127.0.0.1:80": true, "127.9.9.9:80": true, "[::1]:80": true, "localhost:80": true,
		"10.0.0.1:80": false, "example.com:80": false, ":80": false, "localhost": false, "localhost.example.com:80": false,
	} {
		if err := Loopback(addr); (err == nil) != ok {
			t.Errorf("%s: %v", addr, err)
		}
	}
}

func TestYardstickHasItsSize(t *testing.T) {
	for _, size := range []int{60, 120, 4000} {
		if got := len(yardstick(size)); got != size {
			t.Errorf("%d bytes, want %d", got, size)
		}
	}
}

// The clock of a process counts its work, not the time that passes.
func TestCPUTime(t *testing.T) {
	before, err := cpuTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	for x := 0; time.Since(begun) < 30*time.Millisecond; {
		x++
	}
	after, err := cpuTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if used := after - before; used < time.Millisecond {
		t.Errorf("30 ms of work counted as %s", used)
	}
	if _, err := cpuTime(1 << 21); err == nil {
		t.Error("a process that is not there has a clock")
	}
}

func TestSpawn(t *testing.T) {
	t.Setenv("BENCH_CHILD", "ready")
	c, err := Spawn(t.Context(), t.Output(), os.Args[0], "-test.run=^$")
	if err != nil {
		t.Fatal(err)
	}
	if c.HTTP != "127.0.0.1:1" || c.User != "demo" {
		t.Errorf("ready line read as %+v", c.Line)
	}
	if used, err := cpuTime(c.PID); err != nil || used <= 0 {
		t.Errorf("CPU of the child %s, %v", used, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := cpuTime(c.PID); err == nil {
		t.Error("the child lives on")
	}
	t.Setenv("BENCH_CHILD", "mute")
	if _, err := Spawn(t.Context(), t.Output(), os.Args[0], "-test.run=^$"); err == nil {
		t.Error("a child without a ready line was taken for ready")
	}
}

// A child is listening before it is ready, and may never come so far.
func TestAwait(t *testing.T) {
	t.Setenv("BENCH_CHILD", "ready")
	c, err := Launch(t.Context(), t.Output(), os.Args[0], "-test.run=^$")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Await(t.Context(), "listening"); err != nil || c.Cluster != "127.0.0.1:2" || c.HTTP != "" {
		t.Errorf("listening line read as %+v, %v", c.Line, err)
	}
	if err := c.Await(t.Context(), "ready"); err != nil || c.HTTP != "127.0.0.1:1" {
		t.Errorf("ready line read as %+v, %v", c.Line, err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errStop)
	if err := c.Await(ctx, "never"); !errors.Is(err, errStop) {
		t.Errorf("awaited %v, want %v", err, errStop)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if c.Await(t.Context(), "ready") == nil {
		t.Error("a child that is gone is ready")
	}
}
