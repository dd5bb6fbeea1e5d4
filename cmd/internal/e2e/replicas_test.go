package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"sojourn/http/wire"
)

// founded is a cluster of so many members, with the user user0, the journey
// Steps and one that never ends.
func founded(t *testing.T, n int) []*member {
	t.Helper()
	members := []*member{newPlace(t).start(t, "--cluster", "127.0.0.1:0")}
	first := members[0]
	for i := 1; i < n; i++ {
		members = append(members, another(t, first, fmt.Sprint("member", i+1)))
	}
	c := first.client(t)
	eventually(t, readyLimit, "all members are there, and three vote", func() bool {
		all, err := c.Members(t.Context())
		voting := 0
		for _, m := range all {
			if m.Voter {
				voting++
			}
		}
		return err == nil && len(all) == n && voting >= 3
	})
	first.importJourneys(t, "steps.json")
	first.importJourneys(t, "../../cli/bench/loop.json")
	importUsers(t, c, "user", 1)
	return members
}

// answerAll answers the first callback of each step at some members, a share at
// each, and returns the replies.
func answerAll(t *testing.T, members []*member, steps []wire.Step, value any) []wire.Reply {
	t.Helper()
	replies := make([]wire.Reply, len(steps))
	var group errgroup.Group
	pipes := floodPipes * len(members)
	for i := range pipes {
		from, to := i*len(steps)/pipes, (i+1)*len(steps)/pipes
		p := members[i%len(members)].pipe(t)
		group.Go(func() error {
			for ; from < to; from += floodBatch {
				batch := steps[from:min(from+floodBatch, to)]
				err := p.round(batch, func(b []byte, i int) []byte {
					batch[i].Callbacks[0].Input[0].Value = value
					return authenticate(b, "", wire.AppendStep(nil, batch[i]))
				}, func(i int, body []byte) (err error) {
					replies[from+i], err = wire.DecodeReply(body)
					return err
				})
				if err != nil {
					return err
				}
			}
			return p.Close()
		})
	}
	must(t, group.Wait())
	return replies
}

// TestMemoryOfReplicas: a journey in its middle costs at most 10 KiB on all
// three members together, and nothing runs for it: the goroutines of a member do
// not grow with its journeys. That two can do without the third is shown by
// finishing some of them there.
func TestMemoryOfReplicas(t *testing.T) {
	if testing.Short() {
		t.Skip("starts three members")
	}
	const limit = 10 << 10
	n := pick(60_000, 15_000, 0)
	members := founded(t, 3)
	settled := func() (sum int64) {
		for _, m := range members {
			sum += m.settled(t)
		}
		return sum
	}
	before := settled()
	begun := time.Now()
	var steps []wire.Step
	for _, m := range members {
		steps = append(steps, m.middles(t, "Steps", "user0", n/len(members))...)
	}
	took := time.Since(begun)
	after := settled()
	each := (after - before) / int64(n)
	t.Logf("%d journeys to their middle in %v: RssAnon of three members %s before, %s after: %d bytes for each",
		n, took.Round(time.Millisecond), inMiB(before), inMiB(after), each)
	if each > limit {
		t.Errorf("a journey in its middle costs %d bytes on three members, want at most %d", each, limit)
	}

	// The runtime's own account of what runs in a process is the dump that it
	// prints as it dies of this signal.
	last := members[2]
	last.signal(t, syscall.SIGQUIT)
	last.wait(t, stopLimit)
	const goroutines = 1000
	if got := strings.Count(last.log.String(), "\ngoroutine "); got == 0 || got > goroutines {
		t.Errorf("a member of three with %d journeys has %d goroutines, want 1 to %d", n, got, goroutines)
	}
	const sample = 600
	var some []wire.Step
	for i := range sample {
		some = append(some, steps[i*n/sample])
	}
	for i, reply := range answerAll(t, members[:2], some, cheapPassword) {
		if reply.Success == nil {
			t.Fatalf("journey %d of %d cannot be finished: %+v", i*n/sample, n, reply)
		}
	}
}

// TestDrain: a member that is told to leave hands over its journeys before it
// goes, 50,000 of them in less than 10 s, and each goes on at the others. When
// four were there, three have it then: the loss of one more takes none of them.
func TestDrain(t *testing.T) {
	if testing.Short() {
		t.Skip("starts four members")
	}
	const limit = 10 * time.Second
	for count := 3; count <= 4; count++ {
		t.Run(fmt.Sprint("of ", count), func(t *testing.T) {
			n := pick(50_000, 5_000, 0)
			members := founded(t, count)
			begun := time.Now()
			steps := members[1].middles(t, "BenchLoop", "anybody", n)
			t.Logf("%d journeys to their middle in %v", n, time.Since(begun).Round(time.Millisecond))
			begun = time.Now()
			members[1].terminate(t)
			took := time.Since(begun)
			t.Logf("%d journeys at the leaving member: %v from SIGTERM to its end", n, took.Round(time.Millisecond))
			if took > limit {
				t.Errorf("a member with %d journeys took %v to leave, want at most %v", n, took, limit)
			}
			if count == 4 {
				members[3].kill(t)
			}
			begun = time.Now()
			for i, reply := range answerAll(t, []*member{members[0], members[2]}, steps, 0) {
				if reply.Step == nil || reply.Step.Callbacks[0].Type != "TextOutputCallback" {
					t.Fatalf("journey %d does not go on: %+v", i, reply)
				}
			}
			t.Logf("all of them went on elsewhere in %v", time.Since(begun).Round(time.Millisecond))
		})
	}
}
