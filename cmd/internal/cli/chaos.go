package cli

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sojourn/cmd/internal/chaos"
	"sojourn/http/client"
)

// Exit codes of "sojourn chaos" beside those of all commands. A promise that was
// broken adds its number to exitPromise: 11 is P1, 16 is P6; the lowest counts.
const (
	exitLimit   = 3 // all promises were kept, a limit in time was not
	exitPromise = 10
)

// chaosFlags are the flags of "sojourn chaos".
type chaosFlags struct {
	members, replicas, journeys, idle, repeat int
	scenarios, attach                         []string
	seed                                      uint64
	length, every                             time.Duration
	asJSON                                    bool
	store, sessions                           string
	target                                    *target
}

func chaosCommand(env Env) *cobra.Command {
	f := chaosFlags{target: &target{env: env}}
	cmd := &cobra.Command{
		Use:   "chaos",
		Short: "Break a cluster under load, and judge what its clients saw",
		Long:  chaosHelp(),
		Args:  wants(),
	}
	fs := cmd.Flags()
	fs.IntVar(&f.members, "members", 5, "members of the cluster, 1 to 9")
	fs.StringSliceVar(&f.scenarios, "scenario", []string{"kill"}, "what happens to it, one after the other; kills: all that kill, all: all")
	fs.Uint64Var(&f.seed, "seed", 0, "`number` that makes all choices; drawn when 0, and told in the report")
	fs.DurationVar(&f.length, "for", time.Minute, "`time` for which faults go on in each scenario")
	fs.DurationVar(&f.every, "every", 20*time.Second, "`time` from one fault to the next; longer where a fault takes longer")
	fs.IntVar(&f.repeat, "repeat", 1, "times that all is done, each with the next seed and clusters of its own")
	fs.IntVar(&f.replicas, "replicas", 0, "members that hold each journey, 1, 3 or 5; with 1 faults must cost journeys (default: what the scenario needs)")
	fs.StringVar(&f.store, "store", "memory", "where journeys are kept: memory, cts or jwt")
	fs.StringVar(&f.sessions, "sessions", "stored", "where sessions are kept: stored or client")
	fs.IntVar(&f.journeys, "journeys", 12, "journeys under way at a time, each step without a pause to think")
	fs.IntVar(&f.idle, "idle", 100, "journeys that rest for 10 s between their steps")
	fs.BoolVar(&f.asJSON, "json", false, "print JSON instead of tables")
	fs.StringSliceVar(&f.attach, "attach", nil, "`URL`s of the members of a running cluster, in place of starting one")
	fs.StringVar(&f.target.secretFile, "secret", "", "with --attach: `file` with its cluster secret (or SOJOURN_SECRET_FILE)")
	fs.BoolVar(&f.target.shared, "secret-shared", false, "accept a secret file that others on this machine may read")
	fs.StringVar(&f.target.caFile, "ca", "", "with --attach: `file` (PEM) with the authorities that may have signed the members' certificates")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		scenarios, err := f.check(cmd.Flags().Changed("scenario"))
		if err != nil {
			return err
		}
		if f.seed == 0 {
			var random [8]byte
			_, _ = rand.Read(random[:])                       // never fails
			f.seed = binary.BigEndian.Uint64(random[:]) >> 32 // short enough to type again
		}
		if len(f.attach) > 0 {
			return f.attached(cmd.Context(), env)
		}
		return f.run(cmd.Context(), env, scenarios)
	}
	return cmd
}

