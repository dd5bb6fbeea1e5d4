package chaos

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"strings"
	"time"

	"sojourn/http/client"
)

// Attached is a cluster that somebody else runs, and breaks.
type Attached struct {
	// Bases are the URLs of its members.
	Bases []string
	// For is how long it is loaded; the report has a row for each Every of it.
	For, Every time.Duration
}

// Attach loads a running cluster and judges it, as Run does with one of its own;
// faults are whoever's who runs it, and must be mended when For is over. Of cfg
// it needs Operator, Seed, Load, Patience and Log. The load's journeys and users
// live in a realm of their own, which is removed in the end; their sessions go
// with their time.
func Attach(ctx context.Context, cfg Config, a Attached) (report *Report, err error) {
	if cfg.Log == nil {
		return nil, errors.New("chaos: a run needs a log")
	}
	if cfg.Patience == 0 {
		cfg.Patience = defaultPatience
	}
	r := &run{
		cfg: cfg, scenario: Scenario{Name: "attached", Members: len(a.Bases)},
		random: mathrand.New(mathrand.NewPCG(cfg.Seed, 1<<63)), //nolint:gosec // choices, not secrets
		report: &Report{Scenario: "attached", Members: len(a.Bases), Seed: cfg.Seed},
	}
	lc := cfg.Load
	lc.Operator, lc.Seed, lc.Bases = cfg.Operator, cfg.Seed, a.Bases
	name := "chaos-" + strings.ToLower(rand.Text()[:8])
	lc.Realm = "/" + name
	if r.load, err = NewLoad(lc); err != nil {
		return r.report, err
	}
	begun := time.Now()
	defer func() { r.report.Took = time.Since(begun) }()
	first, err := client.New(client.Config{Base: a.Bases[0], Operator: cfg.Operator, Transport: r.load.transport()})
	if err != nil {
		return r.report, err //nolint:wrapcheck // it says all
	}
	defer first.Close()
	if err := first.CreateRealm(ctx, "/", name); err != nil {
		return r.report, fmt.Errorf("chaos: make the realm of the load: %w", err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.Patience)
		defer cancel()
		if gone := first.DeleteRealm(ctx, lc.Realm); gone != nil {
			err = errors.Join(err, fmt.Errorf("chaos: remove the realm %s of the load: %w", lc.Realm, gone))
		}
	}()
	if err := r.load.Prepare(ctx); err != nil {
		return r.report, err
	}
	err = r.underLoad(ctx, func(ctx context.Context) error { return r.wait(ctx, a) })
	r.judge(err == nil)
	return r.report, err
}

// wait lets the load go on, with a row for each stretch of it.
func (r *run) wait(ctx context.Context, a Attached) error {
	for end := r.load.Now() + a.For; r.load.Now() < end; {
		r.report.Rows = append(r.report.Rows, Row{Step: "attached", At: r.load.Now()})
		r.progress(fmt.Sprintf("loading for another %v", (end - r.load.Now()).Round(time.Second)))
		if err := hold(ctx, min(a.Every, end-r.load.Now())); err != nil {
			return err
		}
	}
	return nil
}
