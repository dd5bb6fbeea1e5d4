package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sojourn/cmd/internal/bench"
)

// benchFlags are the flags of "sojourn bench".
type benchFlags struct {
	server, user, passwordFile, journey string
	pid, rounds, members                int
	subjects                            []string
	stores                              bool
	concurrency                         []int
	duration, idle                      time.Duration
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
with a temporary folder (TMPDIR says where). The figure to look at is the
server's CPU for 1000 operations, and its ratio to that of the echo server,
which decodes and encodes a JSON body of the same size with net/http. Rounds of
all subjects are interleaved. A wrong answer is an error, and errors make the
exit code 1.

Subjects:
  echo          the yardstick
  echo-bcrypt   the yardstick, with a bcrypt hash of cost 4 verified on the way:
                what it uses beyond an echo is that hash's own CPU
  start         a journey's first request, never answered
  validate      sessions?_action=validate
  login         two requests; a user with an imported bcrypt hash of cost 4,
                whose own CPU (echo-bcrypt less echo) is taken off
  login-light   two requests; a user with a hash that costs nothing (PBKDF2 of one
                round), so that nothing has to be taken off
  login-zero    the user of login in one request, by header lines
  login-argon2  two requests; the default hash. Its rate is compared with that
                of the bare hash on the same cores (subject argon2)
  step          one answered step of a journey that goes on: a name, a choice or a
                confirmation, and the next page
  step-single   the same with one worker, for its latency
  fsync         one writer that appends 512 bytes to a file beside the member's
                folder and flushes it, whatever the number of workers
  write         the user of login-light in one request: little more than a stored
                session. Its rate is compared with fsync's

With --members 3 it starts a cluster of three as well, with a secret and folders
of its own on the same disk, waits until all vote, and measures it in the same
rounds as the member alone. CPU is that of all three processes together, with
all that they do in the background: at low rates that weighs in, at 16 workers
it does not. A worker sends each request to the next member.
  cluster-echo      echo at three echo servers in turn. Its ratio to echo is what
                    this machine asks for sharing a load between three
                    processes, which no cluster can do without here
  cluster-validate  validate: a session made once, then asked for at all members
                    in turn. Its CPU is compared with that of validate
  cluster-validate-one
                    the same at one member of the cluster, the others idle, as
                    if each had a machine of its own
  cluster-login     login: the two requests go to two members. Its CPU is
                    compared with that of login, the hash taken off both. The
                    hash is most of either, so that a few percent of it more or
                    less move the ratio by tenths;
  cluster-login-light
                    login-light at two members compares without it
  cluster-step      step: each answer goes to another member than the one before.
                    Its CPU is compared with that of step
  cluster-step-single
                    the same with one worker; what a limit bounds are the
                    milliseconds by which its p50 is above that of step-single
  cluster-write     write at all members in turn

The idle CPU of member and cluster is measured before the load.

With --stores it compares where realms can keep journeys and sessions, with
--members in the cluster as well. The limit is then that nothing else uses less
CPU than memory.
  journey-memory    a journey of four pages with a session at its end (a name, a
                    choice, a question, a password whose hash costs nothing),
                    kept in memory between two requests
  journey-cts       the same, kept in the replicated store
  journey-jwt       the same, kept by the client, sealed inside authId
  validate-stored   sessions of the token store, as every member has them in
                    memory: 1250 for each worker, in turn
  validate-client   as many client-side sessions, decrypted, verified and looked
                    up among those that were ended; a member remembers half of
                    these tokens when there are 16 workers
  validate-client-again
                    one client-side session for each worker, again and again:
                    the member remembers what its token says
  cluster-...       each of these at the members of the cluster in turn`,
		Args: wants(),
	}
	fs := cmd.Flags()
	fs.StringVar(&f.server, "server", "", "`URL` of a running member, as in http://127.0.0.1:8080/am, in place of starting one")
	fs.IntVar(&f.pid, "pid", 0, "process `id` of that member")
	fs.StringVar(&f.user, "user", "", "a user of that member, with the default hash")
	fs.StringVar(&f.passwordFile, "password-file", "", "`file` with the user's password")
	fs.StringVar(&f.journey, "journey", "Login", "journey of one page that asks for name and password")
	fs.IntVar(&f.members, "members", 1, "with 2 to 7: measure a cluster of so many beside the member alone")
	fs.DurationVar(&f.idle, "idle", 10*time.Second, "with --members: `time` for which idle CPU is measured; 0: not")
	fs.StringSliceVar(&f.subjects, "subjects", nil, "what to measure (default: all but fsync and write that can be; with --members what is compared)")
	fs.BoolVar(&f.stores, "stores", false, "compare the stores of journeys and of sessions, and fail unless memory leads")
	fs.IntSliceVar(&f.concurrency, "concurrency", nil, "workers; a series for each number (default 1,16; with --members 16, and 1,64,512 for writes and fsync)")
	fs.IntVar(&f.rounds, "rounds", 5, "rounds of each subject")
	fs.DurationVar(&f.duration, "duration", time.Second, "`time` of a round")
	fs.Int64Var(&f.count, "count", 0, "operations of a round at most; 0: as many as the time allows")
	fs.StringToStringVar(&f.limits, "limit", nil, "fail when a ratio is worse, as in validate=1.5,login-argon2=0.95,cluster-step=3, or more latency is added, as in cluster-step-single=0.5")
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
	if f.members < 1 || f.members > 7 {
		return nil, misusef("--members must be 1 to 7")
	}
	if f.stores && len(f.subjects) > 0 {
		return nil, misusef("--stores and --subjects: --stores has subjects of its own")
	}
	if f.stores && f.server != "" {
		return nil, misusef("--stores and --server: it needs realms of its own")
	}
	if f.idle < 0 || f.idle > 10*time.Minute {
		return nil, misusef("--idle must be 0 to 10m")
	}
	if err := f.checkSubjects(); err != nil {
		return nil, err
	}
	demands := f.leads()
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
	if f.server != "" && f.members > 1 {
		return nil, misusef("--server and --members: a cluster is compared with a member of bench's own")
	}
	return demands, nil
}

func (f *benchFlags) checkSubjects() error {
	for _, s := range f.subjects {
		switch {
		case !slices.Contains(benchSubjects(), s):
			return misusef("--subjects: there is no %q; there are: %s", s, strings.Join(benchSubjects(), ", "))
		case f.members == 1 && strings.HasPrefix(s, "cluster-"):
			return misusef("--subjects: %s needs --members", s)
		case f.server != "" && slices.Contains(ownSubjects(), s):
			return misusef("--subjects: %s needs a member of bench's own, and there is --server", s)
		}
	}
	return nil
}

func (f *benchFlags) measure(ctx context.Context, env Env) (report bench.Report, err error) {
	program, err := os.Executable()
	if err != nil {
		return bench.Report{}, fmt.Errorf("find this program: %w", err)
	}
	servers, err := f.servers(ctx, env, program)
	if err != nil {
		return bench.Report{}, err
	}
	defer func() { err = errors.Join(err, servers.close()) }()
	subjects, err := servers.subjects(ctx, f)
	if err != nil {
		return bench.Report{}, err
	}
	line := newProgress(env.Stderr)
	defer line.done()
	var idle []bench.Idle
	if servers.cluster != nil && f.idle > 0 {
		line.show("idle CPU, %s", f.idle)
		if idle, err = bench.MeasureIdle(ctx, f.idle, servers.alone.server, servers.cluster.server); err != nil {
			return bench.Report{}, err
		}
	}
	records, err := bench.Run(ctx, bench.Plan{
		Subjects: subjects, Concurrency: f.workers(), Rounds: f.rounds,
		Pace: bench.Pace{Duration: f.duration, Count: f.count},
		Progress: func(subject string, workers, round int) {
			line.show("%s, %d workers, round %d of %d", subject, workers, round+1, f.rounds)
		},
	})
	if err != nil {
		return bench.Report{}, err
	}
	report = bench.NewReport(subjects, records)
	report.Idle = idle
	return report, nil
}

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
