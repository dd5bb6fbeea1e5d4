package bench

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Spread is the median of the rounds with the least and the greatest.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// Row sums up one subject at one concurrency.
type Row struct {
	Subject     string `json:"subject"`
	Concurrency int    `json:"concurrency"`
	Ops         int64  `json:"ops"`
	Errors      int64  `json:"errors"`
	FirstError  string `json:"firstError,omitempty"`
	// Rate is operations per second.
	Rate Spread `json:"rate"`
	// Latency in milliseconds, of all rounds together.
	P50 float64 `json:"p50ms"`
	P90 float64 `json:"p90ms"`
	P99 float64 `json:"p99ms"`
	Max float64 `json:"maxms"`
	// CPU is the process's CPU seconds for 1000 operations, PerCPU how many it does
	// in one of them, by the median.
	CPU    Spread  `json:"cpuPer1000"`
	PerCPU float64 `json:"perCPUSecond"`
	// Ratio compares with another subject in the same round; Of says with
	// which and how. Nil where there is nothing to compare with.
	Ratio *Spread `json:"ratio,omitempty"`
	Of    string  `json:"ratioOf,omitempty"`
	// Added is by how many milliseconds the median latency is above that of
	// another subject in the same round; AddedTo says which. Nil where nobody
	// asks.
	Added   *Spread `json:"addedP50ms,omitempty"`
	AddedTo string  `json:"addedTo,omitempty"`
}

// Report is the outcome of a run.
type Report struct {
	Rows []Row `json:"rows"`
	// Idle is what the servers used before the load; nil: not measured.
	Idle []Idle `json:"idle,omitempty"`
	// Missed says which demands did not hold.
	Missed []string `json:"missed,omitempty"`
}

// Errors is the number of failed operations and wrong answers.
func (r Report) Errors() int64 {
	var n int64
	for _, row := range r.Rows {
		n += row.Errors
	}
	return n
}

const (
	yardstickName = "echo"
	rateOf        = "rate of " // begins a ratio of rates
)

// NewReport sums up records of the given subjects.
func NewReport(subjects []Subject, records []Record) Report {
	var out Report
	of := func(name string, concurrency int) []Record {
		var mine []Record
		for _, r := range records {
			if r.Subject == name && r.Concurrency == concurrency {
				mine = append(mine, r)
			}
		}
		slices.SortFunc(mine, func(a, b Record) int { return cmp.Compare(a.Round, b.Round) })
		return mine
	}
	var series []int
	for _, r := range records {
		if !slices.Contains(series, r.Concurrency) {
			series = append(series, r.Concurrency)
		}
	}
	for _, c := range series {
		for _, s := range subjects {
			mine := of(s.Name, c)
			if len(mine) == 0 {
				continue
			}
			row := summary(mine)
			here := func(name string) []Record { return of(name, c) }
			row.Ratio, row.Of = s.compare(mine, here)
			row.Added, row.AddedTo = s.added(mine, here)
			out.Rows = append(out.Rows, row)
		}
	}
	return out
}

func summary(rounds []Record) Row {
	row := Row{Subject: rounds[0].Subject, Concurrency: rounds[0].Concurrency}
	all := newHistogram()
	for _, r := range rounds {
		row.Ops += r.Ops
		row.Errors += r.Errors
		all.Merge(r.latency)
		if row.FirstError == "" && r.FirstError != nil {
			row.FirstError = r.FirstError.Error()
		}
	}
	row.P50, row.P90, row.P99 = quantile(all, 50), quantile(all, 90), quantile(all, 99)
	row.Max = float64(all.Max()) / float64(time.Millisecond)
	row.Rate = spread(rounds, Record.rate)
	row.CPU = spread(rounds, Record.cpuPer1000)
	row.PerCPU = ratio(1000, row.CPU.Median)
	return row
}

func quantile(h *hdrhistogram.Histogram, q float64) float64 {
	return float64(h.ValueAtQuantile(q)) / float64(time.Millisecond)
}

func (r Record) rate() float64 { return ratio(float64(r.Ops), r.Wall.Seconds()) }

func (r Record) cpuPer1000() float64 { return ratio(1000*r.CPU.Seconds(), float64(r.Ops)) }

// compare takes the ratio within each round. It is nil where the rounds of what
// this subject is compared with are missing.
func (s Subject) compare(mine []Record, of func(name string) []Record) (*Spread, string) {
	if s.RateOf != "" {
		other := of(s.RateOf)
		if len(other) != len(mine) {
			return nil, ""
		}
		return pairs(mine, func(i int) float64 { return ratio(mine[i].rate(), other[i].rate()) }), rateOf + s.RateOf
	}
	base := cmp.Or(s.CPUOf, yardstickName)
	other := of(base)
	if s.bare || s.Name == base || len(other) != len(mine) {
		return nil, ""
	}
	hash, text := func(int) float64 { return 0 }, "CPU of "+base
	if s.Less != "" {
		less, echo := of(s.Less), of(yardstickName)
		if len(less) != len(mine) || len(echo) != len(mine) {
			return nil, ""
		}
		hash = func(i int) float64 { return less[i].cpuPer1000() - echo[i].cpuPer1000() }
		if text += ", "; s.CPUOf != "" {
			text += "both "
		}
		text += "less the hash of " + s.Less
	}
	return pairs(mine, func(i int) float64 {
		theirs := other[i].cpuPer1000()
		if s.CPUOf != "" {
			theirs -= hash(i)
		}
		return ratio(mine[i].cpuPer1000()-hash(i), theirs)
	}), text
}

