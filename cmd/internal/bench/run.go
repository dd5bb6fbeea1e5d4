package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Plan is what to measure.
type Plan struct {
	Subjects []Subject
	// Concurrency lists how many workers drive a subject that says nothing of
	// its own; each figure is a series of its own.
	Concurrency []int
	// Rounds of each subject at each concurrency, interleaved. At least 1.
	Rounds int
	Pace   Pace
	// Progress is told of each round before it begins; nil: nobody.
	Progress func(subject string, concurrency, round int)
}

// Record is what one round measured.
type Record struct {
	Subject     string
	Concurrency int
	Round       int
	Ops, Errors int64
	FirstError  error
	Wall, CPU   time.Duration
	latency     *hdrhistogram.Histogram // nanoseconds of the operations that went well
}

// Latencies are kept from a microsecond to a minute with three digits.
const (
	lowest  = int64(time.Microsecond)
	highest = int64(time.Minute)
	digits  = 3
)

func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(lowest, highest, digits) }

// Run measures a plan. Its error says that measuring was not possible; wrong
// answers are counted in the records.
func Run(ctx context.Context, p Plan) ([]Record, error) {
	if p.Rounds < 1 || p.Pace.Duration <= 0 && p.Pace.Count <= 0 {
		return nil, errors.New("a plan needs a round and a bound for it")
	}
	var records []Record
	for _, c := range p.everyConcurrency() {
		series, err := p.series(ctx, c)
		if err != nil {
			return nil, err
		}
		records = append(records, series...)
	}
	return records, nil
}

// everyConcurrency lists the series: the plan's, then what subjects want besides.
func (p Plan) everyConcurrency() []int {
	all := slices.Clone(p.Concurrency)
	for _, s := range p.Subjects {
		for _, c := range s.Concurrency {
			if !slices.Contains(all, c) {
				all = append(all, c)
			}
		}
	}
	return all
}

// in returns the subjects that are measured at one concurrency.
func (p Plan) in(concurrency int) []Subject {
	var out []Subject
	for _, s := range p.Subjects {
		mine := s.Concurrency
		if mine == nil {
			mine = p.Concurrency
		}
		if slices.Contains(mine, concurrency) {
			out = append(out, s)
		}
	}
	return out
}

// series measures the subjects of one concurrency: a short warm-up of each, then
// the rounds.
func (p Plan) series(ctx context.Context, concurrency int) ([]Record, error) {
	subjects := p.in(concurrency)
	crews := make([]*crew, len(subjects))
	defer func() {
		for _, c := range crews {
			c.close()
		}
	}()
	warm := Pace{Duration: p.Pace.Duration / 4, Count: p.Pace.Count / 4}
	if warm.Duration == 0 && warm.Count == 0 {
		warm.Count = 1
	}
	for i, s := range subjects {
		var err error
		if crews[i], err = assemble(ctx, s, concurrency); err != nil {
			return nil, err
		}
		if _, err := crews[i].round(ctx, warm); err != nil {
			return nil, err
		}
	}
	var records []Record
	for round := range p.Rounds {
		for i, s := range subjects {
			if p.Progress != nil {
				p.Progress(s.Name, concurrency, round)
			}
			r, err := crews[i].round(ctx, p.Pace)
			if err != nil {
				return nil, err
			}
			r.Subject, r.Concurrency, r.Round = s.Name, concurrency, round
			records = append(records, r)
		}
	}
	return records, nil
}

// crew is the workers of one subject; they keep their connections from round to
// round.
type crew struct {
	pids []int
	ops  []operation
}

// assemble prepares all workers at once.
func assemble(ctx context.Context, s Subject, concurrency int) (*crew, error) {
	workers := concurrency
	if s.Workers > 0 {
		workers = min(workers, s.Workers)
	}
	c := &crew{pids: s.PIDs, ops: make([]operation, workers)}
	failed := make([]error, workers)
	var preparing sync.WaitGroup
	for i := range workers {
		preparing.Go(func() { c.ops[i], failed[i] = s.prepare(ctx) })
	}
	preparing.Wait()
	if err := errors.Join(failed...); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *crew) close() {
	if c == nil {
		return
	}
	for _, op := range c.ops {
		if op.close != nil { // else it could not be prepared
			op.close()
		}
	}
}

// round lets every worker work until the pacer says stop.
func (c *crew) round(ctx context.Context, pace Pace) (Record, error) {
	cpu, err := cpuOf(c.pids)
	if err != nil {
		return Record{}, err
	}
	results := make([]Record, len(c.ops))
	for i := range results {
		results[i].latency = newHistogram() // large: made before the clock runs
	}
	begun := time.Now()
	pacer := newPacer(pace, begun)
	var workers sync.WaitGroup
	for i := range c.ops {
		workers.Go(func() { results[i].work(ctx, c.ops[i], pacer) })
	}
	workers.Wait()
	total := Record{Wall: time.Since(begun), latency: newHistogram()}
	after, err := cpuOf(c.pids)
	if err != nil {
		return Record{}, fmt.Errorf("the process under load is gone: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return Record{}, context.Cause(ctx)
	}
	total.CPU = after - cpu
	for _, r := range results {
		total.Ops += r.Ops
		total.Errors += r.Errors
		total.latency.Merge(r.latency)
		if total.FirstError == nil {
			total.FirstError = r.FirstError
		}
	}
	return total, nil
}

// work is one worker's part of a round.
func (r *Record) work(ctx context.Context, op operation, p *pacer) {
	for now := time.Now(); ctx.Err() == nil && p.next(now); {
		err := op.do(ctx)
		end := time.Now()
		if err != nil {
			r.Errors++
			if r.FirstError == nil {
				r.FirstError = err
			}
		} else {
			r.Ops++
			_ = r.latency.RecordValue(min(max(int64(end.Sub(now)), lowest), highest)) // within its range
		}
		now = end
	}
}

// cpuOf is the CPU time of several processes together.
func cpuOf(pids []int) (time.Duration, error) {
	var sum time.Duration
	for _, pid := range pids {
		used, err := cpuTime(pid)
		if err != nil {
			return 0, err
		}
		sum += used
	}
	return sum, nil
}
