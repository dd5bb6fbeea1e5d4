package chaos

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"sojourn/cmd/internal/chaos/history"
	"sojourn/http/wire"
)

const ms = time.Millisecond

// reads makes validations of 10 ms each with one outcome.
func reads(o history.Outcome, starts ...int) []history.Op {
	var ops []history.Op
	for _, at := range starts {
		start := time.Duration(at) * ms
		ops = append(ops, history.Op{Kind: history.Validate, Outcome: o, Session: 1, Start: start, End: start + 10*ms})
	}
	return ops
}

func TestRowMissed(t *testing.T) {
	for name, tc := range map[string]struct {
		step Step
		ops  []history.Op
		want []string
	}{
		"all is well":        {Step{Act: Kill, Gap: 50 * ms, Quiet: true}, reads(history.OK, 0, 20, 40, 60), nil},
		"a gap":              {Step{Act: Kill, Gap: 50 * ms}, append(reads(history.OK, 0, 100), reads(history.Unavailable, 20)...), []string{"kill -9 (m1): for 90ms no validate succeeded, want at most 50ms"}},
		"a gap without end":  {Step{Act: Kill, Gap: 50 * ms}, append(reads(history.OK, 0), reads(history.Refused, 20, 90)...), []string{"for 80ms no validate"}},
		"no limit":           {Step{Act: Kill}, append(reads(history.OK, 0, 100), reads(history.Unavailable, 20)...), nil},
		"a failure":          {Step{Act: Kill, Quiet: true}, append(reads(history.OK, 0), reads(history.Timeout, 20)...), []string{"kill -9 (m1): of 2 requests to validate 1 failed beyond their connections: 1 timeout"}},
		"severed is allowed": {Step{Act: Kill, Quiet: true}, append(reads(history.OK, 0), reads(history.Cut, 20)...), nil},
	} {
		t.Run(name, func(t *testing.T) {
			row := Row{Step: tc.step.String(), Members: []string{"m1"}, limits: tc.step}
			row.sum(tc.ops, time.Second)
			if got := row.missed(); !slices.EqualFunc(got, tc.want, strings.Contains) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestReport(t *testing.T) {
	r := Report{Scenario: "kills", Members: 3, Seed: 7, Missed: []string{"a limit"}, Samples: []string{"an answer"}}
	for i, gap := range []int{30, 10, 20} {
		at := time.Duration(i) * time.Second
		row := Row{Step: "kill -9 leader", Members: []string{"m2"}, At: at}
		row.sum([]history.Op{{Kind: history.Login, Start: at, End: at + time.Duration(gap)*ms}}, at+time.Second)
		r.Rows = append(r.Rows, row)
	}
	spreads := r.Spreads()
	if want := (Spread{Step: "kill -9 leader", Kind: "login", Count: 3, P50: 20 * ms, P99: 30 * ms, Max: 30 * ms}); !slices.Contains(spreads, want) {
		t.Errorf("%+v lacks %+v", spreads, want)
	}
	var table strings.Builder
	must(t, r.WriteTable(&table))
	for _, want := range []string{
		"kills: 3 members, seed 7", "kill -9 leader (m2) ", "3 times: gap of login", "max 30ms",
		"sessions acknowledged 0, lost 0", "MISSED a limit", "sample: an answer",
	} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("no %q in\n%s", want, table.String())
		}
	}
	text, err := json.Marshal(r)
	must(t, err)
	for _, want := range []string{`"scenario":"kills"`, `"kind":"login"`, `"gap":30000000`, `"missed":["a limit"]`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
	if r.OK() || !(&Report{}).OK() {
		t.Error("a report is in order when nothing was missed, and only then")
	}
}

// TestScenarios: every scenario begins with somebody when it means the same as
// before, and ends members before it starts them.
func TestScenarios(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range append(Scenarios(false), KillLeader(20)) {
		if seen[s.Name] && s.Name != "kill leader" {
			t.Errorf("two scenarios are called %q", s.Name)
		}
		seen[s.Name] = true
		named, down := false, false
		for _, step := range s.Steps {
			if step.Who == Same && !named {
				t.Errorf("%s: %q means nobody", s.Name, step)
			}
			named = named || step.Who != Nobody || step.Act == PowerCut
			switch step.Act {
			case Kill, Terminate, PowerCut:
				down = true
			case Restart, Move, Replace, Revive, Damage:
				if !down {
					t.Errorf("%s: %q of members that run", s.Name, step)
				}
			default:
			}
		}
	}
	for name, root := range map[string]bool{"kill follower": false, "disk full": true, "power cut": true, "mute leader": true} {
		i := slices.IndexFunc(Scenarios(true), func(s Scenario) bool { return s.Name == name })
		if i < 0 || Scenarios(true)[i].Root() != root {
			t.Errorf("%s needs root: want %v", name, root)
		}
	}
}

func TestWhole(t *testing.T) {
	member := func(name, state string, voter, leader bool) wire.ClusterMember {
		return wire.ClusterMember{Name: name, State: state, Voter: voter, Leader: leader}
	}
	three := func(change func([]wire.ClusterMember)) []wire.ClusterMember {
		all := []wire.ClusterMember{member("m0", "alive", true, false), member("m1", "alive", true, true), member("m2", "alive", true, false)}
		change(all)
		return all
	}
	for name, tc := range map[string]struct {
		members []wire.ClusterMember
		want    string // of the error; empty for none
	}{
		"whole":           {three(func([]wire.ClusterMember) {}), ""},
		"no leader":       {three(func(m []wire.ClusterMember) { m[1].Leader = false }), "nobody leads"},
		"a dead voter":    {three(func(m []wire.ClusterMember) { m[2].State = "dead" }), "m2 has a vote and is dead"},
		"one without":     {three(func(m []wire.ClusterMember) { m[2].Voter = false }), "2 members have a vote"},
		"one is not here": {three(func([]wire.ClusterMember) {})[:2], "2 members have a vote"},
		"one too many":    {append(three(func([]wire.ClusterMember) {}), member("m3", "alive", false, false)), "4 members are alive"},
		"a dead one without a vote is no matter": {
			append(three(func([]wire.ClusterMember) {}), member("m3", "dead", false, false)), "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			leader, err := whole(tc.members, 3)
			if tc.want == "" && (err != nil || leader != "m1") {
				t.Errorf("%q, %v", leader, err)
			}
			if tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

// TestWholeBeyondVoters: of many members five vote.
func TestWholeBeyondVoters(t *testing.T) {
	var all []wire.ClusterMember
	for i := range 7 {
		all = append(all, wire.ClusterMember{Name: string(rune('a' + i)), State: "alive", Voter: i < 5, Leader: i == 3})
	}
	if leader, err := whole(all, 7); err != nil || leader != "d" {
		t.Errorf("%q, %v", leader, err)
	}
	all[6].State = "suspect"
	if _, err := whole(all, 7); err == nil {
		t.Error("a member that is not alive is passed over")
	}
}
