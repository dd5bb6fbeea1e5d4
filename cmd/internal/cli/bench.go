package cli

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sojourn/actors/identity"
	"sojourn/cmd/internal/bench"
	"sojourn/http/client"
	"sojourn/http/wire"
)

// benchFlags are the flags of "sojourn bench".
type benchFlags struct {
	server, user, passwordFile, journey string
	pid, rounds                         int
	subjects                            []string
	concurrency                         []int
	duration                            time.Duration
	count                               int64
	limits                              map[string]string
}

func benchCommand(env Env) *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure a member by closed-loop load, beside an echo server",
		Long: `Measure a member by closed-loop load with checked answers, on this machine alone.

Without --server it starts a member and an echo server for itself, on loopback
with a temporary folder. The figure to look at is the server's CPU for 1000
operations, and its ratio to that of the echo server, which decodes and encodes
a JSON body of the same size with net/http. Rounds of all subjects are
interleaved. A wrong answer is an error, and errors make the exit code 1.

Subjects:
  echo          the yardstick
  echo-bcrypt   the yardstick, with a bcrypt hash of cost 4 verified on the way:
                what it uses beyond an echo is that hash's own CPU
  start         a journey's first request, never answered
  validate      sessions?_action=validate
  login         two requests; a user with an imported bcrypt hash of cost 4,
                whose own CPU (echo-bcrypt less echo) is taken off
  login-zero    the same user in one request, by header lines
  login-argon2  two requests; the default hash. Its rate is compared with that
                of the bare hash on the same cores (subject argon2)`,
		Args: wants(),
	}
	fs := cmd.Flags()
	fs.StringVar(&f.server, "server", "", "`URL` of a running member, as in http://127.0.0.1:8080/am, in place of starting one")
	fs.IntVar(&f.pid, "pid", 0, "process `id` of that member")
	fs.StringVar(&f.user, "user", "", "a user of that member, with the default hash")
	fs.StringVar(&f.passwordFile, "password-file", "", "`file` with the user's password")
	fs.StringVar(&f.journey, "journey", "Login", "journey of one page that asks for name and password")
	fs.StringSliceVar(&f.subjects, "subjects", nil, "what to measure (default: all that can be)")
	fs.IntSliceVar(&f.concurrency, "concurrency", []int{1, 16}, "workers; a series for each number")
	fs.IntVar(&f.rounds, "rounds", 5, "rounds of each subject")
	fs.DurationVar(&f.duration, "duration", time.Second, "`time` of a round")
	fs.Int64Var(&f.count, "count", 0, "operations of a round at most; 0: as many as the time allows")
	fs.StringToStringVar(&f.limits, "limit", nil, "fail when a ratio is worse, as in validate=1.5,login=8,login-argon2=0.95")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		demands, err := f.check()
		if err != nil {
			return err
		}
		report, err := f.measure(cmd.Context(), env)
		if err != nil {
			return err
		}
		report.Judge(demands)
		if *asJSON {
			err = writeJSON(env.Stdout, report)
		} else {
			err = report.WriteTable(env.Stdout)
		}
		if n := report.Errors(); n > 0 {
			err = errors.Join(err, fmt.Errorf("%d operations failed or had a wrong answer", n))
		}
		if len(report.Missed) > 0 {
			err = errors.Join(err, errors.New("a limit was missed"))
		}
		return err
	}
	cmd.AddCommand(echoServer(env))
	return cmd
}

// check refuses what makes no sense before anything is started.
func (f *benchFlags) check() ([]bench.Demand, error) {
	if f.rounds < 1 || f.rounds > 1000 {
		return nil, misusef("--rounds must be 1 to 1000")
	}
	if f.duration <= 0 || f.duration > 10*time.Minute {
		return nil, misusef("--duration must be more than 0 and at most 10m")
	}
	for _, c := range f.concurrency {
		if c < 1 || c > 4096 {
			return nil, misusef("--concurrency: %d is not 1 to 4096", c)
		}
	}
	for _, s := range f.subjects {
		if !slices.Contains(benchSubjects(), s) {
			return nil, misusef("--subjects: there is no %q; there are: %s", s, strings.Join(benchSubjects(), ", "))
		}
	}
	var demands []bench.Demand
	for name, text := range f.limits {
		bound, err := strconv.ParseFloat(text, 64)
		if err != nil || bound <= 0 || !slices.Contains(benchSubjects(), name) {
			return nil, misusef("--limit: %s=%s is not a subject and a number", name, text)
		}
		demands = append(demands, bench.Demand{Subject: name, Bound: bound})
	}
	slices.SortFunc(demands, func(a, b bench.Demand) int { return strings.Compare(a.Subject, b.Subject) })
	if f.server != "" && (f.pid == 0 || f.user == "" || f.passwordFile == "") {
		return nil, misusef("--server needs --pid, --user and --password-file")
	}
	return demands, nil
}