func chaosHelp() string {
	var b strings.Builder
	b.WriteString(`Break a cluster under load, and judge what its clients saw.

It starts members of its own, processes of this program on this machine in a
temporary folder, and loads them with logins and journeys of several steps, each
request at another member: some of them twice with different answers, failures
again elsewhere, idle journeys among them. Then it injects faults. When all is
mended it takes every journey to its end and reads every session at every
member. The report card has a line for each kind of fault (journeys under way,
lost, doubled, the longest and the 99th percentile of the times that a client
waited for a step), and a verdict on each promise:

  P1  any member: no acknowledged answer is refused elsewhere
  P2  journeys outlive members: none is lost, rolled back or never answered
  P3  one outcome: no question has two acknowledged answers, no journey two
      sessions, and an order of the requests explains all answers
  P4  sessions stay: every acknowledged session is found at every member
  P5  gone is gone: none is valid after its acknowledged logout
  P6  fail closed, say so: nobody in good standing is turned away; who is cut
      off answers 503

Scenarios, each with a cluster of its own:
`)
	for _, s := range chaos.Described() {
		fmt.Fprintf(&b, "  %-9s %s\n", s[0], s[1])
	}
	b.WriteString(`
The same seed makes the same choices: what the load does, which member is hit.

With --attach it loads members that run already and injects nothing: faults are
yours, and must be mended when --for is over. It makes a realm for itself and
removes it in the end.

Exit codes: 0 all promises were kept; 11 to 16 P1 to P6 was broken (the first of
them); 3 all were kept, but clients waited longer than the scenario allows;
1 the run could not be carried out; 2 misuse.`)
	return b.String()
}

// check refuses what makes no sense before anything is started.
func (f *chaosFlags) check(named bool) ([]chaos.Scenario, error) {
	switch {
	case f.members < 1 || f.members > 9:
		return nil, misusef("--members must be 1 to 9")
	case f.repeat < 1 || f.repeat > 1000:
		return nil, misusef("--repeat must be 1 to 1000")
	case !slices.Contains([]int{0, 1, 3, 5}, f.replicas):
		return nil, misusef("--replicas must be 1, 3 or 5")
	case journeyStores()[f.store] == "":
		return nil, misusef("--store must be memory, cts or jwt")
	case f.sessions != "stored" && f.sessions != "client":
		return nil, misusef("--sessions must be stored or client")
	case f.journeys < 1 || f.journeys > 1000:
		return nil, misusef("--journeys must be 1 to 1000")
	case f.idle < 0 || f.idle > 10_000:
		return nil, misusef("--idle must be 0 to 10000")
	case f.length < time.Second || f.length > 24*time.Hour:
		return nil, misusef("--for must be 1s to 24h")
	case f.every < time.Second || f.every > time.Hour:
		return nil, misusef("--every must be 1s to 1h")
	case len(f.attach) > 0 && (named || f.replicas > 0 || f.repeat > 1):
		return nil, misusef("--attach: the cluster is as it is, and its faults are yours; it goes with --for, --every, --journeys, --idle and --seed")
	case len(f.attach) > 0:
		return nil, nil
	}
	plan := chaos.Plan{Members: f.members, For: f.length, Every: f.every, Replicas: f.replicas}
	scenarios, err := plan.Scenarios(f.scenarios...)
	if err != nil {
		return nil, misusef("--scenario: %w; sojourn chaos --help lists them", err)
	}
	if os.Geteuid() == 0 {
		return scenarios, nil
	}
	for _, s := range scenarios {
		if s.Root() && slices.Contains(f.scenarios, s.Name) {
			return nil, misusef("--scenario: %q needs root, for network namespaces", s.Name)
		}
	}
	return slices.DeleteFunc(scenarios, chaos.Scenario.Root), nil
}

// load is how hard a cluster is loaded.
func (f *chaosFlags) load() chaos.LoadConfig {
	const operations = 8_000_000 // some hours of them
	return chaos.LoadConfig{
		Writers: 4, Readers: 4, Watchers: 1, Journeys: f.journeys, Idle: f.idle, MaxOps: operations,
		Store: journeyStores()[f.store], ClientSide: f.sessions == "client",
	}
}

// journeyStores are AM's names of the values of --store.
func journeyStores() map[string]string {
	return map[string]string{"memory": "In-Memory", "cts": "CTS", "jwt": "JWT"}
}

// run runs scenarios, each in a folder of its own, which is kept when it shows
// something to look into.
func (f *chaosFlags) run(ctx context.Context, env Env, scenarios []chaos.Scenario) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	var reports []*chaos.Report
	for i := range f.repeat {
		for _, s := range scenarios {
			report, err := f.scenario(ctx, env, program, f.seed+uint64(i), s) //nolint:gosec // not negative
			if report != nil && report.Requests > 0 {
				reports = append(reports, report)
			}
			if err != nil {
				return errors.Join(f.write(env, reports), err)
			}
		}
	}
	return f.verdict(env, reports)
}

