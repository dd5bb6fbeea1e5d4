package journey_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"sojourn/actors/journey"
	"sojourn/actors/node"
)

func TestMaxLevel(t *testing.T) {
	const start, never = 10, -1000
	tests := []struct {
		name  string
		lines []string
		want  int // more than at the start
	}{
		{"nothing adds", []string{"tree Main", "node a UsernameCollectorNode outcome>success"}, 0},
		{"adds", []string{"tree Main", "node a ModifyAuthLevelNode outcome>success", `config a {"authLevelIncrement": 5}`}, 5},
		{"the better of two ways", []string{
			"tree Main", "node a DataStoreDecisionNode true>b false>success",
			"node b ModifyAuthLevelNode outcome>success", `config b {"authLevelIncrement": 5}`,
		}, 5},
		{"only on the way to failure", []string{
			"tree Main", "node a DataStoreDecisionNode true>success false>b",
			"node b ModifyAuthLevelNode outcome>failure", `config b {"authLevelIncrement": 5}`,
		}, 0},
		{"takes away", []string{
			"tree Main", "node a ModifyAuthLevelNode outcome>b", `config a {"authLevelIncrement": 5}`,
			"node b ModifyAuthLevelNode outcome>success", `config b {"authLevelIncrement": -7}`,
		}, -2},
		{"in a circle", []string{
			"tree Main", "node a ModifyAuthLevelNode outcome>b", `config a {"authLevelIncrement": 1}`,
			"node b DataStoreDecisionNode true>success false>a",
		}, journey.AnyLevel},
		{"in a circle that takes away", []string{
			"tree Main", "node a ModifyAuthLevelNode outcome>b", `config a {"authLevelIncrement": -1}`,
			"node b DataStoreDecisionNode true>success false>a",
		}, -1},
		{"never", []string{"tree Main", "node a UsernameCollectorNode outcome>failure"}, never},
		{"a node that cannot run", []string{"tree Main", "node a NoSuchNode outcome>success"}, never},
		{"in an inner tree", []string{
			"tree Main", "node a InnerTreeEvaluatorNode true>success false>failure", `config a {"tree": "In"}`,
			"tree In inner", "node b ModifyAuthLevelNode outcome>success", `config b {"authLevelIncrement": 3}`,
		}, 3},
		{"in an inner tree that fails", []string{
			"tree Main", "node a InnerTreeEvaluatorNode true>failure false>success", `config a {"tree": "In"}`,
			"tree In inner", "node b ModifyAuthLevelNode outcome>failure", `config b {"authLevelIncrement": 3}`,
		}, 3},
		{"in an inner tree that never succeeds", []string{
			"tree Main", "node a InnerTreeEvaluatorNode true>success false>failure", `config a {"tree": "In"}`,
			"tree In inner", "node b ModifyAuthLevelNode outcome>failure", `config b {"authLevelIncrement": 3}`,
		}, never},
		{"in a tree that calls itself", []string{
			"tree Main", "node a ModifyAuthLevelNode outcome>b", `config a {"authLevelIncrement": 1}`,
			"node b DataStoreDecisionNode true>success false>c",
			"node c InnerTreeEvaluatorNode true>success false>failure", `config c {"tree": "Main"}`,
		}, journey.AnyLevel},
		{"on a page", []string{
			"tree Main", "node a PageNode outcome>success", "node b ModifyAuthLevelNode", "node c UsernameCollectorNode",
			`config b {"authLevelIncrement": 4}`, `config a {"children": ["b", "c"]}`,
		}, 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlayer()
			for _, line := range tt.lines {
				if _, err := p.do(line); err != nil {
					t.Fatalf("%s: %v", line, err)
				}
			}
			plan, err := journey.Compile(p.set, "Main", node.Builtin())
			if err != nil {
				t.Fatal(err)
			}
			want, succeeds := start+tt.want, tt.want != never
			if tt.want == journey.AnyLevel {
				want = journey.AnyLevel
			}
			if level, ok := plan.MaxLevel(start); ok != succeeds || ok && level != want {
				t.Errorf("reaches %d, %v; want %d, %v", level, ok, want, succeeds)
			}
		})
	}
}

// A slow twin walks all ways of a few steps through a random graph. Nobody finds
// more than MaxLevel says, and what MaxLevel says is found, or is AnyLevel.
func TestMaxLevelAgainstWalks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const nodes = 5
		p := newPlayer()
		do := func(format string, args ...any) {
			if _, err := p.do(fmt.Sprintf(format, args...)); err != nil {
				t.Fatal(err)
			}
		}
		do("tree Main")
		target := rapid.SampledFrom([]string{"n0", "n1", "n2", "n3", "n4", "success", "failure"})
		gain, next := make([]int, nodes), make([][]string, nodes)
		for i := range nodes {
			if rapid.Bool().Draw(t, "adds") {
				gain[i] = rapid.IntRange(-3, 3).Draw(t, "gain")
				next[i] = []string{target.Draw(t, "next")}
				do("node n%d ModifyAuthLevelNode outcome>%s", i, next[i][0])
				do(`config n%d {"authLevelIncrement": %d}`, i, gain[i])
			} else {
				next[i] = []string{target.Draw(t, "yes"), target.Draw(t, "no")}
				do("node n%d DataStoreDecisionNode true>%s false>%s", i, next[i][0], next[i][1])
			}
		}
		plan, err := journey.Compile(p.set, "Main", node.Builtin())
		if err != nil {
			t.Fatal(err)
		}
		// best[name] after k rounds: the most with which k steps lead there.
		best := func(steps int) (int, bool) {
			at, most, found := map[string]int{"n0": 0}, 0, false
			for range steps {
				after := map[string]int{}
				for i := range nodes {
					g, here := at[fmt.Sprintf("n%d", i)]
					if !here {
						continue
					}
					for _, to := range next[i] {
						if was, known := after[to]; !known || g+gain[i] > was {
							after[to] = g + gain[i]
						}
					}
				}
				if g, ends := after["success"]; ends && (!found || g > most) {
					most, found = g, true
				}
				at = after
			}
			return most, found
		}
		level, ok := plan.MaxLevel(0)
		short, found := best(nodes)
		long, _ := best(nodes * 20)
		switch {
		case ok != found:
			t.Fatalf("ok %v, a walk says %v", ok, found)
		case ok && level == journey.AnyLevel && long <= short:
			t.Fatalf("any level, but longer walks gain no more than %d", short)
		case ok && level != journey.AnyLevel && (level != long || level != short):
			t.Fatalf("level %d, walks say %d and %d", level, short, long)
		}
	})
}
