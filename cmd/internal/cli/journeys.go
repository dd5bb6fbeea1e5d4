package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"sojourn/actors/node"
	"sojourn/actors/tree"
)

func journeysCommand(env Env) *cobra.Command {
	cmd := &cobra.Command{Use: "journeys", Short: "Check, list, import and export journeys (frodo's JSON)"}
	j := &journeysOf{env: env, member: addTarget(env, cmd), realm: realmFlag(cmd)}
	return group(cmd, journeysCheck(env), j.list(), j.imports(), j.export(), j.delete())
}

func journeysCheck(env Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Judge the journeys of a file without a server",
		Long: `Judge the journeys of FILE ("-" for the standard input) without a server: unknown
node types, dangling connections, unreachable nodes, missing inner trees, and
attributes that cannot be used. Errors make the exit code 1; warnings do not.`,
		Args: wants("FILE"),
	}
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		export, err := readJourneys(env, args[0])
		if err != nil {
			return err
		}
		return judge(env, &tree.Set{}, export, *asJSON)
	}
	return cmd
}

// readJourneys reads a journey file, or the standard input for "-".
func readJourneys(env Env, path string) (tree.Export, error) {
	text, err := readInput(env, path, tree.MaxFileSize)
	if err != nil {
		return tree.Export{}, err
	}
	export, err := tree.DecodeExport(text)
	if err != nil {
		return tree.Export{}, fmt.Errorf("%s: %w", path, err)
	}
	return export, nil
}

// judged is one journey's report in JSON.
type judged struct {
	Journey  string    `json:"journey"`
	Nodes    int       `json:"nodes"`
	Problems []problem `json:"problems"`
}

type problem struct {
	Severity string `json:"severity"`
	Kind     string `json:"kind"`
	Node     string `json:"node,omitempty"`
	Name     string `json:"name,omitempty"`
	Text     string `json:"text"`
}

var errJudged = errors.New("the journeys have errors")

// judge reports on every journey of an export, laid over what is there already;
// errJudged when there is an error among the problems.
func judge(env Env, have *tree.Set, export tree.Export, asJSON bool) error {
	set, types := have.With(export), node.Builtin()
	all := []judged{}
	var failed error
	for _, j := range export.Journeys {
		report := set.Validate(j.Tree.Name, types)
		one := judged{Journey: j.Tree.Name, Nodes: len(j.Tree.Nodes), Problems: []problem{}}
		for _, p := range report {
			one.Problems = append(one.Problems, problem{
				Severity: p.Severity.String(), Kind: string(p.Kind), Node: string(p.Node), Name: p.DisplayName, Text: p.Text,
			})
		}
		all = append(all, one)
		if report.Err() != nil {
			failed = errJudged
		}
		if asJSON {
			continue
		}
		if len(report) == 0 {
			fmt.Fprintf(env.Stdout, "ok      tree %q: %d nodes\n", one.Journey, one.Nodes)
		}
		fmt.Fprint(env.Stdout, report.String())
	}
	for _, ignored := range export.Ignored {
		fmt.Fprintf(env.Stderr, "not looked at: %s\n", printable(ignored))
	}
	if asJSON {
		return errors.Join(writeJSON(env.Stdout, all), failed)
	}
	return failed
}
