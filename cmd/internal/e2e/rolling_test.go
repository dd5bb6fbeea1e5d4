package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sojourn/http/client"
	"sojourn/http/wire"
)

// sessions answers the password of journeys in their middle at some members, and
// wants a session of each.
func sessions(t *testing.T, members []*member, steps []wire.Step) {
	t.Helper()
	lost := 0
	for _, reply := range answerAll(t, members, steps, cheapPassword) {
		if reply.Success == nil {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d journeys did not end in a session", lost, len(steps))
	}
}

// anew starts a member's process anew on its folder, with other addresses.
func (m *member) anew(t *testing.T, others ...*member) *member {
	t.Helper()
	args := []string{"--name", m.Name, "--cluster", "127.0.0.1:0"}
	for _, o := range others {
		args = append(args, "--join", o.Cluster)
	}
	return m.place.start(t, args...)
}

// whole waits until every member sees the same processes, all of them alive
// and none of them gone, and no journey wants replicas: then members may be
// restarted. gone are ids of processes.
func whole(t *testing.T, members []*member, gone map[string]bool) {
	t.Helper()
	var seen string
	clients := make([]*client.Client, len(members))
	for i, m := range members {
		clients[i] = m.client(t)
	}
	whole := func() bool {
		var processes []string
		for i, c := range clients {
			all, err := c.Members(t.Context())
			if err != nil || len(all) != len(members) {
				seen = fmt.Sprintf("%s lists %d members: %v", members[i].Name, len(all), err)
				return false
			}
			for _, m := range all {
				if m.State != "alive" || gone[m.Process] || m.Outstanding == nil || *m.Outstanding != 0 {
					seen = fmt.Sprintf("%s sees %+v", members[i].Name, m)
					return false
				}
				processes = append(processes, m.Process)
			}
		}
		slices.Sort(processes)
		return len(slices.Compact(processes)) == len(members)
	}
	defer func() {
		if t.Failed() {
			t.Log("last seen:", seen)
		}
	}()
	eventually(t, readyLimit, "all members are back and no repairs are left", whole)
}

// process is the id of the process that a member's folder has.
func (m *member) process(t *testing.T) string {
	t.Helper()
	all, err := m.client(t).Members(t.Context())
	must(t, err)
	i := slices.IndexFunc(all, func(m wire.ClusterMember) bool { return m.Self })
	if i < 0 {
		t.Fatalf("%s does not list itself", m.Name)
	}
	return all[i].Process
}

// TestEachMemberInTurn: all three members are restarted one after the other,
// killed or asked to leave, with a wait in between until no repairs are left.
// Journeys in their middle go on elsewhere, those that were at all members; and
// a login page that was open before is answered after, though none of the
// processes that it could know is left.
func TestEachMemberInTurn(t *testing.T) {
	if testing.Short() {
		t.Skip("starts three members, twice each")
	}
	for name, stop := range map[string]func(*testing.T, *member){
		"killed":  func(t *testing.T, m *member) { m.kill(t) },
		"drained": func(t *testing.T, m *member) { m.terminate(t) },
	} {
		t.Run(name, func(t *testing.T) {
			n := pick(30_000, 3_000, 0)
			members := founded(t, 3)
			whole(t, members, nil)
			var steps []wire.Step
			for _, m := range members {
				steps = append(steps, m.middles(t, "Steps", "user0", n/len(members))...)
			}
			page, err := members[0].client(t).Start(t.Context(), client.Journey{Tree: "Steps"})
			must(t, err)
			gone := map[string]bool{}
			for i, m := range members {
				gone[m.process(t)] = true
				begun := time.Now()
				stop(t, m)
				stopped := time.Since(begun)
				members[i] = m.anew(t, members[(i+1)%3], members[(i+2)%3])
				ready := time.Since(begun)
				whole(t, members, gone)
				t.Logf("%s: stopped after %v, ready after %v, whole after %v", m.Name,
					stopped.Round(time.Millisecond), ready.Round(time.Millisecond), time.Since(begun).Round(time.Millisecond))
			}
			sessions(t, members, steps)
			page.Step.Callbacks[0].Input[0].Value = "user0"
			reply, err := members[1].client(t).Next(t.Context(), "/", *page.Step)
			if err != nil || reply.Step == nil {
				t.Fatalf("a page that was opened before all restarts: %v", err)
			}
			sessions(t, members[2:], []wire.Step{*reply.Step})
			for _, m := range members {
				if strings.Contains(m.log.String(), "level=ERROR") {
					t.Errorf("%s logged errors", m.Name)
				}
			}
		})
	}
}

// TestAnswersWhileItLeaves: from the signal on a member says that it is not
// ready, and answers requests for as long as it listens: those journeys too that
// it has just given away.
func TestAnswersWhileItLeaves(t *testing.T) {
	if testing.Short() {
		t.Skip("starts three members")
	}
	members := founded(t, 3)
	whole(t, members, nil)
	leaving := members[0]
	steps := leaving.middles(t, "Steps", "user0", pick(30_000, 4_000, 0))
	c := leaving.client(t)
	must(t, client.Credentials("", cheapPassword)(&steps[0]))
	if reply, err := c.Next(t.Context(), "/", steps[0]); err != nil || reply.Success == nil {
		t.Fatalf("before: %v", err)
	}
	leaving.signal(t, syscall.SIGTERM)
	unready, answered := 0, 1
	for ; answered < len(steps) && !leaving.closed(); answered++ {
		if err := c.Ready(t.Context()); client.IsStatus(err, http.StatusServiceUnavailable) {
			unready++
		}
		must(t, client.Credentials("", cheapPassword)(&steps[answered]))
		reply, err := c.Next(t.Context(), "/", steps[answered])
		if err != nil && leaving.closed() {
			break // the connection was closed before the request was read
		}
		if err != nil || reply.Success == nil {
			t.Fatalf("journey %d at the leaving member: %v", answered, err)
		}
	}
	leaving.wait(t, stopLimit)
	if leaving.code() != 0 {
		t.Errorf("exit code %d\n%s", leaving.code(), leaving.log)
	}
	t.Logf("%d journeys were answered while the member left, %d times it was not ready", answered-1, unready)
	if unready == 0 || answered < 2 {
		t.Errorf("%d journeys answered, %d times not ready", answered-1, unready)
	}
	sessions(t, members[1:], steps[answered:])
}