// added takes the difference of the medians within each round. It is nil where
// this subject is compared with none, or the rounds of the other are missing.
func (s Subject) added(mine []Record, of func(name string) []Record) (*Spread, string) {
	other := of(s.P50Of)
	if s.P50Of == "" || len(other) != len(mine) {
		return nil, ""
	}
	return pairs(mine, func(i int) float64 { return quantile(mine[i].latency, 50) - quantile(other[i].latency, 50) }), s.P50Of
}

func pairs(mine []Record, of func(i int) float64) *Spread {
	values := make([]float64, len(mine))
	for i := range mine {
		values[i] = of(i)
	}
	s := spreadOf(values)
	return &s
}

func spread(rounds []Record, of func(Record) float64) Spread {
	values := make([]float64, len(rounds))
	for i, r := range rounds {
		values[i] = of(r)
	}
	return spreadOf(values)
}

func spreadOf(values []float64) Spread {
	slices.Sort(values)
	n := len(values)
	return Spread{Median: (values[(n-1)/2] + values[n/2]) / 2, Min: values[0], Max: values[n-1]}
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// Demand is a bound on what a subject is compared by: where latency is added,
// at most Bound milliseconds; else a ratio of at most Bound, or of at least
// Bound where it is one of rates.
type Demand struct {
	Subject string
	Bound   float64
	// Least demands a ratio of at least Bound, whatever it is one of: what it is
	// compared with is to lead.
	Least bool
}

// Judge notes the demands that do not hold, at any concurrency. A demand on a
// subject that is compared with nothing does not hold.
func (r *Report) Judge(demands []Demand) {
	for _, d := range demands {
		judged := false
		for _, row := range r.Rows {
			if row.Subject != d.Subject || row.Ratio == nil && (row.Added == nil || d.Least) {
				continue
			}
			judged = true
			if missed := row.misses(d); missed != "" {
				r.Missed = append(r.Missed, fmt.Sprintf("%s at concurrency %d %s; %.3g is demanded", row.Subject, row.Concurrency, missed, d.Bound))
			}
		}
		if !judged {
			r.Missed = append(r.Missed, fmt.Sprintf("%s has no ratio to judge; measure what it is compared with", d.Subject))
		}
	}
}

// misses says what a row has where it does not keep a demand.
func (row Row) misses(d Demand) string {
	bound := d.Bound
	if row.Added != nil && !d.Least {
		if got := row.Added.Median; got > bound {
			return fmt.Sprintf("has a p50 that is %.3g ms above that of %s", got, row.AddedTo)
		}
		return ""
	}
	least := d.Least || strings.HasPrefix(row.Of, rateOf)
	if got := row.Ratio.Median; least && got < bound || !least && got > bound {
		return fmt.Sprintf("is %.3g times %s", got, row.Of)
	}
	return ""
}

// WriteTable writes the report for people.
func (r Report) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "subject\tworkers\tops\terrors\tops/s\tp50 ms\tp90\tp99\tmax\tCPU s/1000\tmin..max\tper CPU s\tratio\tmin..max\tto\t")
	for _, row := range r.Rows {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%.0f\t%.3f\t%.3f\t%.3f\t%.3f\t%.4f\t%.4f..%.4f\t%.0f\t",
			row.Subject, row.Concurrency, row.Ops, row.Errors, row.Rate.Median, row.P50, row.P90, row.P99, row.Max,
			row.CPU.Median, row.CPU.Min, row.CPU.Max, row.PerCPU)
		if row.Ratio != nil {
			fmt.Fprintf(t, "%.3f\t%.3f..%.3f\t%s\t\n", row.Ratio.Median, row.Ratio.Min, row.Ratio.Max, row.Of)
		} else {
			fmt.Fprint(t, "\t\t\t\n")
		}
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	for _, idle := range r.Idle {
		fmt.Fprintf(w, "idle CPU of %d member(s), all together: %.2f %% of a core, over %.1f s\n", idle.Members, idle.Percent, idle.Seconds)
	}
	for _, row := range r.Rows {
		if row.Added != nil {
			fmt.Fprintf(w, "%s: p50 is %.3f ms (%.3f..%.3f) above that of %s\n", row.Subject, row.Added.Median, row.Added.Min, row.Added.Max, row.AddedTo)
		}
		if row.FirstError != "" {
			fmt.Fprintf(w, "%s: first error: %s\n", row.Subject, row.FirstError)
		}
	}
	for _, missed := range r.Missed {
		fmt.Fprintf(w, "missed: %s\n", missed)
	}
	return nil
}
