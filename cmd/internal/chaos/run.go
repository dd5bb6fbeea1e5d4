package chaos

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"sojourn/cmd/internal/chaos/fleet"
	"sojourn/cmd/internal/chaos/history"
	"sojourn/http/client"
)

// Config says with what a scenario is run.
type Config struct {
	// Binary is the program, SecretFile its cluster secret, Dir an existing
	// folder for data and logs.
	Binary, SecretFile, Dir string
	// Operator is the token that belongs to the secret.
	Operator client.OperatorToken
	// Args are further arguments of each member.
	Args []string
	// Seed makes the choices of the load, and of the faults where one is left
	// open.
	Seed uint64
	// Load is how hard the members are loaded. Its Bases, Operator and Seed are
	// filled in.
	Load LoadConfig
	// Patience bounds every wait for a member or for the cluster; 30 s when
	// zero.
	Patience time.Duration
	// Log is told each step. Required.
	Log *slog.Logger
}

const (
	defaultPatience = 30 * time.Second
	// steady is how long the load runs before the first step.
	steady = time.Second
	// smallDisk is the size of a file system that is to be filled, image that of
	// one which loses its power, in bytes.
	smallDisk = 320 << 20
	image     = 1 << 30
)

// run is a scenario that is being run.
type run struct {
	cfg      Config
	scenario Scenario
	fleet    *fleet.Fleet
	load     *Load
	random   *rand.Rand
	same     []int // the members of the latest step that named any
	stalls   stalls
	report   *Report
}

// Run runs a scenario. The report tells what was found, and is there beside an
// error as well, as far as it goes; the error says that the scenario could not
// be carried out, such as that a member did not come back. Nothing but Dir is
// left behind.
func Run(ctx context.Context, cfg Config, s Scenario) (report *Report, err error) {
	if cfg.Log == nil {
		return nil, errors.New("chaos: a run needs a log")
	}
	if cfg.Patience == 0 {
		cfg.Patience = defaultPatience
	}
	r := &run{
		cfg: cfg, scenario: s,
		random: rand.New(rand.NewPCG(cfg.Seed, 1<<63)), //nolint:gosec // choices, not secrets
		report: &Report{Scenario: s.Name, Members: s.Members, Seed: cfg.Seed},
	}
	begun := time.Now()
	fc := fleet.Config{
		Binary: cfg.Binary, Dir: cfg.Dir, SecretFile: cfg.SecretFile, Members: s.Members, Alone: s.alone(), Args: cfg.Args, Patience: cfg.Patience,
	}
	var disks, images bool
	if fc.Namespaces, disks, images = s.needs(); disks {
		fc.Disk = smallDisk
	}
	if images {
		fc.Image = image
	}
	if r.fleet, err = fleet.Start(ctx, fc); err != nil {
		return r.report, err //nolint:wrapcheck // it says all
	}
	defer func() {
		err = errors.Join(err, r.fleet.Close())
		r.report.Took = time.Since(begun)
	}()
	r.report.Formed = time.Since(begun)
	cfg.Log.Info("formed", "members", s.Members, "took", r.report.Formed)
	return r.report, r.run(ctx)
}

func (r *run) run(ctx context.Context) error {
	lc := r.cfg.Load
	lc.Operator, lc.Seed, lc.Bases = r.cfg.Operator, r.cfg.Seed, nil
	for i := range r.fleet.Len() {
		lc.Bases = append(lc.Bases, r.fleet.Base(i))
	}
	var err error
	if r.load, err = NewLoad(lc); err != nil {
		return err
	}
	if _, err := r.settled(ctx); err != nil {
		return err
	}
	if err := r.load.Prepare(ctx); err != nil {
		return err
	}
	loading, stop := context.WithCancel(ctx)
	defer stop()
	loaded, watched := make(chan error, 1), make(chan struct{})
	go func() { loaded <- r.load.Run(loading) }()
	go func() {
		defer close(watched)
		r.stalls.watch(loading, r.load.Now)
	}()
	failed := r.steps(ctx)
	stop()
	<-watched
	if err := <-loaded; err != nil && failed == nil {
		failed = err
	}
	if failed == nil {
		failed = r.load.ReadAll(ctx)
	}
	r.judge(failed == nil)
	return failed
}

// steps takes all steps of all rounds, mends what they left and waits until the
// cluster is whole.
func (r *run) steps(ctx context.Context) error {
	if err := hold(ctx, steady); err != nil {
		return err
	}
	for range max(r.scenario.Rounds, 1) {
		for _, s := range r.scenario.Steps {
			if err := r.step(ctx, s); err != nil {
				return fmt.Errorf("chaos: %s, step %q: %w", r.scenario.Name, s, err)
			}
		}
	}
	if err := r.mend(ctx); err != nil {
		return fmt.Errorf("chaos: %s, after the last step: %w", r.scenario.Name, err)
	}
	return nil
}

func (r *run) step(ctx context.Context, s Step) error {
	who, err := r.find(ctx, s.Who)
	if err != nil {
		return err
	}
	row := Row{Step: s.String(), At: r.load.Now(), limits: s}
	for _, i := range who {
		row.Members = append(row.Members, r.fleet.Name(i))
	}
	r.cfg.Log.Info("step", "act", row.Step, "members", row.Members, "at", row.At)
	// The row stands before the act, whose effects belong to it.
	r.report.Rows = append(r.report.Rows, row)
	if err := r.act(ctx, s.Act, who); err != nil {
		return err
	}
	if len(who) > 0 {
		r.same = who
	}
	return hold(ctx, s.Hold)
}

// hold lets the load go on.
func hold(ctx context.Context, d time.Duration) error {
	pause(ctx, d)
	return context.Cause(ctx)
}

// mend undoes all faults that are left.
func (r *run) mend(ctx context.Context) error {
	if err := r.fleet.Heal(ctx); err != nil {
		return err //nolint:wrapcheck // it says all
	}
	for i := range r.fleet.Len() {
		if err := errors.Join(r.fleet.Thaw(i), r.fleet.Drain(i)); err != nil {
			return err
		}
		if r.fleet.Running(i) {
			continue
		}
		r.report.Missed = append(r.report.Missed, r.fleet.Name(i)+" ended by itself:\n"+r.fleet.Tail(i))
		if err := r.fleet.Kill(i); err != nil {
			return err //nolint:wrapcheck // it says all
		}
		if err := r.fleet.Restart(ctx, i); err != nil {
			return err //nolint:wrapcheck // it says all
		}
	}
	_, err := r.settled(ctx)
	return err
}

// judge fills the report. Without the final reads nothing is said about what
// they would have shown.
func (r *run) judge(complete bool) {
	ops, end := r.load.History(), r.load.Now()
	for i := range r.report.Rows {
		row := &r.report.Rows[i]
		to := end
		if i+1 < len(r.report.Rows) {
			to = r.report.Rows[i+1].At
		}
		row.sum(ops, to)
		row.Stall = r.stalls.longest(row.At, to)
		r.report.Missed = append(r.report.Missed, row.missed()...)
	}
	r.report.Requests, r.report.Samples = len(ops), r.load.Samples()
	r.report.Verdict = history.Check(ops, r.fleet.Len())
	if !complete {
		r.report.Verdict.Unread = 0
	}
	if err := r.report.Verdict.Err(); err != nil {
		r.report.Missed = append(r.report.Missed, err.Error())
	}
	if r.report.Verdict.Acknowledged == 0 || r.report.Verdict.LoggedOut == 0 {
		r.report.Missed = append(r.report.Missed, "no session was made or none was logged out: nothing was tested")
	}
}
