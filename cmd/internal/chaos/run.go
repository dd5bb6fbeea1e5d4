package chaos

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"sojourn/cmd/internal/chaos/fleet"
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
	// Progress, when set, is told from time to time what is being done, in words.
	Progress func(doing string)
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
	apart    []apart
	stalls   stalls
	report   *Report
}

// apart are members that the others could not reach or that could not reach
// them, for a time; to is 0 until that is over.
type apart struct {
	members  []int
	from, to time.Duration
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
	if s.Replicas > 0 {
		fc.Args = append(slices.Clip(fc.Args), "--set", "journeys.replicas="+strconv.Itoa(s.Replicas))
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
	failed := r.underLoad(ctx, r.steps)
	r.judge(failed == nil)
	return failed
}

// underLoad does something while the load goes on, and then reads what is left.
func (r *run) underLoad(ctx context.Context, do func(context.Context) error) error {
	loading, stop := context.WithCancel(ctx)
	defer stop()
	loaded := make(chan error, 1)
	var beside sync.WaitGroup
	defer beside.Wait()
	go func() { loaded <- r.load.Run(loading) }()
	beside.Go(func() { r.stalls.watch(loading, r.load.Now) })
	err := do(ctx)
	stop()
	beside.Wait()
	if ended := <-loaded; ended != nil && err == nil {
		err = ended
	}
	if err != nil {
		return err
	}
	r.progress("taking journeys to their ends")
	finish, cancel := context.WithTimeout(ctx, r.cfg.Patience)
	defer cancel()
	if err := r.load.FinishJourneys(finish); err != nil {
		return err
	}
	r.progress("reading all sessions at all members")
	return r.load.ReadAll(ctx)
}

// progress says what is being done.
func (r *run) progress(doing string) {
	if r.cfg.Progress != nil {
		r.cfg.Progress(doing)
	}
}

// steps takes all steps of all rounds, mends what they left and waits until the
// cluster is whole.
func (r *run) steps(ctx context.Context) error {
	if err := hold(ctx, steady); err != nil {
		return err
	}
	rounds := max(r.scenario.Rounds, 1)
	for round := range rounds {
		begun := r.load.Now()
		r.progress(fmt.Sprintf("%s, round %d of %d", r.scenario.Name, round+1, rounds))
		for _, s := range r.scenario.Steps {
			if err := r.step(ctx, s); err != nil {
				return fmt.Errorf("chaos: %s, step %q: %w", r.scenario.Name, s, err)
			}
		}
		if err := hold(ctx, max(0, r.scenario.Every-(r.load.Now()-begun))); err != nil {
			return err
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
	if err := r.heal(ctx); err != nil {
		return err
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