func benchSubjects() []string {
	return []string{"echo", "echo-bcrypt", "start", "validate", "login", "login-zero", "login-argon2"}
}

func (f *benchFlags) measure(ctx context.Context, env Env) (report bench.Report, err error) {
	program, err := os.Executable()
	if err != nil {
		return bench.Report{}, fmt.Errorf("find this program: %w", err)
	}
	echo, err := bench.Spawn(ctx, env.Stderr, program, "bench", "echo-server")
	if err != nil {
		return bench.Report{}, err
	}
	defer func() { err = errors.Join(err, echo.Close()) }()
	target, err := f.target(ctx, program)
	if err != nil {
		return bench.Report{}, err
	}
	defer func() { err = errors.Join(err, target.close()) }()
	subjects, err := target.subjects(ctx, echo, f.subjects)
	if err != nil {
		return bench.Report{}, err
	}
	line := newProgress(env.Stderr)
	defer line.done()
	records, err := bench.Run(ctx, bench.Plan{
		Subjects: subjects, Concurrency: f.concurrency, Rounds: f.rounds,
		Pace: bench.Pace{Duration: f.duration, Count: f.count},
		Progress: func(subject string, workers, round int) {
			line.show("%s, %d workers, round %d of %d", subject, workers, round+1, f.rounds)
		},
	})
	if err != nil {
		return bench.Report{}, err
	}
	return bench.NewReport(subjects, records), nil
}

// benchTarget is the member under load and who can log in there.
type benchTarget struct {
	server bench.Server
	user   bench.User // with the default hash
	cheap  bench.User // with a bcrypt hash of cost 4; no name: cannot be measured
	close  func() error
}

func (f *benchFlags) target(ctx context.Context, program string) (*benchTarget, error) {
	if f.server == "" {
		return f.ownMember(ctx, program)
	}
	u, err := url.Parse(f.server)
	if err != nil || u.Scheme != "http" {
		return nil, misusef("--server: %q is not like http://127.0.0.1:8080/am", f.server)
	}
	if err := bench.Loopback(u.Host); err != nil {
		return nil, misusef("--server: %w", err)
	}
	password, err := readLimited(f.passwordFile, identity.MaxPassword)
	if err != nil {
		return nil, err
	}
	return &benchTarget{
		server: bench.Server{Members: []bench.Member{{Addr: u.Host, PID: f.pid}}, Path: strings.TrimRight(u.Path, "/"), Journey: f.journey},
		user:   bench.User{Name: f.user, Password: identity.Secret(strings.TrimRight(string(password), "\r\n"))},
		close:  func() error { return nil },
	}, nil
}

// ownMember starts a member in a temporary folder.
func (f *benchFlags) ownMember(ctx context.Context, program string) (_ *benchTarget, err error) {
	folder, err := os.MkdirTemp("", "sojourn-bench-")
	if err != nil {
		return nil, fmt.Errorf("make a temporary folder: %w", err)
	}
	t := &benchTarget{close: func() error { return os.RemoveAll(folder) }}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.close())
		}
	}()
	secretFile := filepath.Join(folder, "secret")
	if err := writeSecret(secretFile, rand.Reader); err != nil {
		return nil, err
	}
	quiet := &quietWriter{}
	member, err := bench.Spawn(ctx, quiet, program, "serve", "--dev",
		"--data", filepath.Join(folder, "data"), "--secret", secretFile, "--http", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, errors.New(quiet.String()))
	}
	t.close = func() error { return errors.Join(member.Close(), os.RemoveAll(folder)) }
	t.server = bench.Server{Members: []bench.Member{{Addr: member.HTTP, PID: member.PID}}, Path: "/am", Journey: member.Journey}
	t.user = bench.User{Name: member.User, Password: member.Password}
	if err := t.addCheap(ctx, secretFile); err != nil {
		return nil, err
	}
	return t, nil
}

