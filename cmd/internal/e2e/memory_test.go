package e2e

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"sojourn/http/client"
	"sojourn/http/wire"
)

// How memory is measured. RssAnon is what the kernel has given the process for
// its heap, stacks and everything else that is no file. All of it counts: the
// baseline is a member that has answered next to nothing, so that garbage which
// the collector has not taken yet, and buffers of requests, are on the bill.
// Files that the store maps belong to the page cache. Both ends are read when
// the value has stopped falling. The peak in between is the kernel's own mark
// (VmHWM: all resident pages, files included), reset before the load.

const mib = 1 << 20

// TestMemoryOfStarts: starts that nobody answers cost no memory that grows with
// them, a million of them less than 32 MiB. The gate makes a quarter of them and
// holds them to the same limit: about 24 MiB are garbage that any load leaves,
// so that it finds what keeps 33 bytes for a start, and the long form 8.
func TestMemoryOfStarts(t *testing.T) {
	const limit = 32 * mib
	n := pick(1_000_000, 250_000, 50_000)
	p := newPlace(t)
	m := p.start(t)
	c := m.client(t)
	reply, err := c.Start(t.Context(), client.Journey{Tree: "Login"})
	must(t, err)
	before := m.settled(t)
	m.resetPeak(t)
	low := m.memory(t, "VmHWM")
	begun := time.Now()
	m.starts(t, "Login", n)
	took := time.Since(begun)
	peak := m.memory(t, "VmHWM") - low
	after := m.settled(t)
	t.Logf("%d starts in %v: RssAnon %s before, %s after: %s more; at the peak %s more resident pages",
		n, took.Round(time.Millisecond), inMiB(before), inMiB(after), inMiB(after-before), inMiB(peak))
	if after-before >= limit || peak >= limit {
		t.Errorf("%d unanswered starts added %s, at the peak %s; want less than %s", n, inMiB(after-before), inMiB(peak), inMiB(limit))
	}
	// None of them was kept, and still each can be answered.
	must(t, client.Credentials(p.seed.User, wire.Password(p.seed.Password))(reply.Step))
	if reply, err = c.Next(t.Context(), "/", *reply.Step); err != nil || reply.Success == nil {
		t.Errorf("the first start, answered: %+v, %v", reply, err)
	}
}

// TestMemoryOfJourneys: a journey in its middle, here one whose name was given
// and whose password is asked for, costs at most 4 KiB with everything that is
// kept for it. That they are kept is shown by finishing some of them.
func TestMemoryOfJourneys(t *testing.T) {
	const limit = 4 << 10
	n := pick(100_000, 20_000, 20_000)
	p := newPlace(t)
	m := p.start(t)
	c := m.client(t)
	m.importJourneys(t, "steps.json")
	importUsers(t, c, "user", 1)
	before := m.settled(t)
	begun := time.Now()
	steps := m.middles(t, "Steps", "user0", n)
	took := time.Since(begun)
	after := m.settled(t)
	each := (after - before) / int64(n)
	t.Logf("%d journeys to their middle in %v: RssAnon %s before, %s after: %d bytes each",
		n, took.Round(time.Millisecond), inMiB(before), inMiB(after), each)
	if each > limit {
		t.Errorf("a journey in its middle costs %d bytes, want at most %d", each, limit)
	}
	const sample = 200
	for i := range sample {
		step := steps[i*n/sample]
		must(t, client.Credentials("", cheapPassword)(&step))
		if reply, err := c.Next(t.Context(), "/", step); err != nil || reply.Success == nil {
			t.Fatalf("journey %d of %d cannot be finished: %+v, %v", i*n/sample, n, reply, err)
		}
	}
}

// memory reads a line of the process's status file, in bytes.
func (m *member) memory(t *testing.T, name string) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.pid()))
	must(t, err)
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			must(t, err)
			return kib << 10
		}
	}
	t.Fatalf("no %s in %s", name, text)
	return 0
}

// resetPeak makes the kernel forget the most pages that were resident.
func (m *member) resetPeak(t *testing.T) {
	t.Helper()
	must(t, os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", m.pid()), []byte("5"), 0))
}

// settled reads RssAnon when it has not fallen by a quarter MiB for a second.
func (m *member) settled(t *testing.T) int64 {
	t.Helper()
	low := m.memory(t, "RssAnon")
	since := time.Now()
	eventually(t, time.Minute, "memory stops falling", func() bool {
		if now := m.memory(t, "RssAnon"); now < low-mib/4 {
			low, since = now, time.Now()
		}
		return time.Since(since) > time.Second
	})
	return m.memory(t, "RssAnon")
}

func inMiB(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/mib) }

// Floods run over some connections, on each of which a batch of requests is
// written before the first answer is read.
const (
	floodPipes = 4
	floodBatch = 32
)

// starts begins n journeys and forgets their answers.
func (m *member) starts(t *testing.T, tree string, n int) {
	t.Helper()
	m.flood(t, n, func(p *pipe, batch []wire.Step) error {
		return p.round(batch, func(b []byte, _ int) []byte { return authenticate(b, tree, nil) }, nil)
	})
}

// middles begins n journeys and answers the first callback of each with the
// user's name. It returns what they ask then.
func (m *member) middles(t *testing.T, tree, user string, n int) []wire.Step {
	t.Helper()
	return m.flood(t, n, func(p *pipe, batch []wire.Step) error {
		keep := func(i int, body []byte) error {
			reply, err := wire.DecodeReply(body)
			if err != nil || reply.Step == nil {
				return fmt.Errorf("instead of a step: %s: %w", body, err)
			}
			batch[i] = *reply.Step
			return nil
		}
		err := p.round(batch, func(b []byte, _ int) []byte { return authenticate(b, tree, nil) }, keep)
		if err != nil {
			return err
		}
		return p.round(batch, func(b []byte, i int) []byte {
			batch[i].Callbacks[0].Input[0].Value = user
			return authenticate(b, tree, wire.AppendStep(nil, batch[i]))
		}, keep)
	})
}

// flood has f work on batches of n steps.
func (m *member) flood(t *testing.T, n int, f func(p *pipe, batch []wire.Step) error) []wire.Step {
	t.Helper()
	steps := make([]wire.Step, n)
	var group errgroup.Group
	for i := range floodPipes {
		share := steps[i*n/floodPipes : (i+1)*n/floodPipes]
		p := m.pipe(t)
		group.Go(func() error {
			for len(share) > 0 {
				batch := share[:min(floodBatch, len(share))]
				if err := f(p, batch); err != nil {
					return err
				}
				share = share[len(batch):]
			}
			return p.Close()
		})
	}
	must(t, group.Wait())
	return steps
}

// round sends one request for each step of a batch and reads the answers, all of
// them of status 200.
func (p *pipe) round(batch []wire.Step, request func(b []byte, i int) []byte, keep func(i int, body []byte) error) error {
	var requests []byte
	for i := range batch {
		requests = request(requests, i)
	}
	if err := p.send(requests); err != nil {
		return err
	}
	for i := range batch {
		a, err := p.receive()
		if err != nil {
			return err
		}
		if a.StatusCode != 200 {
			return fmt.Errorf("%s: %s", a.Status, a.body)
		}
		if keep == nil {
			continue
		}
		if err := keep(i, a.body); err != nil {
			return err
		}
	}
	return nil
}