func (f *chaosFlags) scenario(ctx context.Context, env Env, program string, seed uint64, s chaos.Scenario) (report *chaos.Report, err error) {
	folder, err := os.MkdirTemp("", "sojourn-chaos-")
	if err != nil {
		return nil, fmt.Errorf("make a temporary folder: %w", err)
	}
	defer func() {
		if report != nil && report.OK() && err == nil || ctx.Err() != nil {
			err = errors.Join(err, os.RemoveAll(folder))
			return
		}
		fmt.Fprintf(env.Stderr, "logs and data of %s are kept in %s\n", s.Name, folder)
	}()
	secretFile := filepath.Join(folder, "secret")
	if err := writeSecret(secretFile, rand.Reader); err != nil {
		return nil, err
	}
	master, err := readSecret(secretFile, false)
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(folder, "chaos.log")) //nolint:gosec // in a folder of our own
	if err != nil {
		return nil, fmt.Errorf("make a log: %w", err)
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	line := newProgress(env.Stderr)
	defer line.done()
	return chaos.Run(ctx, chaos.Config{
		Binary: program, SecretFile: secretFile, Dir: folder,
		Operator: client.OperatorToken(master.OperatorToken().Reveal()),
		Args:     []string{"--set", "limits.minFreeDisk=64MiB"},
		Seed:     seed, Load: f.load(), Patience: time.Minute, // a member that leaves may take half of it
		Progress: func(doing string) { line.show("seed %d: %s", seed, doing) },
		Log:      slog.New(slog.NewTextHandler(log, nil)),
	}, s)
}

// attached loads a cluster that runs.
func (f *chaosFlags) attached(ctx context.Context, env Env) error {
	for _, base := range f.attach {
		u, err := url.Parse(base)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return misusef("--attach: %q is not like %s", base, defaultServer)
		}
	}
	master, err := f.target.secret()
	if err != nil {
		return err
	}
	roots, err := f.target.roots()
	if err != nil {
		return err
	}
	load := f.load()
	load.TLS = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	line := newProgress(env.Stderr)
	defer line.done()
	f.target.server = f.attach[0]
	report, err := chaos.Attach(ctx, chaos.Config{
		Operator: client.OperatorToken(master.OperatorToken().Reveal()), Seed: f.seed, Load: load,
		Progress: func(doing string) { line.show("%s", doing) },
		Log:      slog.New(slog.DiscardHandler),
	}, chaos.Attached{Bases: f.attach, For: f.length, Every: f.every})
	if err != nil {
		return f.target.explain(err)
	}
	return f.verdict(env, []*chaos.Report{report})
}

// chaosReport is a report as JSON.
type chaosReport struct {
	*chaos.Report
	Card []chaos.Card `json:"card"`
}

func (f *chaosFlags) write(env Env, reports []*chaos.Report) error {
	if f.asJSON {
		all := make([]chaosReport, len(reports))
		for i, r := range reports {
			all[i] = chaosReport{r, r.Cards()}
		}
		return writeJSON(env.Stdout, all)
	}
	for _, r := range reports {
		if err := r.WriteCard(env.Stdout); err != nil {
			return err
		}
	}
	return nil
}

// verdict writes the reports and returns an error that has their exit code.
func (f *chaosFlags) verdict(env Env, reports []*chaos.Report) error {
	if err := f.write(env, reports); err != nil {
		return err
	}
	failed, promise, seed := 0, 0, uint64(0) // promise: the first that was broken, 0 for none
	for _, r := range reports {
		if r.OK() {
			continue
		}
		first := 1 + slices.IndexFunc(r.Promises, func(p chaos.Promise) bool { return !p.OK() })
		if failed == 0 || first > 0 && (promise == 0 || first < promise) {
			promise, seed = first, r.Seed
		}
		failed++
	}
	switch {
	case promise > 0:
		return exitError{exitPromise + promise, fmt.Errorf("%d of %d runs failed; P%d was broken with --seed %d", failed, len(reports), promise, seed)}
	case failed > 0:
		return exitError{exitLimit, fmt.Errorf("%d of %d runs failed; a limit was missed with --seed %d", failed, len(reports), seed)}
	}
	return nil
}