// addCheap imports the user whose hash costs next to nothing.
func (t *benchTarget) addCheap(ctx context.Context, secretFile string) error {
	hash, password, err := bench.CheapHash()
	if err != nil {
		return err
	}
	member := target{server: "http://" + t.server.Members[0].Addr + t.server.Path, secretFile: secretFile}
	err = member.with(ctx, func(ctx context.Context, c *client.Client) error {
		return c.CreateUser(ctx, "/", wire.User{Name: "bench", Hash: wire.Password(hash), Status: active})
	})
	if err != nil {
		return fmt.Errorf("import the user of bench: %w", err)
	}
	t.cheap = bench.User{Name: "bench", Password: password}
	return nil
}

// subjects makes what was asked for, all that can be measured when nothing was,
// each after the one that it is compared with.
func (t *benchTarget) subjects(ctx context.Context, echo *bench.Child, names []string) ([]bench.Subject, error) {
	if len(names) == 0 {
		names = benchSubjects()
		if t.cheap.Name == "" {
			names = slices.DeleteFunc(names, func(n string) bool { return n == "login" || n == "login-zero" })
		}
	}
	body, err := bench.Yardstick(ctx, t.server, t.user)
	if err != nil {
		return nil, fmt.Errorf("try the member: %w", err)
	}
	var out []bench.Subject
	add := func(s bench.Subject) string {
		if !slices.ContainsFunc(out, func(have bench.Subject) bool { return have.Name == s.Name }) {
			out = append(out, s)
		}
		return s.Name
	}
	yardstick := bench.Member{Addr: echo.HTTP, PID: echo.PID}
	echoHash := bench.EchoHash("echo-bcrypt", yardstick, body)
	for _, name := range names {
		var s bench.Subject
		switch name {
		case "echo":
			s = bench.Echo(yardstick, body)
		case "echo-bcrypt":
			s = echoHash
		case "start":
			s = bench.Start(t.server)
		case "validate":
			s = bench.Validate(name, t.server, t.user)
		case "login-argon2":
			h, err := identity.Make(t.user.Password, identity.DefaultParams(), rand.Reader)
			if err != nil {
				return nil, fmt.Errorf("make the bare hash: %w", err)
			}
			s = bench.Login(name, t.server, t.user)
			s.RateOf = add(bench.Hash("argon2", os.Getpid(), runtime.GOMAXPROCS(0), h, t.user.Password))
		case "login", "login-zero":
			if t.cheap.Name == "" {
				return nil, misusef("--subjects: %s needs a member of bench's own", name)
			}
			s = bench.Login(name, t.server, t.cheap)
			if name == "login-zero" {
				s = bench.ZeroPage(name, t.server, t.cheap)
			}
			s.Less = add(echoHash)
		}
		add(s)
	}
	return out, nil
}

// quietWriter keeps the last of what a child says, for when it fails.
type quietWriter struct{ last []byte }

func (q *quietWriter) Write(p []byte) (int, error) {
	const kept = 4 << 10
	q.last = append(q.last, p...)
	if over := len(q.last) - kept; over > 0 {
		q.last = append(q.last[:0], q.last[over:]...)
	}
	return len(p), nil
}

func (q *quietWriter) String() string { return string(q.last) }

// echoServer is the yardstick's process; bench starts it.
func echoServer(env Env) *cobra.Command {
	return &cobra.Command{
		Use: "echo-server", Short: "Serve the yardstick", Hidden: true, Args: wants(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			var listen net.ListenConfig
			l, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
			if err != nil {
				return fmt.Errorf("listen: %w", err)
			}
			hash, password, err := bench.CheapHash()
			if err != nil {
				return err
			}
			s := &http.Server{Handler: bench.EchoHandler(hash, password), ReadHeaderTimeout: 5 * time.Second}
			stop := context.AfterFunc(ctx, func() { _ = s.Close() })
			defer stop()
			if err := json.NewEncoder(env.Stdout).Encode(bench.Line{Event: "ready", HTTP: l.Addr().String()}); err != nil {
				return fmt.Errorf("say ready: %w", err)
			}
			if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve: %w", err)
			}
			return nil
		},
	}
}
